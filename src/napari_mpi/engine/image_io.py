"""Image files, in and out: the door to the formats."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_mpi.engine.errors import EngineError, ImageFileError
from napari_mpi.engine.image_metadata import Calibration, ImageFile, Metadata
from napari_mpi.engine.picture_files import PICTURE_SUFFIXES, read_picture
from napari_mpi.engine.tiff_files import TIFF_SUFFIXES, read_tiff, write_tiff
from napari_mpi.engine.whole_files import ensure_writable

__all__ = [
    "PICTURE_SUFFIXES",
    "TIFF_SUFFIXES",
    "Calibration",
    "ImageFile",
    "Metadata",
    "read_image",
    "require_writable",
    "write_image",
]


def read_image(path: Path, *, lazy: bool = False) -> ImageFile:
    """Read a TIFF, PNG or JPEG file; of a file with several series, the first.

    Parameters
    ----------
    path : Path
        The file.
    lazy : bool
        Whether the pixels are read when they are asked for, where the format allows
        it; ``array`` is then a `LazyArray`.

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
        if suffix in TIFF_SUFFIXES:
            return read_tiff(path, lazy=lazy)
        return read_picture(path)
    except EngineError:
        raise
    except MemoryError as error:
        raise ImageFileError(
            f"{path} is larger than the free memory: crop it, or use a larger machine"
        ) from error
    except Exception as error:  # readers raise whatever a damaged file provokes
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
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
        Pixels, axes and metadata. The pixels are read a block at a time.
    provenance : mapping, optional
        JSON values kept in the file under 'napari-mpi': how the image was made.

    Raises
    ------
    ImageFileError
        If the file cannot be written.
    """
    require_writable(path)
    try:
        write_tiff(path, image, provenance or {})
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
