"""One file of a batch: whatever goes wrong with it is told, and stays with it."""

import gc
import logging
import traceback
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from napari_mpi.batch.contents import content_sha256
from napari_mpi.batch.outcomes import Outcome, Status, as_json, failed
from napari_mpi.batch.planning import planned
from napari_mpi.batch.records import ClaimedElsewhere, Record, Records
from napari_mpi.batch.request import BatchRequest, Item, outcome_of, said
from napari_mpi.batch.starts import FOLDER_ADAPTATION, Starts, kind_of
from napari_mpi.engine.denoising.adapted.tile_filling import SMALLEST
from napari_mpi.engine.denoising.file import DenoisedFile, denoise_file, open_file
from napari_mpi.engine.denoising.snapshot import DenoisingSnapshot
from napari_mpi.engine.denoising.task import Task
from napari_mpi.engine.files.metadata import ImageFile
from napari_mpi.engine.files.ngff.plates import is_in_zarr, mirror_plate
from napari_mpi.engine.images.arrays import ArrayLike
from napari_mpi.engine.networks.weights import Weights
from napari_mpi.engine.noise.level import noise_level
from napari_mpi.engine.runtime.devices import is_device_failure
from napari_mpi.engine.runtime.errors import EngineError, ImageFileError
from napari_mpi.engine.runtime.jobs import Job, Stopwatch, timed
from napari_mpi.engine.settings.presets import GUARDED

logger = logging.getLogger(__name__)

_SMALLER = f"done in tiles of {SMALLEST} pixels, since the memory was full"


def denoise_item(
    item: Item, request: BatchRequest, starts: Starts, *, since: float | None = None
) -> Job[DenoisingSnapshot | None, Outcome]:
    """Denoise one file of a batch.

    Parameters
    ----------
    item : Item
        The file.
    request : BatchRequest
        What was asked for.
    starts : Starts
        Made from it.
    since : float, optional
        When the run began, see `planned`.

    Yields
    ------
    DenoisingSnapshot or None
        As `denoise` does; None while files are read through.

    Returns
    -------
    Outcome
        DONE; SKIPPED if another run has done it meanwhile; or FAILED, with a sentence.
        If the job is closed before, nothing is left of it.

    Raises
    ------
    ClaimedElsewhere
        If another run is at work on it.
    """
    records = Records(request.folders.output)
    outcome = outcome_of(item, request.folders)
    try:
        with records.claimed(item) as work:
            # Another run may have done it since the plan was made.
            outcome = yield from planned(item, request, starts, since=since)
            if outcome.status is Status.FAILED:
                records.note_failure(item, outcome.message)
            if outcome.status is not Status.WAITING:
                return outcome
            staged, watch = _staged(item, work), Stopwatch()
            job = _denoised(item, outcome, request, starts, staged, watch)
            return (yield from timed(job, watch))
    except ClaimedElsewhere:
        raise
    except Exception as error:  # noqa: BLE001 the next file's turn comes
        outcome = _failed(outcome, error, item, records)
    release_memory()  # only here: the error kept the frames that hold it
    with suppress(OSError):  # of a full disk, which the outcome tells of
        records.note_failure(item, outcome.message)
    return outcome


def release_memory() -> None:
    """Free what nobody holds any more, on the GPU too."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _denoised(
    item: Item,
    outcome: Outcome,
    request: BatchRequest,
    starts: Starts,
    staged: Path,
    watch: Stopwatch,
) -> Job[DenoisingSnapshot | None, Outcome]:
    """Denoise a file, publish its result, and say how it went."""
    input_sha256 = yield from content_sha256(item.source)

    def start(image: ImageFile) -> Weights:
        return starts.weights(kind_of(image))

    image, task = open_file(item.source, staged, starts.method, start=start)
    _make_folder(item, staged)
    before = _level(task.image, task)
    made, tile = yield from _with_second_try(image, task, staged)
    outcome = replace(
        outcome,
        status=Status.DONE,
        message="; ".join(_notes(task, made, tile)),
        shape=tuple(int(length) for length in task.layout.shape),
        axes=task.layout.letters,
        dtype=np.dtype(task.image.dtype).name,
        seconds=round(watch.seconds, 3),
        noise_before=before,
        noise_after=_level(made.result, task),
        settings=made.made,
    )
    record = Record(
        made_from=starts.made_from(kind_of(image)),
        input_sha256=input_sha256,
        source=str(item.source),
        outcome=as_json(outcome),
    )
    records = Records(request.folders.output)
    yield from records.publish(
        item, staged, record, overwrite=request.overwrite, mends=request.retry_failed
    )
    return outcome


def _notes(task: Task, made: DenoisedFile, tile: int | None) -> list[str]:
    adaptation = task.weights.provenance.get(FOLDER_ADAPTATION, {})
    guarded = [] if adaptation.get("adapted", True) else [GUARDED]
    smaller = [_SMALLER] if tile else []
    return [*made.noise, *made.neighbours, *guarded, *made.notes, *smaller]


def _level(image: ArrayLike, task: Task) -> float | None:
    """Return the noise of source or result, with as many digits as mean something."""
    level = noise_level(image, task.layout)
    return None if level is None else float(f"{level:.4g}")


def _with_second_try(
    image: ImageFile, task: Task, staged: Path
) -> Job[DenoisingSnapshot, tuple[DenoisedFile, int | None]]:
    """Denoise a file; where the device fails, once more in the smallest tiles."""
    for tile in (None, SMALLEST):
        try:
            made = yield from denoise_file(image, replace(task, tile=tile), staged)
            return made, tile
        except Exception as error:
            if tile is not None or not is_device_failure(error):
                raise
        release_memory()
    raise AssertionError("the second try returns or raises")


def _staged(item: Item, work: Path) -> Path:
    """Return where a result is written; a field of a plate has no ending by itself."""
    return work / f"{item.output.name}{'.zarr' * is_in_zarr(item.output)}"


def _make_folder(item: Item, staged: Path) -> None:
    """Make the folder of a result, where it can be put by a mere renaming."""
    folder = item.output.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mirror_plate(item.source, item.output)
    except (FileExistsError, NotADirectoryError) as error:
        raise ImageFileError(
            f"a file stands where the folder {folder} is to be: move it"
        ) from error
    if folder.stat().st_dev != staged.parent.stat().st_dev:
        raise ImageFileError(
            f"the folder {folder} lies on another disk than the output folder: choose"
            " one without links to other disks"
        )


def _failed(
    outcome: Outcome, error: Exception, item: Item, records: Records
) -> Outcome:
    """Return the row of a file that has failed, with one sentence on why."""
    if isinstance(error, OSError):
        path = error.filename or item.source
        error = ImageFileError(f"{path} cannot be read or written: {said(error)}")
    if isinstance(error, EngineError):
        return failed(outcome, _as_of_the_file(str(error), item, records))
    logger.error("%s has failed", item.name, exc_info=error)
    sentence = f"something unforeseen went wrong ({type(error).__name__}: {error})"
    lines = "".join(traceback.format_exception(error))
    return replace(failed(outcome, sentence), traceback=lines)


def _as_of_the_file(sentence: str, item: Item, records: Records) -> str:
    """Say 'it' for the file, whose name stands beside, and name its real output."""
    staged = _staged(item, records.work_folder(item))
    sentence = sentence.replace(str(staged), str(item.output))
    told = sentence.removeprefix(str(item.source))
    return f"it{told}" if told != sentence else sentence
