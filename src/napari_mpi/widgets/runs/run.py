"""One run of a dock: its worker, its progress bar, its pauses, and how it ended."""

import time
from collections.abc import Callable
from enum import Enum
from typing import Any

from napari.utils import progress
from napari.utils.notifications import show_warning

from napari_mpi.engine.runtime.errors import EngineError
from napari_mpi.widgets.runs.states import BUTTONS, Buttons, RunState
from napari_mpi.widgets.runs.worker import JobWorker, start_job


class Ending(Enum):
    """How a run ended, or was asked to end."""

    NOT_YET = RunState.RUNNING.value
    COMPLETE = RunState.COMPLETE.value
    STOPPED = RunState.STOPPED.value
    CANCELLED = RunState.CANCELLED.value
    FAILED = RunState.FAILED.value


class Run:
    """A run whose worker can be paused; pauses count neither in its time nor its pace.

    Whoever derives from it starts the worker by `_launch`, keeps what it tells in
    ``take``, and ends in ``finish`` by `_put_away`.
    """

    def __init__(self) -> None:
        self.ending = self.asked = Ending.NOT_YET
        self.is_paused = False
        self._worker: JobWorker | None = None
        self._bar: progress | None = None
        self._started = self._paused_at = self._seconds = 0.0

    def ask(self, ending: Ending) -> None:
        """Ask the run to end; it does so after the step at work."""
        if self._worker is not None and self.asked is Ending.NOT_YET:
            self.asked = ending
            self._worker.quit()

    def toggle_pause(self) -> None:
        """Pause at the next snapshot, or go on."""
        if self._worker is not None:
            self.is_paused = not self.is_paused
            self._worker.hold(self.is_paused)
            self._stop_the_clock()

    # -- how it stands -----------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Whether it has ended, however."""
        return self.ending is not Ending.NOT_YET

    @property
    def has_result(self) -> bool:
        """Whether there is anything to keep."""
        return True

    @property
    def can_continue(self) -> bool:
        """Whether it can go on from where it ended."""
        return False

    @property
    def state(self) -> RunState:
        """Where it stands."""
        if self.is_over:
            return RunState(self.ending.value)
        if self.asked is not Ending.NOT_YET:
            return RunState.STOPPING
        if not self.has_result:
            return RunState.PREPARING
        return RunState.PAUSED if self.is_paused else RunState.RUNNING

    @property
    def buttons(self) -> Buttons:
        """What can be pressed now."""
        return BUTTONS[self.state]

    # -- its parts ---------------------------------------------------------------

    def _launch(
        self,
        job: Callable[..., Any],
        *arguments: Any,
        yielded: Callable[[Any], None],
        ended: Callable[[EngineError | None], None],
        bar: dict[str, Any],
    ) -> None:
        """Start the worker; what it tells is heard on the main thread."""
        self.ending = self.asked = Ending.NOT_YET
        self._started = time.monotonic()
        self._bar = progress(**bar)
        self._worker = start_job(
            job, *arguments, yielded=yielded, warned=show_warning, ended=ended
        )

    def _put_away(self, error: EngineError | None) -> None:
        """Let go of the worker; from now on nothing changes any more."""
        if self._bar is not None:
            self._bar.close()
        if self.is_paused:
            self.toggle_pause()
        self._seconds += time.monotonic() - self._started
        self.ending = Ending.FAILED if error is not None else self._how_it_ended()
        self._worker = self._bar = None

    def _how_it_ended(self) -> Ending:
        assert self._worker is not None
        if self.asked is not Ending.NOT_YET:
            return self.asked
        # If not asked for, then by napari itself, which is about to close.
        return Ending.STOPPED if self._worker.abort_requested else Ending.COMPLETE

    @property
    def _worked(self) -> float:
        """Seconds since this start, without pauses."""
        now = self._paused_at if self.is_paused else time.monotonic()
        return now - self._started

    def _stop_the_clock(self) -> None:
        """Leave pauses out of the pace and of the time that is told at the end."""
        if self.is_paused:
            self._paused_at = time.monotonic()
            return
        pause = time.monotonic() - self._paused_at
        self._started += pause
        if self._bar is not None:
            self._bar.start_t += pause
            self._bar.last_print_t += pause
