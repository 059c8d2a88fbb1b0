"""Image files, in and out: the door to the formats."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_mpi.engine.files.dicom.files import (
    DICOM_SUFFIXES,
    looks_like_dicom,
    read_dicom,
)
from napari_mpi.engine.files.dicom.writing import dicom_problem, write_dicom
from napari_mpi.engine.files.metadata import ImageFile
from napari_mpi.engine.files.ngff.files import (
    looks_like_zarr,
    read_zarr,
    write_zarr,
    zarr_problem,
)
from napari_mpi.engine.files.nifti.files import nifti_problem, read_nifti, write_nifti
from napari_mpi.engine.files.pictures import read_picture
from napari_mpi.engine.files.scaling import in_words, with_true_values
from napari_mpi.engine.files.tiff.files import read_tiff, tiff_problem, write_tiff
from napari_mpi.engine.runtime.errors import EngineError, ImageFileError, first_line
from napari_mpi.engine.runtime.whole_files import (
    ensure_folder_writable,
    ensure_writable,
)


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
    """

    suffixes: tuple[str, ...]
    read: Callable[..., ImageFile]
    write: Callable[..., None] | None = None
    problem: Callable[..., str | None] | None = None
    looks_like: Callable[[Path], bool] | None = None
    is_folder: bool = False
    has_series: bool = False
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
    has_series=True,
)
PICTURE = Format((".png", ".jpg", ".jpeg"), read_picture)
ZARR = Format(
    (".zarr",),
    read_zarr,
    write_zarr,
    zarr_problem,
    looks_like_zarr,
    is_folder=True,
    has_series=True,
)
NIFTI = Format(
    (".nii", ".nii.gz"), read_nifti, write_nifti, nifti_problem, keeps_scaling=True
)
DICOM = Format(
    DICOM_SUFFIXES,
    read_dicom,
    write_dicom,
    dicom_problem,
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
    named = _format_named(path)
    if named is not None:
        return named
    if path.is_dir():
        return ZARR if ZARR.holds(path) else DICOM
    return DICOM if DICOM.holds(path) else None


def read_image(
    path: Path | str, *, lazy: bool = False, series: int | str | None = None
) -> ImageFile:
    """Read an image file or folder; of one with several series, the main one.

    Parameters
    ----------
    path : Path or str
        TIFF, PNG, JPEG, OME-Zarr, NIfTI or DICOM; of DICOM also the folder of a series.
    lazy : bool
        Whether the pixels are read when they are asked for, where the format allows
        it; ``array`` is then a `LazyArray`.
    series : int or str, optional
        Which of its images, by number from 0 or by name.

    Raises
    ------
    ImageFileError
        If the file is missing, of another kind, or damaged, or if a package that its
        format needs is not installed.
    """
    path = Path(path)
    kind = format_of(path)
    if not (path.is_file() or (path.is_dir() and kind is not None and kind.is_folder)):
        raise ImageFileError(f"there is no file {path}: check the path")
    if path.is_file() and not path.stat().st_size:
        raise ImageFileError(f"{path} is empty, it has 0 bytes: copy it again")
    if kind is None:
        raise ImageFileError(f"{path} is of a kind that is not read: {_READ}")
    options = {} if series is None else {"series": series}
    if options and not kind.has_series:
        raise ImageFileError(f"{path} holds one image: do without --series {series}")
    try:
        return kind.read(path, lazy=lazy, **options)
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


def write_image(
    path: Path | str, image: ImageFile, *, provenance: Mapping[str, Any] | None = None
) -> None:
    """Write an image, whole or not at all, in the format that the name says.

    Within a format everything that the source said is kept; into another one go axes,
    sizes of the steps, names of the channels, and what stored values stand for.

    Parameters
    ----------
    path : Path or str
        Ends in .tif, .tiff, .zarr, .nii or .nii.gz; what has that name is replaced. Or
        a new folder for what was read from DICOM.
    image : ImageFile
        Pixels, axes and metadata. The pixels are read a block at a time.
    provenance : mapping, optional
        JSON values kept in the file under 'napari-mpi': how the image was made.

    Raises
    ------
    ImageFileError
        If the file cannot be written.
    """
    path = Path(path)
    require_writable(path, image)
    kind = _format_of_output(path)
    assert kind is not None
    assert kind.write is not None
    try:
        kind.write(path, _as_written(kind, image), provenance or {})
    except OSError as error:
        raise _unwritable(path, error) from error


def require_writable(path: Path, image: ImageFile | None = None) -> None:
    """Raise ImageFileError if an image of this name cannot be written.

    For asking before hours of work, not after.

    Parameters
    ----------
    path : Path
        The output.
    image : ImageFile, optional
        Axes, type and shape of what will be written; its pixels are not read.
    """
    problem = output_problem(path, image)
    if problem is not None:
        raise ImageFileError(problem)


def output_problem(path: Path, image: ImageFile | None = None) -> str | None:
    """Return a sentence if an image of this name cannot be written, else None.

    Parameters
    ----------
    path : Path
        The output.
    image : ImageFile, optional
        Axes, type and shape of what will be written; its pixels are not read.
    """
    kind = _format_of_output(path)
    if kind is None or kind.write is None:
        return (
            f"the output {path} does not end in .tif, .zarr or .nii: results are"
            " written as TIFF, OME-Zarr or NIfTI, and DICOM as a folder of DICOM"
        )
    is_folder = kind.is_folder and not (kind is DICOM and path.suffix)
    try:
        (ensure_folder_writable if is_folder else ensure_writable)(path)
    except OSError as error:
        return str(_unwritable(path, error))
    if kind.problem is None:
        return None
    return kind.problem(path, None if image is None else _as_written(kind, image))


def notes_on_writing(path: Path, image: ImageFile) -> list[str]:
    """Return what a person should know of how an image is written to a file.

    Parameters
    ----------
    path : Path
        The output.
    image : ImageFile
        As read.
    """
    kind, metadata = _format_of_output(path), image.metadata
    notes = []
    if kind is not None and not _keeps(kind, image) and not metadata.scaling.is_none:
        written = np.dtype(_as_written(kind, image).array.dtype)
        notes.append(
            f"the values written are the true ones ({in_words(metadata.scaling)}), of"
            f" type {written}"
        )
    shown = getattr(metadata.source, "white_is_zero", False)
    if shown and kind not in (TIFF, DICOM):
        notes.append(
            "the source is shown with white for 0, which the result does not say"
        )
    turned = getattr(metadata.source, "orientation", 1)
    if turned != 1 and kind is not TIFF:
        said = f"the source is shown turned (orientation {turned})"
        notes.append(f"{said}, which the result does not say")
    return notes


def _keeps(kind: Format, image: ImageFile) -> bool:
    """Whether a format keeps what an image's stored values stand for."""
    own = {"nifti": NIFTI, "dicom": DICOM}.get(image.metadata.flavour)
    return kind.keeps_scaling and kind is own


def _as_written(kind: Format, image: ImageFile) -> ImageFile:
    return image if _keeps(kind, image) else with_true_values(image)


def _format_of_output(path: Path) -> Format | None:
    return _format_named(path) if path.suffix else DICOM


def _format_named(path: Path) -> Format | None:
    return next((kind for kind in FORMATS if kind.names(path)), None)


def _unwritable(path: Path, error: OSError) -> ImageFileError:
    return ImageFileError(
        f"{path} cannot be written ({error.strerror or error}): choose another folder"
        " or make room"
    )
