"""What OME-Zarr says besides the pixels: OME-NGFF 0.4 and 0.5, level 0."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_mpi.engine.files.metadata import NO_UNIT, Calibration, ImageFile, unit_of
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
    """

    version: str
    attributes: Mapping[str, Any] = field(repr=False)
    others: Mapping[str, Any] = field(repr=False)
    axes: str


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
    attributes: Mapping[str, Any], multiscale: Mapping[str, Any], axes: str
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
    """
    units = [
        unit_of(axis.get("unit")) if isinstance(axis, Mapping) else None
        for axis in multiscale.get("axes", [])
    ]
    dataset = multiscale["datasets"][0]
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
    image: ImageFile, stored: str, provenance: Mapping[str, Any]
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
    """
    source = image.metadata.source
    if isinstance(source, NgffSource) and source.axes == stored:
        version, others = source.version, dict(source.others)
        attributes = _with_one_level(source.attributes)
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


def _with_one_level(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes of which only the first level of the first image is left."""
    kept = copy.deepcopy(dict(attributes))
    kept["multiscales"] = kept["multiscales"][:1]
    (multiscale,) = kept["multiscales"]
    multiscale["datasets"] = [multiscale["datasets"][0] | {"path": "0"}]
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


def add_windows(
    attributes: Mapping[str, Any], ranges: Mapping[int, tuple[float, float]]
) -> None:
    """Tell the range of every channel that is described but without one; NGFF asks it.

    Parameters
    ----------
    attributes : mapping
        As `group_attributes` returns them; they are changed.
    ranges : mapping of int to (float, float)
        Least and largest value of each channel; 0 and 1 where there is none.
    """
    described = attributes.get("ome", attributes)
    for number, channel in enumerate(described.get("omero", {}).get("channels", [])):
        low, high = ranges.get(number, (0.0, 1.0))
        ends = {"min": low, "max": high, "start": low, "end": high}
        channel.setdefault("window", ends)
