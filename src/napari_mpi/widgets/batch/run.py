"""One run of the Batch widget: its worker, what became of the files, how it ended."""

import dataclasses
from collections.abc import Callable

from napari_mpi.batch.outcomes import BatchSnapshot, BatchState, Outcome, Status, Totals
from napari_mpi.batch.report import CSV_NAME
from napari_mpi.batch.request import BatchRequest
from napari_mpi.engine.runtime.errors import EngineError
from napari_mpi.engine.runtime.jobs import Job
from napari_mpi.widgets.runs.run import Ending, Run
from napari_mpi.widgets.runs.states import Buttons, RunState
from napari_mpi.widgets.runs.time_left import in_minutes, in_words

_STEPS = 1000  # of the progress bar
_ENDS = {
    Ending.COMPLETE: "complete",
    Ending.STOPPED: "stopped",
    Ending.CANCELLED: "cancelled",
    Ending.FAILED: "failed",
}


def batch_job(request: BatchRequest, state: BatchState) -> Job[BatchSnapshot, None]:
    """Run the engine's job; torch, which it needs, loads on the worker's thread."""
    from napari_mpi.batch.work.run import run_batch

    yield from run_batch(request, state=state)


class BatchRun(Run):
    """Everything that belongs to one run, on the main thread.

    Parameters
    ----------
    request : BatchRequest
        What was asked for.
    """

    def __init__(self, request: BatchRequest) -> None:
        super().__init__()
        self.request = request
        self.newest: BatchSnapshot | None = None
        self._state = BatchState()
        self._changed: dict[int, Outcome] = {}

    # -- what it does ------------------------------------------------------------

    def start(
        self,
        yielded: Callable[[BatchSnapshot], None],
        ended: Callable[[EngineError | None], None],
    ) -> None:
        """Start the worker; what it tells is heard on the main thread."""
        name = self.request.folders.source.name
        self._launch(
            batch_job,
            self.request,
            self._state,
            yielded=yielded,
            ended=ended,
            bar={"total": 0, "desc": f"denoising folder {name}"},
        )

    def ask(self, ending: Ending) -> None:
        """Ask the run to end: STOPPED after the file at work, CANCELLED at once.

        It can still be cancelled while it is about to stop.
        """
        if self._worker is None or self.asked in (ending, Ending.CANCELLED):
            return
        self.asked = ending
        if self.is_paused:
            self.toggle_pause()
        if ending is Ending.CANCELLED:
            self._worker.quit()
        else:
            self._state.stop_after_file = True

    def take(self, snapshot: BatchSnapshot) -> None:
        """Keep what the job told; it is shown when somebody asks for it."""
        self.newest = snapshot
        self._changed.update(snapshot.changed)

    def take_changed(self) -> dict[int, Outcome]:
        """Return what became of files since the last call; move the progress bar."""
        changed, self._changed = self._changed, {}
        if self._bar is not None and self.newest is not None and self.totals.files:
            if not self._bar.total:
                self._bar.reset(total=_STEPS)
            self._bar.update(round(self.totals.fraction * _STEPS) - self._bar.n)
        return changed

    def finish(self, error: EngineError | None, **_: bool) -> None:
        """Put away the worker; what the files have become is all there is to show."""
        self._put_away(error)
        self._changed = dict(enumerate(self._state.outcomes))

    # -- how it stands -----------------------------------------------------------

    @property
    def totals(self) -> Totals:
        """How many files have ended how, and how far it is."""
        return Totals() if self.newest is None else self.newest.totals

    @property
    def has_failed_files(self) -> bool:
        """Whether there is anything to retry, once it has ended."""
        return self.is_over and self._state.count(Status.FAILED) > 0

    @property
    def buttons(self) -> Buttons:
        """What can be pressed now; it can be cancelled while it is about to stop."""
        buttons = super().buttons
        if self.state is RunState.STOPPING and self.asked is Ending.STOPPED:
            return dataclasses.replace(buttons, cancel=True)
        return buttons

    def describe(self) -> str:
        """Return how far it has come, or how it ended, for the status line."""
        if self.is_over:
            return self._described_end()
        if self.newest is None:
            return "preparing…"
        if not self.totals.files:
            return self.newest.stage
        parts = [str(self.totals), self._described_pace()]
        number = self.newest.number
        if number is not None:
            parts.append(f"{self._state.outcomes[number].file}: {self.newest.stage}")
        return " · ".join(part for part in parts if part)

    # -- its parts ---------------------------------------------------------------

    def _how_it_ended(self) -> Ending:
        assert self._worker is not None
        if self._worker.abort_requested:  # if not asked for, then by napari's end
            return Ending.CANCELLED
        left = self._state.count(Status.NOT_REACHED)
        return Ending.STOPPED if left else Ending.COMPLETE

    def _described_pace(self) -> str:
        if self.asked is not Ending.NOT_YET:
            stops = self.asked is Ending.STOPPED
            return "stopping after this file…" if stops else "cancelling…"
        if self.is_paused:
            return "paused"
        left = self.totals.seconds_left
        return "" if left is None else in_words(left)

    def _described_end(self) -> str:
        parts = [_ENDS[self.ending]]
        if self._state.outcomes:
            counts = {
                status: self._state.count(status)
                for status in Status
                if status.is_settled and self._state.count(status)
            }
            told = [f"{count} {status.value}" for status, count in counts.items()]
            parts[0] += f" after {in_minutes(self._seconds)}: {', '.join(told)}"
        report = self.request.folders.output / CSV_NAME
        if report.is_file():
            parts.append(f"report: {report}")
        return " · ".join(parts)
