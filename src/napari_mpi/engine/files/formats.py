"""Image files, in and out: the door to the formats."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from napari_mpi.engine.files.dicom.files import (
    DICOM_SUFFIXES,
    looks_like_dicom,
    read_dicom,
)
from napari_mpi.engine.files.dicom.writing import dicom_problem, write_dicom
from napari_mpi.engine.files.metadata import ImageFile
from napari_mpi.engine.files.ngff.files import (
    ZARR_SUFFIXES,
    looks_like_zarr,
    read_zarr,
    write_zarr,
    zarr_problem,
)
from napari_mpi.engine.files.nifti.files import (
    NIFTI_SUFFIXES,
    nifti_problem,
    read_nifti,
    write_nifti,
)
from napari_mpi.engine.files.pictures import PICTURE_SUFFIXES, read_picture
from napari_mpi.engine.files.tiff.files import TIFF_SUFFIXES, read_tiff, write_tiff
from napari_mpi.engine.runtime.errors import EngineError, ImageFileError
from napari_mpi.engine.runtime.whole_files import (
    ensure_folder_writable,
    ensure_writable,
)

Kind = Literal["tiff", "picture", "zarr", "nifti", "dicom"]

_SUFFIXES: dict[Kind, tuple[str, ...]] = {
    "tiff": TIFF_SUFFIXES,
    "picture": PICTURE_SUFFIXES,
    "zarr": ZARR_SUFFIXES,
    "nifti": NIFTI_SUFFIXES,
    "dicom": DICOM_SUFFIXES,
}
_READERS: dict[Kind, Callable[..., ImageFile]] = {
    "tiff": read_tiff,
    "picture": read_picture,
    "zarr": read_zarr,
    "nifti": read_nifti,
    "dicom": read_dicom,
}
_WRITERS: dict[Kind, Callable[..., None]] = {
    "tiff": write_tiff,
    "zarr": write_zarr,
    "nifti": write_nifti,
    "dicom": write_dicom,
}
_PROBLEMS: dict[Kind, Callable[..., str | None]] = {
    "zarr": zarr_problem,
    "nifti": nifti_problem,
    "dicom": dicom_problem,
}
_READ = "give a TIFF, PNG or JPEG file, an OME-Zarr, a NIfTI file or a DICOM series"


def read_image(path: Path, *, lazy: bool = False) -> ImageFile:
    """Read an image file or folder; of one with several series, the first.

    Parameters
    ----------
    path : Path
        TIFF, PNG, JPEG, OME-Zarr, NIfTI or DICOM; of DICOM also the folder of a series.
    lazy : bool
        Whether the pixels are read when they are asked for, where the format allows
        it; ``array`` is then a `LazyArray`.

    Raises
    ------
    ImageFileError
        If the file is missing, of another kind, or damaged, or if a package that its
        format needs is not installed.
    """
    kind = _kind_of(path) or _kind_by_content(path)
    if not (path.is_file() or (path.is_dir() and kind in ("zarr", "dicom"))):
        raise ImageFileError(f"there is no file {path}: check the path")
    if path.is_file() and not path.stat().st_size:
        raise ImageFileError(f"{path} is empty, it has 0 bytes: copy it again")
    if kind is None:
        raise ImageFileError(f"{path} is of a kind that is not read: {_READ}")
    try:
        return _READERS[kind](path, lazy=lazy)
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
    """Write an image, whole or not at all, in the format that the name says.

    Within a format everything that the source said is kept; into another one go axes,
    sizes of the steps and names of the channels.

    Parameters
    ----------
    path : Path
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
    require_writable(path, image)
    try:
        _WRITERS[_kind_of_output(path) or "tiff"](path, image, provenance or {})
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
    kind = _kind_of_output(path)
    if kind not in _WRITERS:
        return (
            f"the output {path} does not end in .tif, .zarr or .nii: results are"
            " written as TIFF, OME-Zarr or NIfTI, and DICOM as a folder of DICOM"
        )
    is_folder = kind == "zarr" or (kind == "dicom" and not path.suffix)
    try:
        (ensure_folder_writable if is_folder else ensure_writable)(path)
    except OSError as error:
        return str(_unwritable(path, error))
    return _PROBLEMS[kind](path, image) if kind in _PROBLEMS else None


def _kind_by_content(path: Path) -> Kind | None:
    if path.is_dir():
        return "zarr" if looks_like_zarr(path) else "dicom"
    return "dicom" if looks_like_dicom(path) else None


def _kind_of_output(path: Path) -> Kind | None:
    return _kind_of(path) if path.suffix else "dicom"


def _kind_of(path: Path) -> Kind | None:
    name = path.name.lower()
    kinds = (kind for kind, suffixes in _SUFFIXES.items() if name.endswith(suffixes))
    return next(kinds, None)


def _unwritable(path: Path, error: OSError) -> ImageFileError:
    return ImageFileError(
        f"{path} cannot be written ({error.strerror or error}): choose another folder"
        " or make room"
    )
