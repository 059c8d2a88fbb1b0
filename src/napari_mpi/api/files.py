"""Files and folders: read, denoised, written whole or not at all."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_mpi.api.method import OnSnapshot, chosen

if TYPE_CHECKING:
    from napari_mpi.batch.outcomes import Outcome
    from napari_mpi.engine.denoising.file import DenoisedFile


def denoise_file(
    source: Path | str,
    output: Path | str,
    axes: str | None = None,
    *,
    uncertainty: Path | str | None = None,
    on_snapshot: OnSnapshot | None = None,
    **how: Any,
) -> "DenoisedFile":
    """Denoise an image file; its pixels are read a plane at a time where that works.

    Parameters
    ----------
    source : Path or str
        TIFF, PNG, JPEG, OME-Zarr, NIfTI or DICOM; of DICOM a file, or a folder.
    output : Path or str
        Where the result goes, whole or not at all: .tif, .zarr, .nii, .nii.gz, or a
        new folder for DICOM. What has that name is replaced.
    axes : str, optional
        One letter per dimension; as the file says if None.
    uncertainty : Path or str, optional
        A TIFF file for how far the fills of every pixel lie apart.
    on_snapshot, **how
        See `denoise`.

    Returns
    -------
    DenoisedFile
        The result, how it was made, and what a person should know about it.

    Raises
    ------
    napari_mpi.errors.EngineError
        If file, settings or output do not fit; then nothing has been written.
    """
    from napari_mpi.engine.denoising import file as files
    from napari_mpi.engine.runtime import jobs

    method, beside = chosen(axes, **how), None
    source, output = Path(source), Path(output)
    if uncertainty is not None:
        beside = Path(uncertainty)
        files.require_uncertainty(beside, output, source)
    image, task = files.open_file(source, output, method)
    job = files.denoise_file(image, task, output, uncertainty=beside)
    return jobs.run(job, on_snapshot)


def denoise_folder(
    source: Path | str,
    output: Path | str,
    axes: str | None = None,
    *,
    pattern: str = "*",
    recursive: bool = False,
    adapt_once: bool = False,
    overwrite: bool = False,
    on_snapshot: OnSnapshot | None = None,
    **how: Any,
) -> "tuple[Outcome, ...]":
    """Denoise the images of a folder; what is up to date is left as it is.

    Parameters
    ----------
    source, output : Path or str
        Folder of images, and folder of results, which mirrors it and holds the report.
    axes : str, optional
        One letter per dimension; as each file says if None.
    pattern : str
        Names of the files to take, such as '*.tif; *.png'.
    recursive : bool
        Whether to look into the folders of the folder.
    adapt_once : bool
        Whether to adapt the network to all files of a kind together.
    overwrite : bool
        Whether to do again what is up to date.
    on_snapshot, **how
        See `denoise`.

    Returns
    -------
    tuple of Outcome
        What became of every file, with its ``status`` and, where it failed, why; a
        warning says how many failed.

    Raises
    ------
    napari_mpi.errors.EngineError
        If there is nothing to do, or folders and settings do not fit.
    """
    from napari_mpi.batch.outcomes import BatchState, Status
    from napari_mpi.batch.request import BatchRequest, Folders
    from napari_mpi.batch.work.run import run_batch
    from napari_mpi.engine.runtime import jobs

    folders = Folders(Path(source), Path(output), pattern, recursive=recursive)
    method = chosen(axes, **how)
    request = BatchRequest(folders, method, adapt_once=adapt_once, overwrite=overwrite)
    state: BatchState = jobs.run(run_batch(request), on_snapshot)
    failed = state.count(Status.FAILED)
    if failed:
        files = f"{failed} of {len(state.outcomes)} files"
        warnings.warn(f"{files} failed: their outcomes say why", stacklevel=2)
    return tuple(state.outcomes)
