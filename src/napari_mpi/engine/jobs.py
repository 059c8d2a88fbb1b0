"""Long work as generators: a job yields snapshots and returns its result."""

from collections.abc import Callable, Generator
from typing import TypeVar

S = TypeVar("S")
R = TypeVar("R")

Job = Generator[S, None, R]
"""Yields frozen snapshots of type ``S``, returns ``R``; ``close()`` cancels it."""


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
