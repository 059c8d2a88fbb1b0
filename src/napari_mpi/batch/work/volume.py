"""One volume spread over the workers of a dask.distributed cluster."""

import dataclasses
import functools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from napari_mpi.batch.work.connection import VERSION, connected, require_ready
from napari_mpi.batch.work.signals import ONE_AT_A_TIME, Signal, driven
from napari_mpi.engine.denoising.file import open_file
from napari_mpi.engine.denoising.regions.telling import Told, Written, at, within
from napari_mpi.engine.denoising.regions.volume import ADAPTING, Volume
from napari_mpi.engine.denoising.snapshot import DenoisingSnapshot
from napari_mpi.engine.files.ngff.unfinished import Slab
from napari_mpi.engine.runtime.errors import DeviceError, EngineError
from napari_mpi.engine.runtime.jobs import SNAPSHOT_INTERVAL, Every, Job
from napari_mpi.engine.settings.method import Method

_AHEAD = 2  # pieces that a worker is given at once, so that none waits for the next
_PIECES = 4  # for every worker, at the least, so that all end at about the same time
_LOOK = 1.0  # seconds between two looks how many workers there are
_WIND_UP = 30.0  # seconds that workers have to end once the work is cancelled

Piece = tuple[Slab, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """What every worker is told: the same volume, the same result.

    Parameters
    ----------
    source, output : str
        Paths that are the same for every worker, or an address for the source.
    method : Method
        How to denoise.
    identity : str
        See `Volume.identity`, so that no worker goes on with what it has opened before.
    """

    source: str
    output: str
    method: Method
    identity: str = ""


def spread_volume(
    address: str, volume: Volume, order: Order, adaptation: Path | None = None
) -> Job[DenoisingSnapshot, Written | None]:
    """Let the workers of a cluster do the regions; a lost worker's are done again.

    No graph of the whole is made: each worker has some pieces, and gets the next when
    one is done. It is adapted to here; what was done before is not done again.

    Parameters
    ----------
    address : str
        Of the scheduler.
    volume : Volume
        The volume.
    order : Order
        What workers are told of it.
    adaptation : Path, optional
        A file that `Volume.adapt` has written; made first if None.

    Yields
    ------
    DenoisingSnapshot
        How far it is.

    Returns
    -------
    Written or None
        None if another program has finished it meanwhile.

    Raises
    ------
    ConfigError
        If there is no such scheduler, or its workers have another version.
    DeviceError
        If the connection is lost, or a worker fails.
    """
    require_ready(address)
    yield from within(volume.prepare(adaptation, shared=True), 0.0, ADAPTING)
    order = dataclasses.replace(order, identity=volume.identity)
    with connected(address) as client:
        yield from within(_done_by(client, volume, order), ADAPTING, 1.0)
    return (yield from volume.finish())


def work_on(piece: Piece, order: Order, signal: Signal, version: str) -> str:
    """Do a piece on a worker.

    Parameters
    ----------
    piece : tuple of Slab
        What to do.
    order : Order
        Of which volume.
    signal : Signal
        Says when to end early.
    version : str
        Of this package where the work was begun.

    Returns
    -------
    str
        Empty, or a sentence on why it could not be done.
    """
    if version != VERSION:  # a worker that came after the work was begun
        return (
            f"a worker has napari-mpi {VERSION}, not {version}: install the same"
            " version everywhere"
        )
    with ONE_AT_A_TIME:
        if signal.heard("cancel"):
            return ""
        try:
            driven(_volume(order).fill(piece), signal)
        except EngineError as error:
            return str(error)
    return ""


@functools.lru_cache(maxsize=1)
def _volume(order: Order) -> Volume:
    """Open a volume once for all pieces of it."""
    output = Path(order.output)
    image, task = open_file(Path(order.source), output, order.method)
    return Volume(image, task, output)


def _done_by(client: Any, volume: Volume, order: Order) -> Told:
    """Give pieces to workers until there are none left."""
    left, total = volume.left()
    signal, ended = Signal(), total - len(left)
    waiting = iter(_pieces(left, _workers(client)))
    futures: dict[Any, Piece] = {}
    try:
        due = Every(_LOOK, at_once=True)
        while True:
            if client.status != "running":
                futures.clear()
                raise DeviceError(
                    "the connection to the scheduler is lost: give the command again,"
                    " what is done is not done twice"
                )
            if due():
                workers = _workers(client)
                yield at(ended / total, _stage(ended, total, workers))
            while len(futures) < max(1, workers) * _AHEAD:
                piece = next(waiting, None)
                if piece is None:
                    break
                told = (piece, order, signal, VERSION)
                futures[client.submit(work_on, *told, pure=False)] = piece
            if not futures:
                return
            for future in [future for future in futures if future.done()]:
                ended += len(futures[future])
                _require_done(future)
                del futures[future]
            time.sleep(SNAPSHOT_INTERVAL)
            yield at(ended / total, _stage(ended, total, workers))
    finally:
        if futures:
            signal.send(client, "cancel")
            _wind_up(futures)


def _pieces(left: list[Slab], workers: int) -> Iterator[Piece]:
    """Cut what is left into pieces, each of slabs of one region that follow."""
    most = max(1, len(left) // (max(1, workers) * _PIECES))
    piece: list[Slab] = []
    for slab in left:
        if piece and (len(piece) == most or piece[-1] != (slab[0], slab[1] - 1)):
            yield tuple(piece)
            piece = []
        piece.append(slab)
    if piece:
        yield tuple(piece)


def _stage(ended: int, total: int, workers: int) -> str:
    return f"{ended} of {total} pieces are done, {workers} worker{'s' * (workers != 1)}"


def _workers(client: Any) -> int:
    return len(client.scheduler_info(n_workers=-1)["workers"])


def _require_done(future: Any) -> None:
    """Raise DeviceError if a piece was not done."""
    problem = ""
    if future.status == "finished":
        problem = future.result()
    elif future.status == "error":
        error = future.exception()
        problem = "its workers were lost, again and again: do they have enough memory?"
        if type(error).__name__ != "KilledWorker":
            problem = f"a worker could not do a piece ({type(error).__name__}: {error})"
    else:
        problem = f"a piece was {future.status}"
    if problem:
        raise DeviceError(problem)


def _wind_up(futures: dict[Any, Piece]) -> None:
    """Wait for the workers to drop what they are at."""
    until = time.monotonic() + _WIND_UP
    while time.monotonic() < until and not all(f.done() for f in futures):
        time.sleep(SNAPSHOT_INTERVAL)
    for future in futures:
        future.cancel()
