"""An image as files keep it: pixels, axes, sizes, and what else a file says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from napari_mpi.engine.images.arrays import ArrayLike

Flavour = Literal["plain", "imagej", "ome", "zarr", "nifti", "dicom"]

_UNITS = {
    "um": "um micron microns micrometer micrometre micrometers µm μm \\u00b5m",
    "nm": "nm nanometer nanometre",
    "mm": "mm millimeter millimetre",
    "cm": "cm centimeter centimetre",
    "m": "m meter metre",
    "inch": "inch in",
    "angstrom": "angstrom å \\u00c5 \\u00e5",
    "s": "s sec second seconds",
    "ms": "ms msec millisecond",
    "us": "us usec microsecond µs μs",
    "min": "min minute",
    "h": "h hour",
}
NO_UNIT = "reference frame"
"""Unit of lengths whose unit is not told, in the word of OME."""

_EXPONENTS = {"angstrom": -10, "nm": -9, "um": -6, "mm": -3, "cm": -2, "m": 0}
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_SPELT = {word: unit for unit, words in _UNITS.items() for word in words.split()}


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the steps of an image measure, in words that every format can be told in.

    Parameters
    ----------
    steps : mapping of str to (float, str)
        Length of one step along an axis, with its unit: 'nm', 'um', 'mm', 'cm', 'm',
        'inch', 'angstrom' in space, 'us', 'ms', 's', 'min', 'h' in time; `NO_UNIT`
        where a file tells lengths without one.
    channels : tuple of str
        Names of all channels, or none.
    colours : tuple of str
        Six hexadecimal digits per channel, or none.
    """

    steps: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()

    def along(self, axes: str, shape: tuple[int, ...]) -> "Calibration":
        """Return what of it holds for an image of these axes and this shape."""
        steps = {axis: step for axis, step in self.steps.items() if axis in axes}
        count = shape[axes.index("C")] if "C" in axes else 0
        channels, colours = (
            words if len(words) == count else ()
            for words in (self.channels, self.colours)
        )
        return Calibration(steps, channels, colours)


@dataclass(frozen=True, slots=True)
class Scaling:
    """What stored values stand for: ``slope * stored + intercept``.

    Parameters
    ----------
    slope, intercept : float
        Of DICOM's modality, or of NIfTI.
    planes : tuple of (float, float)
        Slope and intercept of every plane of Y by X, in order, where they differ.
    """

    slope: float = 1.0
    intercept: float = 0.0
    planes: tuple[tuple[float, float], ...] = field(default=(), repr=False)

    @property
    def is_none(self) -> bool:
        """Whether stored values are the true ones."""
        return (self.slope, self.intercept) == (1.0, 0.0) and not self.planes

    @property
    def of_noise(self) -> "Scaling":
        """What differences of stored values stand for."""
        slopes = tuple((abs(slope), 0.0) for slope, _ in self.planes)
        return Scaling(abs(self.slope), 0.0, slopes)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a file says besides the pixels; it is written back as it was.

    Parameters
    ----------
    flavour : {'plain', 'imagej', 'ome', 'zarr', 'nifti', 'dicom'}
        How the file keeps its metadata; the first three are of TIFF.
    resolution : tuple of float, optional
        Pixels per ``resolution_unit`` along X and Y, of TIFF.
    resolution_unit : int
        Unit of the TIFF tag: 1 none (ImageJ names its own), 2 inch, 3 centimetre.
    fields : mapping
        Calibration, time interval, channel names and the like, in the flavour's words.
    calibration : Calibration
        The same in words that other formats can be told in.
    source : object
        What a format needs besides to write an image of its own: headers, data sets.
    nodata : tuple of (float, float)
        Ranges of stored values, ends included, that stand for no measurement at all,
        such as padding.
    scaling : Scaling
        What the stored values stand for.
    """

    flavour: Flavour = "plain"
    resolution: tuple[float, float] | None = None
    resolution_unit: int = 1
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)
    calibration: Calibration = field(default_factory=Calibration)
    source: Any = field(default=None, repr=False, compare=False)
    nodata: tuple[tuple[float, float], ...] = ()
    scaling: Scaling = field(default_factory=Scaling)


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image as read: pixels, what their dimensions mean, what else the file says.

    Parameters
    ----------
    array : array-like
        The pixels; a numpy array, or any that is read a part at a time.
    axes : str
        One letter per dimension.
    metadata : Metadata
        What is written back.
    series : int
        How many images the file has; this is the first of them.
    notes : tuple of str
        What a person should know of how it was read, a sentence each.
    """

    array: Any = field(repr=False)
    axes: str
    metadata: Metadata = field(default_factory=Metadata)
    series: int = 1
    notes: tuple[str, ...] = ()

    @property
    def calibration(self) -> Calibration:
        """What the steps along these axes measure."""
        return self.metadata.calibration.along(self.axes, self.array.shape)


def unit_of(word: Any) -> str | None:
    """Return the name that `Calibration` has for a unit; None if it is none.

    Parameters
    ----------
    word : object
        As a file spells it, such as 'micron' or 'micrometer'.
    """
    if not isinstance(word, str):
        return None
    word = word.strip().lower()
    return NO_UNIT if word == NO_UNIT else _SPELT.get(word)


def in_unit(step: tuple[float, str], unit: str) -> float:
    """Return the length of a step in another unit.

    Parameters
    ----------
    step : (float, str)
        As in `Calibration`.
    unit : str
        Of the same kind, space or time.
    """
    length, own = step
    if own == NO_UNIT:
        return length
    if own in _SECONDS:
        return length if own == unit else length * _SECONDS[own] / _SECONDS[unit]
    if own == "inch":
        length, own = length * 25.4, "mm"
    return length * float(f"1e{_EXPONENTS[own] - _EXPONENTS[unit]}")


def size_of(array: ArrayLike) -> int:
    """Return the number of bytes of all elements."""
    size = int(array.dtype.itemsize)
    for length in array.shape:
        size *= length
    return size
