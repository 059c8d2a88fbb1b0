"""How a batch stands: counts, share of the work, time left."""

import dataclasses
from typing import Any

from napari_mpi.batch.outcomes import BatchSnapshot, BatchState, Outcome, Status, Totals
from napari_mpi.batch.request import Item, Plan
from napari_mpi.engine.runtime.jobs import Stopwatch

_EACH = 2**15  # bytes that what every file takes, however small, amounts to


class Tally:
    """Keeps the outcomes of a batch, and tells how it stands.

    The work is measured in bytes of the files to be done, which is known ahead.

    Parameters
    ----------
    plan : list of (Item, Outcome)
        As planned.
    state : BatchState
        Where the outcomes are kept.
    watch : Stopwatch
        Runs while the batch works.
    """

    def __init__(self, plan: Plan, state: BatchState, watch: Stopwatch) -> None:
        self.items: list[Item] = [item for item, _ in plan]
        self.state = state
        state.outcomes = [outcome for _, outcome in plan]
        self._watch, self._begun = watch, 0.0
        self._work = {n: self.items[n].size + _EACH for n in self.waiting()}
        self._fraction = 0.0  # of the file at work
        self._done_work, self._left = 0, sum(self._work.values())
        counted = (Status.DONE, Status.SKIPPED, Status.FAILED)
        self._counts = {status: state.count(status) for status in counted}

    def waiting(self) -> list[int]:
        """Return the numbers of the files that are still to be done."""
        outcomes = enumerate(self.state.outcomes)
        return [n for n, outcome in outcomes if outcome.status is Status.WAITING]

    def begin(self) -> None:
        """Let the pace be that of what comes now."""
        self._begun = self._watch.seconds

    def everything(self) -> BatchSnapshot:
        """Return a snapshot that tells all files."""
        return self._snapshot(changed=tuple(enumerate(self.state.outcomes)))

    def running(self, number: int) -> BatchSnapshot:
        """Note that a file is begun."""
        self._fraction = 0.0
        return self._change(number, self._with(number, Status.RUNNING))

    def put_off(self, number: int) -> BatchSnapshot:
        """Note that a file must wait."""
        return self._change(number, self._with(number, Status.WAITING))

    def settle(self, number: int, outcome: Outcome) -> BatchSnapshot:
        """Note what became of a file."""
        if outcome.status in self._counts:
            self._counts[outcome.status] += 1
        work = self._work.pop(number, 0)
        self._left -= work
        if outcome.status is Status.DONE:  # others cost no time, and tell of none
            self._done_work += work
        return self._change(number, outcome)

    def beat(self, number: int) -> BatchSnapshot:
        """Return that the file at work is read through, and as far as it was."""
        return self.progress(number, "reading", self._fraction)

    def progress(self, number: int, stage: str, fraction: float) -> BatchSnapshot:
        """Return how far the file at work is."""
        self._fraction = fraction
        return self._snapshot(number=number, stage=stage, fraction=fraction)

    def stage(self, stage: str) -> BatchSnapshot:
        """Return what is done for all files together."""
        return self._snapshot(stage=stage)

    def _with(self, number: int, status: Status) -> Outcome:
        return dataclasses.replace(self.state.outcomes[number], status=status)

    def _change(self, number: int, outcome: Outcome) -> BatchSnapshot:
        self.state.outcomes[number] = outcome
        at_work = number if outcome.status is Status.RUNNING else None
        return self._snapshot(changed=((number, outcome),), number=at_work)

    def _snapshot(self, **fields: Any) -> BatchSnapshot:
        here = 0.0
        if fields.get("number") is not None:
            here = self._work.get(fields["number"], 0) * fields.get("fraction", 0.0)
        return BatchSnapshot(**fields, totals=self._totals(self._done_work + here))

    def _totals(self, done: float) -> Totals:
        left = self._left + self._done_work - done
        spent = self._watch.seconds - self._begun
        return Totals(
            files=len(self.items),
            done=self._counts[Status.DONE],
            skipped=self._counts[Status.SKIPPED],
            failed=self._counts[Status.FAILED],
            fraction=done / (done + left) if done + left else 1.0,
            seconds_left=spent / done * left if done and self._begun else None,
        )
