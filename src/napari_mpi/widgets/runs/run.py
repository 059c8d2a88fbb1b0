"""How a run ends, and what all runs have in common: a worker that pauses."""

import time
from enum import Enum

from napari.utils import progress

from napari_mpi.widgets.runs.worker import JobWorker


class Pausable:
    """A run whose worker can be paused; pauses count neither in its time nor its pace.

    Whoever derives from it sets ``_worker`` while there is one, ``_bar`` while that is
    shown, and ``_started`` to what `time.monotonic` says at the start.
    """

    def __init__(self) -> None:
        self.is_paused = False
        self._worker: JobWorker | None = None
        self._bar: progress | None = None
        self._started = self._paused_at = 0.0

    def toggle_pause(self) -> None:
        """Pause at the next snapshot, or go on."""
        if self._worker is not None:
            self.is_paused = not self.is_paused
            self._worker.hold(self.is_paused)
            self._stop_the_clock()

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


class Ending(Enum):
    """How a run ended, or was asked to end."""

    NOT_YET = "running"
    COMPLETE = "complete"
    STOPPED = "stopped, result kept"
    CANCELLED = "cancelled"
    FAILED = "failed"
