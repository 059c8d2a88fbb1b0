"""What OME-Zarr says besides the pixels: OME-NGFF 0.4 and 0.5."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_mpi.engine.files.metadata import NO_UNIT, Calibration, ImageFile, unit_of
from napari_mpi.engine.images.arrays import ArrayLike
from napari_mpi.engine.images.axes import LETTERS, guess_axes
from napari_mpi.engine.runtime.errors import AxesError

LAYOUT = "napari-mpi-layout"
"""Attribute that holds the order of axes which an image had and NGFF does not allow."""
_KINDS = {"T": "time", "C": "channel", "S": "channel"} | dict.fromkeys("ZYX", "space")
_UNITS = {
    "nm": "nanometer", "um": "micrometer", "mm": "millimeter", "cm": "centimeter",
    "m": "meter", "inch": "inch", "angstrom": "angstrom", "us": "microsecond",
    "ms": "millisecond", "s": "second", "min": "minute", "h": "hour",
}  # fmt: skip
_NO_COLOUR = "FFFFFF"  # NGFF asks for one
_COLOURS = ("FF0000", "00FF00", "0000FF", "FFFFFF")  # red, green, blue, opacity


@dataclass(frozen=True, slots=True)
class NgffSource:
    """What is written back of a multiscale image.

    Parameters
    ----------
    version : str
        '0.4' or '0.5'.
    attributes : mapping
        All that its group says, the key 'ome' of 0.5 resolved.
    others : mapping
        What its group says besides, in 0.5.
    axes : str
        Axes as stored.
    levels : tuple of zarr.Array
        The level that is read, and those coarser than it.
    first : int
        Number of the level that is read.
    beside : tuple of str
        What else the group holds, such as labels and tables.
    """

    version: str
    attributes: Mapping[str, Any] = field(repr=False)
    others: Mapping[str, Any] = field(repr=False)
    axes: str
    levels: tuple[Any, ...] = field(default=(), repr=False)
    first: int = 0
    beside: tuple[str, ...] = ()

    def fits(self, array: ArrayLike, axes: str) -> bool:
        """Whether an array has the shape, type and axes of the level that was read."""
        if not self.levels or self.axes != axes:
            return False
        level = self.levels[0]
        same_type = np.dtype(level.dtype) == np.dtype(array.dtype)
        return same_type and bool(level.shape == tuple(array.shape))


def stored_axes(axes: str) -> str:
    """Return axes in the order that NGFF asks for: T, then channels, then Z, Y, X.

    Raises
    ------
    AxesError
        If NGFF has no place for them all.
    """
    others = [letter for letter in axes if letter not in "TZYX"]
    if len(others) > 1:
        raise AxesError(
            f"OME-Zarr holds T, Z, Y, X and one axis more, not {' and '.join(others)}:"
            " write a TIFF"
        )
    places = {"T": 0, "Z": 2, "Y": 3, "X": 4}
    return "".join(sorted(axes, key=lambda letter: places.get(letter, 1)))


def axes_of(multiscale: Mapping[str, Any], shape: tuple[int, ...]) -> str:
    """Return one letter per dimension of an image.

    Parameters
    ----------
    multiscale : mapping
        As NGFF describes it; without axes (before 0.3) they are T, C, Z, Y, X.
    shape : tuple of int
        Shape of level 0.
    """
    said = multiscale.get("axes", list("tczyx"))
    letters = "".join(map(_letter, said))
    usable = set(letters) <= set(LETTERS) and len(set(letters)) == len(letters)
    return letters if usable and len(letters) == len(shape) else guess_axes(shape)


def _letter(axis: Any) -> str:
    said: Mapping[str, Any] = axis if isinstance(axis, Mapping) else {"name": axis}
    name, kind = str(said.get("name", "")), said.get("type")
    by_kind = {"time": "T", "channel": "C"}.get(str(kind))
    return by_kind or name[:1].upper() or "?"


def calibration_of(
    attributes: Mapping[str, Any],
    multiscale: Mapping[str, Any],
    axes: str,
    level: int = 0,
) -> Calibration:
    """Return sizes, channel names and colours of a multiscale image.

    Parameters
    ----------
    attributes : mapping
        Of its group, 'omero' among them.
    multiscale : mapping
        As NGFF describes it.
    axes : str
        As `axes_of` returns them.
    level : int
        Number of the level that is read.
    """
    units = [
        unit_of(axis.get("unit")) if isinstance(axis, Mapping) else None
        for axis in multiscale.get("axes", [])
    ]
    dataset = multiscale["datasets"][level]
    scales = [_scale(dataset, len(axes)), _scale(multiscale, len(axes))]
    steps = {
        axis: (math.prod(factors), unit or NO_UNIT)
        for axis, unit, *factors in zip(axes, units, *scales, strict=False)
        # A step of 1 without a unit says nothing.
        if unit is not None or (axis in "TZYX" and math.prod(factors) != 1)
    }
    channels = attributes.get("omero", {}).get("channels", [])
    names = tuple(str(channel.get("label", "")) for channel in channels)
    colours = tuple(str(channel.get("color", "")).upper() for channel in channels)
    told = all(colours) and set(colours) != {_NO_COLOUR}
    return Calibration(steps, names if all(names) else (), colours if told else ())


def _scale(described: Mapping[str, Any], count: int) -> list[float]:
    for transform in described.get("coordinateTransformations", []):
        if transform.get("type") == "scale" and "scale" in transform:
            return [float(factor) for factor in transform["scale"]]
    return [1.0] * count


def group_attributes(
    image: ImageFile, stored: str, provenance: Mapping[str, Any], *, levels: int = 1
) -> tuple[str, dict[str, Any]]:
    """Return version and attributes of the group that an image is written as.

    Parameters
    ----------
    image : ImageFile
        Its source, if it is of NGFF and has the same axes, is kept.
    stored : str
        Axes in the order in which the pixels are stored.
    provenance : mapping
        How the image was made.
    levels : int
        How many levels are written.
    """
    source = image.metadata.source
    if isinstance(source, NgffSource) and source.axes == stored:
        version, others = source.version, dict(source.others)
        attributes = _with_levels(source, levels)
    else:
        version, others = "0.5", {}
        attributes = _attributes(image, stored)
    if provenance:
        others["napari-mpi"] = dict(provenance)
    others.pop(LAYOUT, None)
    if stored != image.axes:
        others[LAYOUT] = {"axes": image.axes}
    if version == "0.4":
        attributes["multiscales"][0]["version"] = version
        return version, attributes | others
    attributes["version"] = version
    return version, {"ome": attributes} | others


def _with_levels(source: NgffSource, count: int) -> dict[str, Any]:
    """Return attributes of which some levels of the first image are left."""
    kept = copy.deepcopy(dict(source.attributes))
    kept["multiscales"] = kept["multiscales"][:1]
    (multiscale,) = kept["multiscales"]
    datasets = multiscale["datasets"][source.first :][:count]
    multiscale["datasets"] = [
        dataset | {"path": str(number)} for number, dataset in enumerate(datasets)
    ]
    return kept


def _attributes(image: ImageFile, stored: str) -> dict[str, Any]:
    known = image.calibration
    scale = [known.steps.get(letter, (1.0, ""))[0] for letter in stored]
    transforms = [{"type": "scale", "scale": scale}]
    dataset = {"path": "0", "coordinateTransformations": transforms}
    axes = [_axis(letter, known) for letter in stored]
    attributes: dict[str, Any] = {
        "multiscales": [{"name": "image", "axes": axes, "datasets": [dataset]}]
    }
    channels = _channels(image, known)
    return attributes | ({"omero": {"channels": channels}} if channels else {})


def _axis(letter: str, known: Calibration) -> dict[str, str]:
    axis = {"name": "c" if letter == "S" else letter.lower()}
    if letter in _KINDS:
        axis["type"] = _KINDS[letter]
    if letter in known.steps and known.steps[letter][1] != NO_UNIT:
        axis["unit"] = _UNITS[known.steps[letter][1]]
    return axis


def _channels(image: ImageFile, known: Calibration) -> list[dict[str, Any]]:
    colours = known.colours
    if "S" in image.axes:
        colours = _COLOURS[: image.array.shape[image.axes.index("S")]]
    count = max(len(known.channels), len(colours))
    labels = [{"label": name} for name in known.channels] or [{}] * count
    return [
        {"color": colour, "active": True, **label}
        for colour, label in zip(colours or [_NO_COLOUR] * count, labels, strict=True)
    ]
