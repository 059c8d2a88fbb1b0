"""The formats of image files, and how one is read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari_mpi.engine.files.arrays import GuardedArray
from napari_mpi.engine.files.dicom.files import (
    DICOM_SUFFIXES,
    looks_like_dicom,
    read_dicom,
)
from napari_mpi.engine.files.dicom.writing import (
    dicom_frame,
    dicom_problem,
    write_dicom,
)
from napari_mpi.engine.files.metadata import ImageFile
from napari_mpi.engine.files.ngff.files import looks_like_zarr, read_zarr
from napari_mpi.engine.files.ngff.opening import ZIPPED
from napari_mpi.engine.files.ngff.unfinished import unfinished_problem
from napari_mpi.engine.files.ngff.writing import write_zarr, zarr_frame, zarr_problem
from napari_mpi.engine.files.nifti.files import (
    nifti_frame,
    nifti_problem,
    read_nifti,
    write_nifti,
)
from napari_mpi.engine.files.patience import require_memory, within_patience
from napari_mpi.engine.files.pictures import read_picture
from napari_mpi.engine.files.remote import url_of
from napari_mpi.engine.files.tiff.files import (
    read_tiff,
    tiff_frame,
    tiff_problem,
    write_tiff,
)
from napari_mpi.engine.images.arrays import LazyArray
from napari_mpi.engine.runtime.errors import EngineError, ImageFileError, first_line


@dataclass(frozen=True, slots=True)
class Format:
    """A format of image files: how it is known, read and written.

    Parameters
    ----------
    suffixes : tuple of str
        Endings of its names, in small letters.
    read, write : callable
        ``read(path, lazy=...)`` returns an `ImageFile`, ``write(path, image,
        provenance)`` writes one; None where it is only read.
    frame : callable, optional
        ``frame(path, image)`` writes all but the pixels, leaves nothing, and returns
        the words for what of the source's it has to leave out.
    problem : callable, optional
        ``problem(path, image)`` says why it cannot be written there, or None.
    looks_like : callable, optional
        Tells a file or folder without a suffix by its content.
    is_folder : bool
        Whether an image of it may be a folder.
    keeps_scaling : bool
        Whether it keeps slope and intercept of what was read from it.
    has_series : bool
        Whether ``read`` takes a ``series`` too, of files that hold several images.
    has_levels : bool
        Whether ``read`` takes a ``level`` too, of images kept in several sizes.
    """

    suffixes: tuple[str, ...]
    read: Callable[..., ImageFile]
    write: Callable[..., None] | None = None
    problem: Callable[..., str | None] | None = None
    frame: Callable[[Path, ImageFile], tuple[str, ...]] | None = None
    looks_like: Callable[[Path], bool] | None = None
    is_folder: bool = False
    has_series: bool = False
    has_levels: bool = False
    keeps_scaling: bool = False

    def names(self, path: Path) -> bool:
        """Whether a path is named as the format's are, in letters of any case."""
        return path.name.lower().endswith(self.suffixes)

    def holds(self, path: Path) -> bool:
        """Whether a path is of the format, by its name or else by its content."""
        return self.names(path) or (
            self.looks_like is not None and self.looks_like(path)
        )


TIFF = Format(
    (".tif", ".tiff", ".btf", ".tf8", ".lsm", ".stk"),
    read_tiff,
    write_tiff,
    tiff_problem,
    tiff_frame,
    has_series=True,
)
PICTURE = Format((".png", ".jpg", ".jpeg"), read_picture)
ZARR = Format(
    (".zarr", *ZIPPED),
    read_zarr,
    write_zarr,
    zarr_problem,
    zarr_frame,
    looks_like=looks_like_zarr,
    is_folder=True,
    has_series=True,
    has_levels=True,
)
NIFTI = Format(
    (".nii", ".nii.gz"),
    read_nifti,
    write_nifti,
    nifti_problem,
    nifti_frame,
    keeps_scaling=True,
)
DICOM = Format(
    DICOM_SUFFIXES,
    read_dicom,
    write_dicom,
    dicom_problem,
    dicom_frame,
    looks_like_dicom,
    is_folder=True,
    has_series=True,
    keeps_scaling=True,
)
FORMATS = (TIFF, PICTURE, ZARR, NIFTI, DICOM)
"""Every format that is read."""

_READ = "give a TIFF, PNG or JPEG file, an OME-Zarr, a NIfTI file or a DICOM series"


def format_of(path: Path) -> Format | None:
    """Return the format of a file or folder, by its name or else by its content."""
    named = format_named(path)
    if named is not None:
        return named
    if url_of(path) is not None:
        return ZARR  # nothing else is read from afar
    if path.is_dir():
        return ZARR if ZARR.holds(path) else DICOM
    return DICOM if DICOM.holds(path) else None


def read_image(
    path: Path | str,
    *,
    lazy: bool = False,
    series: int | str | None = None,
    level: int = 0,
) -> ImageFile:
    """Read an image file or folder; of one with several series, the main one.

    Parameters
    ----------
    path : Path or str
        TIFF, PNG, JPEG, OME-Zarr, NIfTI or DICOM; of DICOM also the folder of a series,
        of OME-Zarr also a .zip and an address (https://, s3://).
    lazy : bool
        Whether the pixels are read when they are asked for, where the format allows
        it; ``array`` is then a `LazyArray`.
    series : int or str, optional
        Which of its images, by number from 0 or by name.
    level : int
        Which of its levels, from 0, the finest; only OME-Zarr has several.

    Raises
    ------
    ImageFileError
        If the file is missing, of another kind, or damaged, or if a package that its
        format needs is not installed.
    """
    path = Path(path)
    kind = format_of(path)
    is_remote = url_of(path) is not None
    problem = unfinished_problem(path)
    if problem is not None:
        raise ImageFileError(problem)
    is_folder = path.is_dir() and kind is not None and kind.is_folder
    if not (path.is_file() or is_folder or is_remote):
        raise ImageFileError(f"there is no file {path}: check the path")
    if path.is_file() and not path.stat().st_size:
        raise ImageFileError(f"{path} is empty, it has 0 bytes: copy it again")
    if kind is None:
        raise ImageFileError(f"{path} is of a kind that is not read: {_READ}")
    options: dict[str, Any] = {} if series is None else {"series": series}
    if options and not kind.has_series:
        raise ImageFileError(f"{path} holds one image: do without --series {series}")
    if level and not kind.has_levels:
        raise ImageFileError(f"{path} has no levels: do without --level {level}")
    options |= {"level": level} if level else {}
    try:
        return within_patience(path, lambda: _read(kind, path, lazy, options))
    except EngineError:
        raise
    except MemoryError as error:
        raise ImageFileError(
            f"{path} is larger than the free memory: crop it, or use a larger machine"
        ) from error
    except Exception as error:  # readers raise whatever a damaged file provokes
        raise ImageFileError(
            f"{path} cannot be read as an image, it is damaged or of another kind:"
            f" {first_line(error)}"
        ) from error


def _read(
    kind: Format, path: Path, lazy: bool, options: Mapping[str, Any]
) -> ImageFile:
    """Read a file; how large it is is looked at before it is read whole."""
    image = kind.read(path, lazy=True, **options)
    if not isinstance(image.array, LazyArray):
        return image
    if lazy:
        return replace(image, array=GuardedArray(path, image.array))
    require_memory(path, image.array.nbytes)
    return kind.read(path, lazy=False, **options)


def format_named(path: Path) -> Format | None:
    """Return the format that a name says, or None."""
    return next((kind for kind in FORMATS if kind.names(path)), None)
