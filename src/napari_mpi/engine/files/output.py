"""Image files, out: in the format that a name says, whole or not at all."""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_mpi.engine.files.formats import (
    DICOM,
    NIFTI,
    TIFF,
    ZARR,
    Format,
    format_named,
)
from napari_mpi.engine.files.metadata import ImageFile, Metadata
from napari_mpi.engine.files.ngff.plates import is_in_zarr
from napari_mpi.engine.files.remote import shown, url_of
from napari_mpi.engine.files.scaling import in_words, with_true_values
from napari_mpi.engine.files.tiff.metadata import TiffSource
from napari_mpi.engine.runtime.errors import EngineError, ImageFileError, first_line
from napari_mpi.engine.runtime.whole_files import (
    ensure_folder_writable,
    ensure_writable,
)


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
    fitting = fitted(path, image)
    for note in fitting.notes[len(image.notes) :]:
        warnings.warn(f"{path}: {note}", stacklevel=2)
    try:
        kind.write(path, _as_written(kind, fitting), provenance or {})
    except OSError as error:
        raise _unwritable(path, error) from error
    except (EngineError, MemoryError):
        raise
    except Exception as error:  # writers raise whatever a source's words provoke
        raise ImageFileError(_unfit(path, error)) from error


def fitted(path: Path, image: ImageFile) -> ImageFile:
    """Return an image as it can be written to a file, which is tried before the work.

    What its source says and no file of that format can hold is left out, with a note.

    Parameters
    ----------
    path : Path
        The output.
    image : ImageFile
        As read; its pixels are not.

    Raises
    ------
    ImageFileError
        If it cannot be written, whatever is left out.
    """
    kind = _format_of_output(path)
    if kind is None or kind.frame is None:
        return image
    failure: Exception | None = None
    for less, without in _with_less(image):
        try:
            without += kind.frame(path, _as_written(kind, less))
        except OSError as error:
            raise _unwritable(path, error) from error
        except EngineError:
            raise
        except Exception as error:  # noqa: BLE001 whatever its words provoke
            failure = failure or error
        else:
            return _with_note(less, without)
    assert failure is not None
    raise ImageFileError(_unfit(path, failure)) from failure


def _with_less(image: ImageFile) -> Iterator[tuple[ImageFile, tuple[str, ...]]]:
    """Yield an image with ever less of what its source says, and words for that."""
    said = image.metadata
    yield image, ()
    sizes = replace(said, resolution=None, resolution_unit=Metadata().resolution_unit)
    words = replace(said, fields={})
    neither = replace(sizes, fields={})
    steps = replace(said, calibration=Metadata().calibration)
    bare = replace(neither, source=TiffSource()) if said.flavour != "dicom" else neither
    for metadata, without in (
        (sizes, ("its resolution",)),
        (words, ("its description",)),
        (steps, ("its pixel sizes",)),
        (neither, ("its resolution", "its description")),
        (bare, ("its resolution", "its description", "its other tags")),
    ):
        yield replace(image, metadata=metadata), without


def _with_note(image: ImageFile, without: tuple[str, ...]) -> ImageFile:
    if not without:
        return image
    left_out = " and ".join(without)
    note = f"what the source says of {left_out} cannot be written, and is left out"
    if note in image.notes:
        return image
    return replace(image, notes=(*image.notes, note))


def _unfit(path: Path, error: Exception) -> str:
    return (
        f"{path} cannot be written, the source says something that this format cannot"
        f" hold: {first_line(error)}"
    )


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
    if url_of(path) is not None:
        return f"{shown(path)} is an address: results are written to a disk"
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
    beside = getattr(metadata.source, "beside", ())
    if beside:
        notes.append(
            f"what lies beside the image is not copied: {' and '.join(beside)}"
        )
    inverted = getattr(metadata.source, "white_is_zero", False)
    if inverted and kind not in (TIFF, DICOM):
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
    if path.suffix:
        return format_named(path)
    return ZARR if is_in_zarr(path) else DICOM


def is_zarr_output(path: Path) -> bool:
    """Whether a result is written as OME-Zarr: by its name, or in a plate of such.

    Parameters
    ----------
    path : Path
        The output.
    """
    return _format_of_output(path) is ZARR


def _unwritable(path: Path, error: OSError) -> ImageFileError:
    return ImageFileError(
        f"{path} cannot be written ({error.strerror or error}): choose another folder"
        " or make room"
    )
