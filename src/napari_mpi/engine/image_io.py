"""Image files: TIFF in and out with axes and calibration, PNG and JPEG in."""

import json
import logging
import threading
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

Flavour = Literal["plain", "imagej", "ome"]

TIFF_SUFFIXES = (".tif", ".tiff")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
_IMAGEJ_AXES = "TZCYXS"
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

    flavour: Flavour = "plain"
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
    flavour = _fitting_flavour(image)
    try:
        _write_tiff(path, image, flavour, provenance or {})
    except (ValueError, tifffile.OmeXmlError):
        # Axes, types or words that only tifffile knows not to fit ImageJ or OME.
        _write_tiff(path, image, "plain", provenance or {})
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
    # By name: otherwise every reader of imageio tries, and leaves the file open.
    inks = imageio.immeta(path, plugin="pillow")["mode"] in ("CMYK", "YCCK")
    options: dict[str, Any] = {"mode": "RGB"} if inks else {}
    array = imageio.imread(path, plugin="pillow", **options)
    if array.ndim == 3 and array.shape[-1] == 2:  # grey with opacity
        array = array[..., 0]
    return ImageFile(array, "YXS" if array.ndim == 3 else guess_axes(array.shape))


def _read_tiff(path: Path) -> ImageFile:
    complaints = _Complaints()
    logger = logging.getLogger("tifffile")
    logger.addHandler(complaints)
    try:
        with tifffile.TiffFile(path) as file:
            _require_intensities(path, file)
            series = file.series[0]
            array = series.asarray()
            image = ImageFile(array, series.axes, _metadata(file), len(file.series))
    finally:
        logger.removeHandler(complaints)
    if complaints.texts:
        raise ImageFileError(f"{path} is damaged: {complaints.texts[0]}; copy it again")
    return image


def _require_intensities(path: Path, file: tifffile.TiffFile) -> None:
    """Raise if the samples are no intensities, but indices or inks."""
    kinds = {3: "indices of a palette", 5: "inks (CMYK)"}
    photometric = int(file.pages.first.photometric)
    if photometric in kinds and not file.is_imagej:
        raise ImageFileError(
            f"{path} holds {kinds[photometric]}, not intensities: convert it to RGB"
        )


class _Complaints(logging.Handler):
    """Keeps what tifffile only logs: of a stack cut short, it reads a part."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            text = record.getMessage().splitlines()[0]
            if not text.startswith("<TiffTag"):  # an odd tag harms no pixel
                self.texts.append(text)


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


def _write_tiff(
    path: Path, image: ImageFile, flavour: Flavour, provenance: Mapping[str, Any]
) -> None:
    metadata = image.metadata
    options: dict[str, Any] = _colour_options(image, flavour)
    if metadata.resolution is not None:
        options["resolution"] = metadata.resolution
        options["resolutionunit"] = metadata.resolution_unit
    options |= _fields(image, flavour, provenance)
    with whole_file(path) as target:
        tifffile.imwrite(target, image.array, **options)


def _fields(
    image: ImageFile, flavour: Flavour, provenance: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the options of ``tifffile.imwrite`` that keep what the source said."""
    fields = {**image.metadata.fields, "axes": image.axes}
    if flavour == "imagej":
        fields = {name: _as_imagej(name, value) for name, value in fields.items()}
        fields["Info"] = _with_note(fields.get("Info"), provenance)
        return {"imagej": True, "metadata": fields}
    if flavour == "ome":
        fields["Description"] = _with_note(fields.get("Description"), provenance)
        return {"ome": True, "metadata": fields}
    # JSON of a plain file takes numbers, words and lists; ImageJ's tables are arrays.
    plain = {name: value for name, value in fields.items() if _is_json(value)}
    software = f"napari-mpi {provenance.get('version', '')}".strip()
    return {"software": software, "metadata": {**plain, "napari-mpi": dict(provenance)}}


def _fitting_flavour(image: ImageFile) -> Flavour:
    """Return the source's flavour, or 'plain' where that cannot hold this image."""
    flavour, axes = image.metadata.flavour, image.axes
    if flavour != "imagej":
        return flavour
    in_order = [letter for letter in _IMAGEJ_AXES if letter in axes] == list(axes)
    known = image.array.dtype in (np.uint8, np.uint16, np.int16, np.float32)
    return "imagej" if in_order and known else "plain"


def _as_imagej(name: str, value: Any) -> Any:
    """Write letters such as the micro sign as ImageJ does in its description."""
    if not isinstance(value, str) or name in ("Info", "Labels"):
        return value
    letters = (c if c.isascii() else f"\\u{ord(c):04X}" for c in value)
    return "".join(letters)


def _colour_options(image: ImageFile, flavour: Flavour) -> dict[str, Any]:
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
