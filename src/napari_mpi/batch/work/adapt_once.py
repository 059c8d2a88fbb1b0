"""One adaptation for all files of a kind, made on windows of several of them."""

import dataclasses
import functools
import math
import time
import warnings
from collections.abc import Generator
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from napari_mpi.batch.contents import content_sha256
from napari_mpi.batch.outcomes import BatchSnapshot, failed
from napari_mpi.batch.records import Records
from napari_mpi.batch.request import BatchRequest, Item
from napari_mpi.batch.starts import FOLDER_ADAPTATION, FileKind, Starts, kind_of
from napari_mpi.batch.work.one_file import release_memory
from napari_mpi.batch.work.tally import Tally
from napari_mpi.engine.denoising.adapted.shared_adaptation import SharedAdaptation
from napari_mpi.engine.denoising.file import opened_image
from napari_mpi.engine.denoising.noisy import Noisy
from napari_mpi.engine.denoising.sampling.take import take_sample
from napari_mpi.engine.denoising.sampling.windows import WINDOWS
from napari_mpi.engine.denoising.task import effective_config, sees_opponents
from napari_mpi.engine.filling.progress import Reporter
from napari_mpi.engine.filling.state import FillingState
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.images.tiles import evenly
from napari_mpi.engine.networks.weight_files import save_weights
from napari_mpi.engine.networks.weights import Weights
from napari_mpi.engine.runtime.devices import memory_told, resolve_device
from napari_mpi.engine.runtime.errors import EngineError, ImageError
from napari_mpi.engine.runtime.jobs import SNAPSHOT_INTERVAL, Every, beating
from napari_mpi.engine.settings.presets import GUARDED

_SIDE = 256  # pixels of a window along each axis, where settings name no crop
_WAIT = 0.2  # seconds between two looks whether another run has adapted

_TOO_LARGE = (
    "to adapt to these files: close other programs, or let each file be adapted to by"
    " itself"
)

T = TypeVar("T")
Told = Generator[BatchSnapshot, None, T]
Steps = Told[None]
Windows = list[Noisy]


def share_adaptations(tally: Tally, request: BatchRequest, starts: Starts) -> Steps:
    """Adapt once to every kind of file that is to be done, and keep what comes of it.

    An adaptation that the output folder has already is used again, so that files which
    come later are denoised like those before.

    Parameters
    ----------
    tally : Tally
        The files.
    request : BatchRequest
        What was asked for.
    starts : Starts
        Made from it; has the adapted weights thereafter.

    Yields
    ------
    BatchSnapshot
        How far it is.

    Raises
    ------
    EngineError
        If weights or device are not there.
    """
    kinds = yield from _sorted_by_kind(tally, request)
    for kind, numbers in sorted(kinds.items()):
        message = ""
        try:
            yield from _share(kind, numbers, tally, request, starts)
        except Exception as error:  # noqa: BLE001 the next kind's turn comes
            message = _sentence(error)
        release_memory()
        for number in numbers if message else ():
            Records(request.folders.output).note_failure(tally.items[number], message)
            yield tally.settle(number, failed(tally.state.outcomes[number], message))


def _share(
    kind: FileKind,
    numbers: list[int],
    tally: Tally,
    request: BatchRequest,
    starts: Starts,
) -> Steps:
    path = starts.adapted_path(kind)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_suffix(".lock"), timeout=0, thread_local=False)
    yield from _acquire(lock, tally)
    try:
        if request.overwrite or not starts.can_start(kind):
            items = [tally.items[number] for number in numbers]
            weights = yield from _adapted(kind, items, tally, request, starts)
            save_weights(weights, path)
            starts.forget()
    finally:
        lock.release()


def _sentence(error: Exception) -> str:
    if isinstance(error, EngineError):
        return str(error)
    return (
        f"these files could not be adapted to ({type(error).__name__}: {error}): let"
        " each be adapted to by itself"
    )


def _sorted_by_kind(
    tally: Tally, request: BatchRequest
) -> Told[dict[FileKind, list[int]]]:
    """Sort the files to be done; what cannot be read is told when its turn comes."""
    kinds: dict[FileKind, list[int]] = {}
    waiting, due = tally.waiting(), Every(at_once=True)
    for count, number in enumerate(waiting):
        if due():
            yield tally.stage(f"sorting the files: {count} of {len(waiting)}")
        item = tally.items[number]
        try:
            image = opened_image(
                item.source,
                request.method.axes,
                request.method.series,
                request.method.level,
            )
            kinds.setdefault(kind_of(image), []).append(number)
        except Exception:  # noqa: BLE001 it is told when its turn comes
            continue
    return kinds


def _acquire(lock: FileLock, tally: Tally) -> Steps:
    while True:
        try:
            lock.acquire()
            return
        except Timeout:
            yield tally.stage("another run adapts to these files")
            time.sleep(_WAIT)


def _adapted(
    kind: FileKind,
    items: list[Item],
    tally: Tally,
    request: BatchRequest,
    starts: Starts,
) -> Told[Weights]:
    """Adapt to windows of files of a kind; return the adapted weights."""
    method, start = request.method, starts.unadapted
    device = resolve_device(method.device)
    files, windows = yield from _windows(kind, items, tally, request, start)
    layout = ImageAxes("YXS" if kind.colour else "YX", (1, 1, 3)[: 2 + kind.colour])
    config = effective_config(method.config, layout, start, device)
    reporter = Reporter(SNAPSHOT_INTERVAL, config.learning_rate)
    with memory_told(device, _TOO_LARGE):
        shared = SharedAdaptation(windows, start, config, device)
        for progress in shared.adapt(config, reporter):
            yield tally.stage(f"adapting to {kind} files: {progress.stage}")
    if not shared.state.adapts:
        warnings.warn(f"{kind} files: {GUARDED}", stacklevel=2)
    return _weights(start, shared.state, files, config)


def _windows(
    kind: FileKind,
    items: list[Item],
    tally: Tally,
    request: BatchRequest,
    start: Weights,
) -> Told[tuple[dict[str, str], Windows]]:
    """Cut windows out of some of the files, in the network's units."""
    chosen = evenly(items, WINDOWS)
    count = len(chosen)
    files: dict[str, str] = {}
    windows: Windows = []
    each, due = math.ceil(WINDOWS / count), Every(at_once=True)
    for number, item in enumerate(chosen):
        tell = functools.partial(_looking, tally, kind, f"{number} of {count}")
        found: Windows = []
        try:
            image = opened_image(
                item.source,
                request.method.axes,
                request.method.series,
                request.method.level,
            )
            layout = ImageAxes(image.axes, image.array.shape)
            for channel in layout.items():
                job = take_sample(
                    image.array,
                    layout,
                    channel,
                    side=request.method.config.crop or _SIDE,
                    seed=request.method.config.seed,
                    thorough=start.network.architecture == "skip",
                    opponents=sees_opponents(start, layout),
                    no_data=image.metadata.nodata,
                )
                sample = yield from beating(job, due, tell)
                if not sample.is_flat:
                    found += sample.noisy(sample.windows[:each], start.network.channels)
            reading = content_sha256(item.source)
            files[item.name] = yield from beating(reading, due, tell)
        except Exception:  # noqa: BLE001 it is told when its turn comes
            continue
        windows += found  # all or none of a file, as `files` says
    return files, _of_one_size(windows, kind)


def _looking(tally: Tally, kind: FileKind, count: str, _: object) -> BatchSnapshot:
    return tally.stage(f"looking at {kind} files: {count}")


def _of_one_size(windows: Windows, kind: FileKind) -> Windows:
    """Return windows of the largest size there is, cut to what they have in common."""
    if not windows:
        raise ImageError(
            f"none of the {kind} files can be adapted to, they are constant or cannot"
            " be read: let each file be adapted to by itself"
        )
    area = max(window.area for window in windows)
    largest = [window for window in windows if window.area == area]
    rows, columns = (min(w.image.shape[axis] for w in largest) for axis in (-2, -1))
    return [window.corner(rows, columns) for window in largest]


def _weights(
    start: Weights, state: FillingState, files: dict[str, str], config: Any
) -> Weights:
    """Return what has been reached, with what is needed to reach it again."""
    found = {**state.network.state_dict(), **state.adaptation.weights()}
    tensors = {
        name: value.detach().to("cpu").contiguous() for name, value in found.items()
    }
    made = {
        "from": {"name": start.name, "sha256": start.sha256},
        "files": files,
        "adapted": state.adapts,
        "iterations": state.iteration,
        "settings": dataclasses.asdict(config),
    }
    provenance = {**start.provenance, FOLDER_ADAPTATION: made}
    return Weights(start.name, start.network, tensors, provenance)
