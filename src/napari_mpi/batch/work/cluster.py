"""A batch spread over the workers of a dask.distributed cluster."""

import dataclasses
import os
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any

from napari_mpi.batch.contents import content_sha256
from napari_mpi.batch.outcomes import BatchSnapshot, Outcome, Status, failed
from napari_mpi.batch.records import ClaimedElsewhere, Records
from napari_mpi.batch.request import BatchRequest, Item, outcome_of
from napari_mpi.batch.starts import Starts
from napari_mpi.batch.work.connection import VERSION, connected
from napari_mpi.batch.work.one_file import denoise_item
from napari_mpi.batch.work.signals import ASK, ONE_AT_A_TIME, Signal, driven
from napari_mpi.batch.work.tally import Tally
from napari_mpi.engine.runtime.errors import DeviceError
from napari_mpi.engine.runtime.jobs import Every, beating

_NOT_HERE = (
    "its worker says that it is done, but its result is not at {output} here: the"
    " workers must see the output folder on the same disk, under the same path"
)
_LATE = 10.0  # seconds after which a result is to be seen on a network's disk
_LOOK = 0.1  # seconds between two looks for results
_WIND_UP = 30.0  # seconds that workers have to end once the batch is cancelled

Steps = Generator[BatchSnapshot, None, None]


def distribute(
    address: str, order: list[int], tally: Tally, request: BatchRequest
) -> Steps:
    """Let the workers of a cluster do the files; a lost worker's are done again.

    Parameters
    ----------
    address : str
        Of the scheduler.
    order : list of int
        Numbers of the files to be done.
    tally : Tally
        All files.
    request : BatchRequest
        What was asked for; its folders must be the same places for every worker.

    Yields
    ------
    BatchSnapshot
        The end of every file.

    Raises
    ------
    ConfigError
        See `connected`.
    DeviceError
        If the connection is lost.
    """
    with connected(address) as client:
        signal = Signal()

        def submit(number: int) -> Any:
            item = tally.items[number]
            return client.submit(
                work_on, item, request, signal, begun, VERSION, pure=False
            )

        begun = time.time()
        futures = {submit(number): number for number in order}
        try:
            yield from _gathered(client, futures, signal, tally, submit)
        finally:
            if futures:
                signal.send(client, "cancel")
                _wind_up(futures, tally)


@dataclasses.dataclass(frozen=True, slots=True)
class Worked:
    """What a worker says of a file.

    Parameters
    ----------
    outcome : Outcome
        What became of it.
    sha256 : str
        Of the result that is there, as the worker sees it; empty if there is none.
    """

    outcome: Outcome
    sha256: str = ""


def work_on(
    item: Item, request: BatchRequest, signal: Signal, since: float, version: str
) -> Worked:
    """Do one file on a worker.

    Parameters
    ----------
    item : Item
        The file.
    request : BatchRequest
        What was asked for.
    signal : Signal
        Says when to end early.
    since : float
        When the run began, see `planned`.
    version : str
        Of this package where the batch was begun.

    Returns
    -------
    Worked
        NOT_REACHED if the batch ended before; WAITING if another run is at work on it.
    """
    outcome = outcome_of(item, request.folders)
    if version != VERSION:  # a worker that came after the batch was begun
        told = f"its worker has napari-mpi {VERSION}, not {version}"
        return Worked(failed(outcome, f"{told}: install the same version everywhere"))
    starts = Starts(request)
    not_reached = dataclasses.replace(outcome, status=Status.NOT_REACHED)
    with ONE_AT_A_TIME:
        if signal.heard("stop", "cancel"):
            return Worked(not_reached)
        job = denoise_item(item, request, starts, since=since)
        with suppress(ClaimedElsewhere):
            ended = driven(job, signal) or not_reached
            records = Records(request.folders.output)
            return Worked(ended, records.read(item).output_sha256)
        time.sleep(ASK)
        return Worked(outcome)


def _gathered(
    client: Any,
    futures: dict[Any, int],
    signal: Signal,
    tally: Tally,
    submit: Callable[[int], Any],
) -> Steps:
    """Take results as they come; what another run is at work on comes last."""
    from distributed import as_completed

    queue = as_completed(futures, loop=client.loop)
    due, stopping = Every(ASK, at_once=True), False
    while futures:
        if tally.state.stop_after_file and not stopping:
            stopping = True
            signal.send(client, "stop")
        if client.status != "running":
            futures.clear()
            raise DeviceError(
                "the connection to the scheduler is lost: start the batch again, what"
                " is done is not done twice"
            )
        for future in queue.next_batch(block=False) if queue.has_ready() else ():
            number = futures.pop(future)
            worked = _worked(future, tally, number)
            outcome = yield from _seen_here(tally, number, worked)
            if outcome.status is Status.WAITING:
                again = submit(number)
                futures[again] = number
                queue.add(again)
            else:
                yield tally.settle(number, outcome)
        if due():
            workers = len(client.scheduler_info(n_workers=-1)["workers"])
            yield tally.stage(f"{workers} worker{'s' * (workers != 1)}")
        time.sleep(_LOOK if not queue.has_ready() else 0)


def _seen_here(
    tally: Tally, number: int, worked: Worked
) -> Generator[BatchSnapshot, None, Outcome]:
    """Look whether a worker's result is where it says, and is what it says."""
    outcome, output = worked.outcome, tally.items[number].output
    if outcome.status is not Status.DONE:
        return outcome
    until = time.monotonic() + _LATE
    while not (yield from _is_here(tally, number, worked.sha256)):
        if time.monotonic() > until:
            return failed(outcome, _NOT_HERE.format(output=output))
        yield tally.beat(number)
        time.sleep(_LOOK)
    return outcome


def _is_here(
    tally: Tally, number: int, sha256: str
) -> Generator[BatchSnapshot, None, bool]:
    output = tally.items[number].output
    with suppress(OSError):
        os.listdir(output.parent)  # by which a network's disk looks again
        if output.exists():
            tell, reading = lambda _: tally.beat(number), content_sha256(output)
            return (yield from beating(reading, Every(), tell)) == sha256
    return False


def _worked(future: Any, tally: Tally, number: int) -> Worked:
    if future.status == "finished":
        worked: Worked = future.result()
        return worked
    error = future.exception() if future.status == "error" else None
    lost = "its workers were lost, again and again: do they have enough memory?"
    if type(error).__name__ != "KilledWorker":
        lost = f"its worker could not do it ({type(error).__name__}: {error})"
    return Worked(failed(tally.state.outcomes[number], lost))


def _wind_up(futures: dict[Any, int], tally: Tally) -> None:
    """Wait for the workers to drop what they are at; nothing is left of it."""
    until = time.monotonic() + _WIND_UP
    while futures and time.monotonic() < until:
        for future in [f for f in futures if f.done()]:
            number = futures.pop(future)
            if future.status == "finished":
                tally.settle(number, future.result().outcome)
        time.sleep(_LOOK)
    for future in futures:
        future.cancel()
