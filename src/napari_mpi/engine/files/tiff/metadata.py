"""What TIFF files say besides the pixels: plain, of ImageJ, and OME."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tifffile

from napari_mpi.engine.files.metadata import Calibration, Metadata, unit_of

# What tifffile derives from the array itself, and must not be told twice.
_IMAGEJ_DERIVED = {"ImageJ", "images", "channels", "slices", "frames", "hyperstack"}
_OME_UNITS = {"um": "µm", "angstrom": "Å", "us": "µs", "inch": "in"}


@dataclass(frozen=True, slots=True)
class TiffSource:
    """What is written back of a TIFF file besides.

    Parameters
    ----------
    white_is_zero : bool
        Whether it is shown inverted.
    orientation : int
        How it is turned for a person, 1 for as it is.
    gdal_no_data : str, optional
        The value of no measurement, as GDAL writes it.
    """

    white_is_zero: bool = False
    orientation: int = 1
    gdal_no_data: str | None = None


def metadata_of(file: Any, axes: str, series: Any) -> Metadata:
    """Return what an open file says of a series.

    Parameters
    ----------
    file : tifffile.TiffFile
        The file.
    axes : str
        Axes of the series.
    series : tifffile.TiffPageSeries
        Of the file.
    """
    page = series.keyframe
    resolution = page.resolution if "XResolution" in page.tags else None
    unit = int(page.resolutionunit)
    flavour, fields = _fields(file, series)
    known = calibration_of(fields, resolution, unit).along(axes, series.shape)
    source = _source_of(page)
    no_data = _no_data(source.gdal_no_data)
    return Metadata(flavour, resolution, unit, fields, known, source, no_data)


def _source_of(page: Any) -> TiffSource:
    said = page.tags.get("GDAL_NODATA")
    turned = page.tags.get("Orientation")
    return TiffSource(
        int(page.photometric) == 0,
        int(turned.value) if turned is not None else 1,
        None if said is None else str(said.value).strip("\0 "),
    )


def _no_data(said: str | None) -> tuple[tuple[float, float], ...]:
    try:
        value = float(said or "nan")
    except ValueError:
        return ()
    return (
        ((value, value),) if math.isfinite(value) else ()
    )  # others are so in any case


def _fields(file: Any, series: Any) -> tuple[Any, dict[str, Any]]:
    """Return flavour and fields; of a flavour that tifffile gave up, plain ones."""
    if file.is_imagej and series.kind == "imagej":
        return "imagej", _without(file.imagej_metadata or {}, _IMAGEJ_DERIVED)
    if file.is_imagej:
        return "plain", _of_imagej(file)
    if file.is_ome and series.kind == "ome":
        return "ome", _ome_fields(file.ome_metadata or "", _number(file, series))
    if file.is_shaped and series.kind == "shaped":
        return "plain", _without((file.shaped_metadata or [{}])[0], {"axes", "shape"})
    description = series.keyframe.description
    told = description and not file.is_shaped and not file.is_ome
    return "plain", {"description": description} if told else {}


def _of_imagej(file: Any) -> dict[str, Any]:
    """Return what ImageJ says that holds whatever the planes are."""
    known = file.imagej_metadata or {}
    wanted = ("unit", "spacing", "finterval", "tunit")
    return {name: known[name] for name in wanted if name in known}


def _number(file: Any, series: Any) -> int:
    """Return which of the images that OME-XML tells of a series is."""
    same = [each for each in file.series if each.kind == "ome"]
    return next((n for n, each in enumerate(same) if each is series), 0)


def _without(fields: Mapping[str, Any], derived: set[str]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in derived}


def _ome_fields(xml: str, number: int = 0) -> dict[str, Any]:
    """Return what tifffile writes back of an OME-XML: sizes, times, channels."""
    image = tifffile.xml2dict(xml)["OME"].get("Image", {"Pixels": {}})
    images = image if isinstance(image, list) else [image]
    image = images[min(number, len(images) - 1)]
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
