"""What is due in pre-training, by the time that has passed."""

import time

EVALUATION_INTERVAL = 5.0
"""Least seconds between two looks at the held-out images, never over 5 % of the time"""


class Clock:
    """Tells what is due, by the time that has passed."""

    def __init__(self, step: int) -> None:
        self.first_step = step
        self.started = self.reported = self.checkpointed = time.monotonic()
        self.next_evaluation = self.started  # the first at once: something to see

    def elapsed(self) -> float:
        return max(time.monotonic() - self.started, 1e-9)

    def is_due(self, interval: float) -> bool:
        return time.monotonic() - self.reported >= interval

    def lap(self) -> float:
        now = time.monotonic()
        passed, self.reported = now - self.reported, now
        return passed

    def leave_out(self, seconds: float) -> None:
        """Count as if this time had not passed: nothing was done in it."""
        self.started += seconds
        self.reported += seconds

    def evaluation_is_due(self) -> bool:
        return time.monotonic() >= self.next_evaluation

    def evaluated(self, seconds: float) -> None:
        self.next_evaluation = time.monotonic() + max(EVALUATION_INTERVAL, 20 * seconds)

    def checkpoint_is_due(self, interval: float) -> bool:
        due = time.monotonic() - self.checkpointed >= interval
        if due:
            self.checkpointed = time.monotonic()
        return due

    def steps_per_second(self, step: int) -> float:
        return (step - self.first_step) / self.elapsed()
