"""A batch from the plan to the report: each file on its own, whatever becomes of it."""

import time
import warnings
from collections import deque
from collections.abc import Generator
from contextlib import closing, suppress
from typing import Any

from napari_mpi.batch.outcomes import BatchSnapshot, BatchState, Status
from napari_mpi.batch.planning import plan_batch
from napari_mpi.batch.records import ClaimedElsewhere, Records
from napari_mpi.batch.report import write_report
from napari_mpi.batch.request import BatchRequest, Plan
from napari_mpi.batch.starts import Starts
from napari_mpi.batch.work.adapt_once import share_adaptations
from napari_mpi.batch.work.connection import require_ready
from napari_mpi.batch.work.one_file import denoise_item
from napari_mpi.batch.work.tally import Tally
from napari_mpi.engine.runtime.devices import resolve_device
from napari_mpi.engine.runtime.errors import EngineError
from napari_mpi.engine.runtime.jobs import Every, Job, Stopwatch, beating, timed

_REPORT_INTERVAL = 60.0  # seconds between two reports while the work goes on
_WAIT = 0.2  # seconds between two looks whether another run has done with a file

Steps = Generator[BatchSnapshot, None, None]


def run_batch(
    request: BatchRequest,
    *,
    state: BatchState | None = None,
    scheduler: str | None = None,
) -> Job[BatchSnapshot, BatchState]:
    """Denoise the images of a folder, one after the other.

    A file that cannot be denoised is noted and the next one's turn comes. Results
    appear whole or not at all; those that are up to date are left. Several runs may
    work on the same output folder: each file is done by one of them. Whatever ends the
    batch once the files are known, the report is written.

    Parameters
    ----------
    request : BatchRequest
        What to do.
    state : BatchState, optional
        Filled as the work goes on; what is in it when the job is closed is final.
    scheduler : str, optional
        Address of a dask.distributed scheduler, such as 'tcp://10.0.0.1:8786', whose
        workers do the files; they must see both folders under the same paths.

    Yields
    ------
    BatchSnapshot
        All files once they are known, each one's begin, progress and end.

    Returns
    -------
    BatchState
        What became of every file.

    Raises
    ------
    EngineError
        If there is nothing to do, settings don't fit, or the output folder or the
        report cannot be written.
    """
    state = state if state is not None else BatchState()
    watch, request = Stopwatch(), request.with_whole_paths()
    return (yield from timed(_run(request, state, scheduler, watch), watch))


def _run(
    request: BatchRequest, state: BatchState, scheduler: str | None, watch: Stopwatch
) -> Job[BatchSnapshot, BatchState]:
    if scheduler is None:
        resolve_device(request.method.device)  # told once, and not for every file
    else:
        require_ready(scheduler)
    starts = Starts(request)
    plan = yield from plan_batch(request, starts)
    _note_failures(plan, request)
    tally = Tally(plan, state, watch)
    try:
        yield tally.everything()
        if request.adapt_once:
            yield from share_adaptations(tally, request, starts)
        tally.begin()
        order = _killed_last(tally, request)
        if scheduler is None:
            steps = _one_by_one(order, tally, request, starts, time.time())
        else:
            steps = _distribute(scheduler, order, tally, request)
        with closing(steps):
            yield from _reporting(steps, tally, request)
    except BaseException:
        state.close()
        with suppress(EngineError):  # what ended the batch is told, not this
            write_report(request, state.outcomes)
        raise
    state.close()
    write_report(request, state.outcomes)
    return state


def _note_failures(plan: Plan, request: BatchRequest) -> None:
    """Make the output folder, and note there what has failed so far, to be retried."""
    records = Records(request.folders.output)
    records.make()
    for item, outcome in plan:
        if outcome.status is Status.FAILED:
            with suppress(OSError):  # it is in the report all the same
                records.note_failure(item, outcome.message)


def _killed_last(tally: Tally, request: BatchRequest) -> list[int]:
    """Return the numbers of the files to be done.

    Those come last at which a run was killed, for want of memory, say: else every night
    would end at the same file.
    """
    records, waiting = Records(request.folders.output), tally.waiting()
    killed = {n for n in waiting if records.was_killed(tally.items[n])}
    for number in sorted(killed):
        warnings.warn(
            f"{tally.items[number].name} comes last: a run was ended from outside while"
            " it was at work on it, which too little memory can do",
            stacklevel=2,
        )
    return sorted(waiting, key=killed.__contains__)


def _distribute(
    scheduler: str, order: list[int], tally: Tally, request: BatchRequest
) -> Steps:
    # Its package is an extra.
    from napari_mpi.batch.work.cluster import distribute

    return distribute(scheduler, order, tally, request)


def _one_by_one(
    order: list[int], tally: Tally, request: BatchRequest, starts: Starts, since: float
) -> Steps:
    """Do the files in order; those that another run is at work on come last."""
    queue = deque(order)
    claimed = 0  # in a row
    while queue and not tally.state.stop_after_file:
        number = queue.popleft()
        yield tally.running(number)
        try:
            yield from _do(number, tally, request, starts, since)
            claimed = 0
        except ClaimedElsewhere as error:
            queue.append(number)
            yield tally.put_off(number)
            claimed += 1
            if claimed >= len(queue):
                yield tally.stage(str(error))
                time.sleep(_WAIT)


def _do(
    number: int, tally: Tally, request: BatchRequest, starts: Starts, since: float
) -> Steps:
    def tell(snapshot: Any) -> BatchSnapshot:
        if snapshot is None:
            return tally.beat(number)
        planes = f", {snapshot.done} of {snapshot.planes} planes done"
        stage = f"{snapshot.stage}{planes if snapshot.planes > 1 else ''}"
        return tally.progress(number, stage, snapshot.fraction)

    job = denoise_item(tally.items[number], request, starts, since=since)
    outcome = yield from beating(job, Every(0), tell)
    yield tally.settle(number, outcome)


def _reporting(steps: Steps, tally: Tally, request: BatchRequest) -> Steps:
    """Write the report now and then, for the night that the power fails."""
    due = Every(_REPORT_INTERVAL)
    for snapshot in steps:
        if snapshot.changed and due():
            with suppress(EngineError):  # the last one counts
                write_report(request, tally.state.outcomes)
        yield snapshot
