"""What a batch will do, and what it will leave, told before the work."""

import dataclasses
import time
from collections.abc import Generator
from typing import Any

from napari_mpi.engine.batch.items import Folders, Item, discover
from napari_mpi.engine.batch.kinds import Kind
from napari_mpi.engine.batch.outcomes import BatchSnapshot, Outcome, Status, Totals
from napari_mpi.engine.batch.records import Beats, Record, Records, Standing, remembered
from napari_mpi.engine.batch.request import BatchRequest
from napari_mpi.engine.batch.starts import Starts
from napari_mpi.engine.reporting import SNAPSHOT_INTERVAL

UP_TO_DATE = "up to date"
_IN_THE_WAY = (
    "the output {name!r} is there already and not ours, or changed since it was made:"
    " move it, or let it be overwritten"
)
_ITSELF = "its result would replace the file itself: choose another output or suffix"

Plan = list[tuple[Item, Outcome]]
"""Every file, and what is known of it before the work."""


def plan_batch(
    request: BatchRequest, starts: Starts | None = None
) -> Generator[BatchSnapshot, None, Plan]:
    """Find the files of a batch, and tell which of them there is to do.

    Nothing is written, and nothing but the contents of files is looked at.

    Parameters
    ----------
    request : BatchRequest
        What was asked for.
    starts : Starts, optional
        Made from the request if None.

    Yields
    ------
    BatchSnapshot
        How many files have been looked at, a few times a second.

    Returns
    -------
    list of (Item, Outcome)
        All files; those to be done are WAITING, others SKIPPED or FAILED.

    Raises
    ------
    EngineError
        If there is nothing to do, or settings don't fit.
    """
    starts = starts or Starts(request)
    plan, told = [], 0.0
    items = discover(request.folders)
    for number, item in enumerate(items):
        looking = planned(item, request, starts)
        while True:
            if time.monotonic() - told >= SNAPSHOT_INTERVAL:
                told = time.monotonic()
                stage = f"looking at the files: {number} of {len(items)}"
                yield BatchSnapshot(stage=stage, totals=Totals(len(items)))
            try:
                next(looking)
            except StopIteration as stop:
                plan.append((item, stop.value))
                break
    return plan


def planned(item: Item, request: BatchRequest, starts: Starts) -> Beats[Outcome]:
    """Return what is known of a file before the work.

    Parameters
    ----------
    item : Item
        The file.
    request : BatchRequest
        What was asked for.
    starts : Starts
        Made from it.

    Yields
    ------
    None
        Now and then.

    Returns
    -------
    Outcome
        WAITING if it is to be done, else SKIPPED or FAILED.
    """
    outcome = outcome_of(item, request.folders)
    if item.status is not Status.WAITING:
        return outcome
    records = Records(request.folders.output)
    record = records.read(item)
    if item.output.exists() and item.output.samefile(item.source):
        return failed(outcome, _ITSELF)
    if request.retry_failed and not record.failure:
        known = "done before" if record.made_from else "not tried before"
        return remembered(outcome, record, f"it has not failed, but was {known}")
    if request.overwrite:
        return outcome
    try:
        made_from = _made_from(record, starts)
        standing = yield from records.standing(item, record, made_from)
    except OSError as error:
        return failed(outcome, f"it cannot be read: {error.strerror}")
    if standing is Standing.CURRENT:
        return remembered(outcome, record, UP_TO_DATE)
    if standing is Standing.FOREIGN:
        return failed(outcome, _IN_THE_WAY.format(name=outcome.output))
    return outcome


def outcome_of(item: Item, folders: Folders) -> Outcome:
    """Return the row of a file of which nothing but its name is known."""
    output = item.output.relative_to(folders.output).as_posix()
    return Outcome(item.name, output, item.status, item.message)


def failed(outcome: Outcome, message: str) -> Outcome:
    """Return the row of a file that has failed."""
    return dataclasses.replace(outcome, status=Status.FAILED, message=message)


def _made_from(record: Record, starts: Starts) -> dict[str, Any] | None:
    """Return what a result like the recorded one would be made from now."""
    if record.made_from is None:
        return None
    return starts.made_from(Kind(**record.made_from["kind"]))
