"""What a batch will do, and what it will leave, told before the work."""

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_mpi.batch.contents import Beats
from napari_mpi.batch.discovery import discover
from napari_mpi.batch.outcomes import BatchSnapshot, Outcome, Status, Totals, failed
from napari_mpi.batch.records import (
    OutputState,
    Record,
    Records,
    in_the_way,
    remembered,
)
from napari_mpi.batch.request import BatchRequest, Item, Plan, is_same, outcome_of, said
from napari_mpi.batch.starts import FileKind, Starts
from napari_mpi.engine.files.sources import Sources
from napari_mpi.engine.runtime.jobs import Every, beating

UP_TO_DATE = "up to date"
_DAMAGED = (
    "what is known of its result is damaged: retry what has failed, and it is made anew"
)
_ELSEWHERE = (
    "its result was made from {other}, which is still there: choose another output"
    " folder, or let it be overwritten"
)


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
    items = _with_sources_safe(discover(request.folders))
    plan: Plan = []
    due = Every(at_once=True)

    def tell(_: None = None) -> BatchSnapshot:
        stage = f"looking at the files: {len(plan)} of {len(items)}"
        return BatchSnapshot(stage=stage, totals=Totals(len(items)))

    for item in items:
        if due():
            yield tell()
        outcome = yield from beating(planned(item, request, starts), due, tell)
        plan.append((item, outcome))
    return plan


def _with_sources_safe(items: list[Item]) -> list[Item]:
    """Fail what would be written in the place of any file that is read."""
    sources = Sources(item.source for item in items)
    checked = []
    for item in items:
        waits = item.status is Status.WAITING
        problem = sources.problem(item.output) if waits else None
        if problem is not None:
            item = replace(item, status=Status.FAILED, message=problem)
        checked.append(item)
    return checked


def planned(
    item: Item, request: BatchRequest, starts: Starts, *, since: float | None = None
) -> Beats[Outcome]:
    """Return what is known of a file before the work.

    Parameters
    ----------
    item : Item
        The file.
    request : BatchRequest
        What was asked for.
    starts : Starts
        Made from it.
    since : float, optional
        When the run began, in seconds since 1970: what was made thereafter, by another
        run, is not overwritten.

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
    try:
        return (yield from _looked_at(item, outcome, request, starts, since))
    except OSError as error:
        path = error.filename or item.source
        return failed(outcome, f"{path} cannot be looked at: {said(error)}")


def _looked_at(
    item: Item,
    outcome: Outcome,
    request: BatchRequest,
    starts: Starts,
    since: float | None,
) -> Beats[Outcome]:
    records = Records(request.folders.output)
    record = records.read(item)
    again = records.has_failed(item) or record.is_damaged
    if request.retry_failed and not again:
        known = "done before" if record.made_from else "not tried before"
        return remembered(outcome, record, f"it has not failed, but was {known}")
    if request.overwrite and (since is None or records.written_at(item) < since):
        return outcome
    standing = yield from records.standing(item, record, _made_from(record, starts))
    if standing is OutputState.CURRENT:
        return remembered(outcome, record, UP_TO_DATE)
    if standing is OutputState.FOREIGN:
        return failed(outcome, in_the_way(item))
    if standing is OutputState.UNKNOWN and not request.retry_failed:
        return failed(outcome, _DAMAGED)
    if standing is OutputState.STALE and _is_elsewhere(record.source, item.source):
        return failed(outcome, _ELSEWHERE.format(other=record.source))
    return outcome


def _is_elsewhere(known: str, source: Path) -> bool:
    """Whether a result's source is another file than the one at hand, and there."""
    return bool(known) and Path(known).exists() and not is_same(Path(known), source)


def _made_from(record: Record, starts: Starts) -> dict[str, Any] | None:
    """Return what a result like the recorded one would be made from now."""
    try:
        kind = FileKind(**(record.made_from or {})["kind"])
    except (KeyError, TypeError):  # never made, or a damaged record
        return None
    return starts.made_from(kind)
