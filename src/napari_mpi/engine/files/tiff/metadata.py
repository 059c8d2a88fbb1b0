"""What TIFF files say besides the pixels: plain, of ImageJ, and OME."""

from collections.abc import Mapping
from typing import Any

import tifffile

from napari_mpi.engine.files.metadata import Calibration, Metadata, unit_of

# What tifffile derives from the array itself, and must not be told twice.
_IMAGEJ_DERIVED = {"ImageJ", "images", "channels", "slices", "frames", "hyperstack"}
_OME_UNITS = {"um": "µm", "angstrom": "Å", "us": "µs", "inch": "in"}


def metadata_of(file: Any, axes: str, shape: tuple[int, ...]) -> Metadata:
    """Return what an open file says.

    Parameters
    ----------
    file : tifffile.TiffFile
        The file.
    axes : str
        Axes of its first series.
    shape : tuple of int
        Shape of its first series.
    """
    page = file.pages.first
    resolution = page.resolution if "XResolution" in page.tags else None
    unit = int(page.resolutionunit)
    flavour, fields = _fields(file)
    known = calibration_of(fields, resolution, unit).along(axes, shape)
    return Metadata(flavour, resolution, unit, fields, known)


def _fields(file: Any) -> tuple[Any, dict[str, Any]]:
    if file.is_imagej:
        return "imagej", _without(file.imagej_metadata or {}, _IMAGEJ_DERIVED)
    if file.is_ome:
        return "ome", _ome_fields(file.ome_metadata or "")
    if file.is_shaped:
        return "plain", _without((file.shaped_metadata or [{}])[0], {"axes", "shape"})
    description = file.pages.first.description
    return "plain", {"description": description} if description else {}


def _without(fields: Mapping[str, Any], derived: set[str]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in derived}


def _ome_fields(xml: str) -> dict[str, Any]:
    """Return what tifffile writes back of an OME-XML: sizes, times, channels."""
    image = tifffile.xml2dict(xml)["OME"]["Image"]
    image = image[0] if isinstance(image, list) else image
    pixels = image["Pixels"]
    wanted = ("PhysicalSize", "TimeIncrement")
    fields = {name: value for name, value in pixels.items() if name.startswith(wanted)}
    fields |= {
        name: image[name]
        for name in ("Name", "Description")
        if isinstance(image.get(name), str)
    }
    found = pixels.get("Channel", [])
    channels = found if isinstance(found, list) else [found]
    said = {
        word: [channel.get(word) for channel in channels]
        for word, kind in (("Name", str), ("Color", int))
        if channels and all(isinstance(c.get(word), kind) for c in channels)
    }
    return fields | ({"Channel": said} if said else {})


def calibration_of(
    fields: Mapping[str, Any], resolution: tuple[float, float] | None, unit: int
) -> Calibration:
    """Return the calibration that fields of OME or ImageJ and the tags tell.

    Parameters
    ----------
    fields : mapping
        As in `Metadata`.
    resolution : tuple of float, optional
        Pixels per unit along X and Y.
    unit : int
        Unit of the tags. Inches are of printing, and say nothing of what is seen.
    """
    steps = _steps_of_ome(fields) or _steps_of_imagej(fields, resolution, unit)
    channel = fields.get("Channel")
    said = channel if isinstance(channel, Mapping) else {}
    colours = tuple(_as_digits(colour) for colour in said.get("Color", ()))
    return Calibration(steps, tuple(said.get("Name", ())), colours)


def _steps_of_ome(fields: Mapping[str, Any]) -> dict[str, tuple[float, str]]:
    names = {axis: f"PhysicalSize{axis}" for axis in "XYZ"} | {"T": "TimeIncrement"}
    found = {
        axis: (fields.get(name), unit_of(fields.get(f"{name}Unit", _usual(axis))))
        for axis, name in names.items()
    }
    return _measured(found)


def _usual(axis: str) -> str:
    return "s" if axis == "T" else "um"  # what OME means where it says nothing


def _steps_of_imagej(
    fields: Mapping[str, Any], resolution: tuple[float, float] | None, unit: int
) -> dict[str, tuple[float, str]]:
    word = unit_of(fields.get("unit", "cm" if unit == 3 else None))
    along_x, along_y = resolution or (0, 0)
    found = {
        "X": (1 / along_x if along_x else None, word),
        "Y": (1 / along_y if along_y else None, unit_of(fields.get("yunit")) or word),
        "Z": (fields.get("spacing"), unit_of(fields.get("zunit")) or word),
        "T": (fields.get("finterval"), unit_of(fields.get("tunit")) or "s"),
    }
    return _measured(found)


def _measured(found: Mapping[str, tuple[Any, Any]]) -> dict[str, tuple[float, str]]:
    """Leave out what is no length of a step in a unit that is known."""
    return {
        axis: (float(step), unit)
        for axis, (step, unit) in found.items()
        if isinstance(step, (int, float)) and step > 0 and unit is not None
    }


def ome_fields(calibration: Calibration) -> dict[str, Any]:
    """Return a calibration in the words that tifffile writes as OME-XML.

    Parameters
    ----------
    calibration : Calibration
        Of axes that OME knows.
    """
    fields: dict[str, Any] = {}
    for axis, (step, unit) in calibration.steps.items():
        if axis in "XYZT":
            name = "TimeIncrement" if axis == "T" else f"PhysicalSize{axis}"
            fields |= {name: step, f"{name}Unit": _OME_UNITS.get(unit, unit)}
    channel = {
        "Name": list(calibration.channels),
        "Color": [_as_number(colour) for colour in calibration.colours],
    }
    said = {word: values for word, values in channel.items() if values}
    return fields | ({"Channel": said} if said else {})


def _as_digits(colour: int) -> str:
    """Return the RGB of a signed RGBA number of 32 bits."""
    return f"{(colour % 2**32) >> 8:06X}"


def _as_number(colour: str) -> int:
    value = (int(colour, 16) << 8) | 0xFF
    return value - 2**32 if value >= 2**31 else value
