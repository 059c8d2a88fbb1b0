"""Long work as generators: a job yields snapshots and returns its result."""

import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from typing import TypeVar

S = TypeVar("S")
R = TypeVar("R")
T = TypeVar("T")

Job = Generator[S, None, R]
"""Yields frozen snapshots of type ``S``, returns ``R``; ``close()`` cancels it."""

SNAPSHOT_INTERVAL = 0.1
"""Seconds between snapshots: a cancel is seen within 0.2 s, or after one iteration."""


def run(job: Job[S, R], on_snapshot: Callable[[S], object] | None = None) -> R:
    """Drive a job to its end and return its result.

    Parameters
    ----------
    job : generator
        What a function of the engine such as ``iterative_filling`` returned.
    on_snapshot : callable, optional
        Called with every snapshot. If it raises, the job is closed and the
        exception goes on to the caller.

    Returns
    -------
    object
        The value that the job returned.
    """
    try:
        while True:
            snapshot = next(job)
            if on_snapshot is not None:
                on_snapshot(snapshot)
    except StopIteration as stop:
        result: R = stop.value
        return result
    finally:
        job.close()


class Every:
    """Tells now and then that it is time.

    Parameters
    ----------
    seconds : float
        Least time between two.
    at_once : bool
        Whether the first time is now, not so many seconds from now.
    """

    def __init__(
        self, seconds: float = SNAPSHOT_INTERVAL, *, at_once: bool = False
    ) -> None:
        self._seconds = seconds
        self._last = -float("inf") if at_once else time.monotonic()

    def __call__(self) -> bool:
        """Whether it is time; if so, it is next after as many seconds from now."""
        now = time.monotonic()
        if now - self._last < self._seconds:
            return False
        self._last = now
        return True


def beating(
    job: Job[T, R], due: Callable[[], bool], tell: Callable[[T], S]
) -> Job[S, R]:
    """Do a job as a part of another, which tells of it when that is due.

    So whoever waits can cancel a few times a second, however often the part yields.

    Parameters
    ----------
    job : generator
        The part.
    due : callable
        Whether to tell, such as an `Every`.
    tell : callable
        Makes the snapshot from what the part has yielded.
    """
    with closing(job):
        while True:
            try:
                step = next(job)
            except StopIteration as stop:
                result: R = stop.value
                return result
            if due():
                yield tell(step)


def aside(work: Callable[[], R], *, at_once: bool = False) -> Job[None, R]:
    """Do one long computation on a thread, so that a cancel is seen meanwhile.

    Closed before it has ended, its result is dropped and its thread ends by itself; so
    it must change nothing, and be given nothing that is changed.

    Parameters
    ----------
    work : callable
        What to do.
    at_once : bool
        Whether to do it here instead: what is quick, or works for one thread at a time.

    Yields
    ------
    None
        A few times a second while it lasts.
    """
    if at_once:
        return work()
    pool = ThreadPoolExecutor(1, thread_name_prefix="aside")
    try:
        waiting = pool.submit(work)
        while not wait((waiting,), timeout=SNAPSHOT_INTERVAL).done:
            yield
        return waiting.result()
    finally:
        pool.shutdown(wait=False)


class Stopwatch:
    """Measures what a job takes, without what those take who are told of it."""

    def __init__(self) -> None:
        self._before, self._since = 0.0, 0.0
        self._runs = False

    @property
    def seconds(self) -> float:
        """Seconds that it has run so far."""
        now = time.monotonic() - self._since if self._runs else 0.0
        return self._before + now

    def start(self) -> None:
        """Go on."""
        self._since, self._runs = time.monotonic(), True

    def stop(self) -> None:
        """Stand still."""
        self._before, self._runs = self.seconds, False


def timed(job: Job[S, R], watch: Stopwatch) -> Job[S, R]:
    """Let a watch run while a job works: it stands still at every snapshot.

    So a pause, which whoever drives the job takes between two snapshots, is not
    counted.

    Parameters
    ----------
    job : generator
        What a function of the engine returned.
    watch : Stopwatch
        Runs from the first step to the last.
    """
    try:
        while True:
            watch.start()
            try:
                snapshot = next(job)
            finally:
                watch.stop()
            yield snapshot
    except StopIteration as stop:
        result: R = stop.value
        return result
    finally:
        job.close()
