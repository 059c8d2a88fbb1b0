"""Image files: TIFF in and out with axes and calibration, PNG and JPEG in."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import imageio.v3 as imageio
import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_mpi.engine.axes import guess_axes
from napari_mpi.engine.errors import EngineError, ImageFileError
from napari_mpi.engine.whole_files import ensure_writable, whole_file

TIFF_SUFFIXES = (".tif", ".tiff")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
_IMAGEJ_AXES, _OME_AXES = "TZCYXS", "TCZYXS"
# What tifffile derives from the array itself, and must not be told twice.
_IMAGEJ_DERIVED = {"ImageJ", "images", "channels", "slices", "frames", "hyperstack"}


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a file says besides the pixels; it is written back as it was.

    Parameters
    ----------
    flavour : {'plain', 'imagej', 'ome'}
        How the file keeps its metadata.
    resolution : tuple of float, optional
        Pixels per ``resolution_unit`` along X and Y.
    resolution_unit : int
        Unit of the TIFF tag: 1 none (ImageJ names its own), 2 inch, 3 centimetre.
    fields : mapping
        Calibration, time interval, channel names and the like, in the flavour's words.
    """

    flavour: Literal["plain", "imagej", "ome"] = "plain"
    resolution: tuple[float, float] | None = None
    resolution_unit: int = 1
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image as read: pixels, what their dimensions mean, what else the file says.

    Parameters
    ----------
    array : NDArray
        The pixels.
    axes : str
        One letter per dimension.
    metadata : Metadata
        What is written back.
    series : int
        How many images the file has; this is the first of them.
    """

    array: NDArray[np.generic] = field(repr=False)
    axes: str
    metadata: Metadata = field(default_factory=Metadata)
    series: int = 1


def read_image(path: Path) -> ImageFile:
    """Read a TIFF, PNG or JPEG file; of a file with several series, the first.

    Raises
    ------
    ImageFileError
        If the file is missing, of another kind, or damaged.
    """
    suffix = path.suffix.lower()
    if not path.is_file():
        raise ImageFileError(f"there is no file {path}: check the path")
    if suffix not in TIFF_SUFFIXES + PICTURE_SUFFIXES:
        raise ImageFileError(
            f"{path} is of a kind that is not read: give a TIFF, PNG or JPEG file"
        )
    try:
        return _read_tiff(path) if suffix in TIFF_SUFFIXES else _read_picture(path)
    except EngineError:
        raise
    except MemoryError as error:
        raise ImageFileError(
            f"{path} is larger than the free memory: crop it, or use a larger machine"
        ) from error
    except Exception as error:  # readers raise whatever a damaged file provokes
        reason = (
            str(error).strip().splitlines()[0]
            if str(error).strip()
            else type(error).__name__
        )
        raise ImageFileError(
            f"{path} cannot be read as an image, it is damaged or of another kind:"
            f" {reason}"
        ) from error


def write_image(
    path: Path, image: ImageFile, *, provenance: Mapping[str, Any] | None = None
) -> None:
    """Write a TIFF file in the flavour of its metadata, whole or not at all.

    Parameters
    ----------
    path : Path
        Ends in .tif or .tiff; a file of that name is replaced.
    image : ImageFile
        Pixels, axes and metadata.
    provenance : mapping, optional
        JSON values kept in the file under 'napari-mpi': how the image was made.

    Raises
    ------
    ImageFileError
        If the file cannot be written.
    """
    require_writable(path)
    options = _tiff_options(image, provenance or {})
    try:
        with whole_file(path) as target:
            tifffile.imwrite(target, image.array, **options)
    except OSError as error:
        raise _unwritable(path, error) from error


def require_writable(path: Path) -> None:
    """Raise ImageFileError unless a TIFF file of this name can be written.

    For asking before hours of work, not after.
    """
    if path.suffix.lower() not in TIFF_SUFFIXES:
        raise ImageFileError(
            f"the output {path} does not end in .tif: results are written as TIFF"
        )
    try:
        ensure_writable(path)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> ImageFileError:
    return ImageFileError(
        f"{path} cannot be written ({error.strerror or error}): choose another folder"
        " or make room"
    )


def _read_picture(path: Path) -> ImageFile:
    array = imageio.imread(path)
    if array.ndim == 3 and array.shape[-1] == 2:  # grey with opacity
        array = array[..., 0]
    return ImageFile(array, "YXS" if array.ndim == 3 else guess_axes(array.shape))


def _read_tiff(path: Path) -> ImageFile:
    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        array = series.asarray()
        return ImageFile(array, series.axes, _metadata(file), len(file.series))


def _metadata(file: tifffile.TiffFile) -> Metadata:
    page = file.pages.first
    resolution = page.resolution if "XResolution" in page.tags else None
    unit = int(page.resolutionunit)
    if file.is_imagej:
        found = file.imagej_metadata or {}
        kept = {
            name: value for name, value in found.items() if name not in _IMAGEJ_DERIVED
        }
        return Metadata("imagej", resolution, unit, kept)
    if file.is_ome:
        return Metadata("ome", resolution, unit, _ome_fields(file.ome_metadata or ""))
    if file.is_shaped:
        known = dict((file.shaped_metadata or [{}])[0])
        kept = {
            name: value
            for name, value in known.items()
            if name not in ("axes", "shape")
        }
        return Metadata("plain", resolution, unit, kept)
    fields = {"description": page.description} if page.description else {}
    return Metadata("plain", resolution, unit, fields)


def _ome_fields(xml: str) -> dict[str, Any]:
    """Return what tifffile writes back of an OME-XML: sizes, times, channel names."""
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
    channels = pixels.get("Channel", [])
    names = [
        channel.get("Name")
        for channel in (channels if isinstance(channels, list) else [channels])
    ]
    if names and all(isinstance(name, str) for name in names):
        fields["Channel"] = {"Name": names}
    return fields


def _tiff_options(image: ImageFile, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords of ``tifffile.imwrite`` that keep what the source said."""
    metadata, axes = image.metadata, image.axes
    fields = {**metadata.fields, "axes": axes}
    flavour = _writable_flavour(image)
    options: dict[str, Any] = {"metadata": fields, **_colour_options(image, flavour)}
    if metadata.resolution is not None:
        options |= {
            "resolution": metadata.resolution,
            "resolutionunit": metadata.resolution_unit,
        }
    if flavour == "imagej":
        fields["Info"] = _with_note(fields.get("Info"), provenance)
        return options | {"imagej": True}
    if flavour == "ome":
        fields["Description"] = _with_note(fields.get("Description"), provenance)
        return options | {"ome": True}
    # JSON of a plain file takes numbers, words and lists; ImageJ's tables are arrays.
    plain = {name: value for name, value in fields.items() if _is_json(value)}
    options["metadata"] = {**plain, "napari-mpi": dict(provenance)}
    return options | {"software": f"napari-mpi {provenance.get('version', '')}".strip()}


def _writable_flavour(image: ImageFile) -> str:
    """Return the source's flavour, or 'plain' where that cannot hold this image."""
    flavour, axes = image.metadata.flavour, image.axes
    order = {"imagej": _IMAGEJ_AXES, "ome": _OME_AXES}.get(flavour, "")
    in_order = [letter for letter in order if letter in axes] == list(axes)
    if flavour == "imagej":
        known = image.array.dtype in (np.uint8, np.uint16, np.int16, np.float32)
        return flavour if in_order and known else "plain"
    return flavour if set(axes) <= set(order) else "plain"


def _colour_options(image: ImageFile, flavour: str) -> dict[str, Any]:
    size = image.array.shape[image.axes.index("S")] if "S" in image.axes else 0
    # ImageJ has no RGB of more than 8 bits, but composites of as many grey samples.
    composite = flavour == "imagej" and image.array.dtype != np.uint8
    if size not in (3, 4) or composite:
        return {"photometric": "minisblack"}
    layout = "contig" if image.axes.endswith("S") else "separate"
    opacity = {"extrasamples": ["unassalpha"]} if size == 4 else {}
    return {"photometric": "rgb", "planarconfig": layout, **opacity}


def _with_note(text: Any, provenance: Mapping[str, Any]) -> str:
    note = f"napari-mpi: {json.dumps(dict(provenance))}" if provenance else ""
    return "\n".join(part for part in (str(text or "").strip(), note) if part)


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
