"""How work on a cluster's workers is ended early, and done one piece at a time."""

import threading
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from napari_mpi.engine.runtime.jobs import Every, Job, run

ASK = 1.0
"""Seconds between two questions of a worker whether to go on."""

ONE_AT_A_TIME = threading.Lock()
"""A worker's threads share its device."""

T = TypeVar("T")


class _Cancelled(Exception):
    """The work has ended while a piece of it was done."""


@dataclass(frozen=True, slots=True)
class Signal:
    """Tells workers to end: 'stop' after the piece at work, 'cancel' at once.

    Parameters
    ----------
    name : str
        Tells it from others on the same cluster; drawn if it is not given.
    """

    name: str = field(default_factory=lambda: f"napari-mpi-{uuid.uuid4().hex}")

    def send(self, client: Any, word: str) -> None:
        """Send a word from where the work was begun."""
        from distributed import Event

        with suppress(Exception):  # of a cluster that is gone already
            Event(f"{self.name}-{word}", client).set()

    def heard(self, *words: str) -> bool:
        """Whether one of some words was sent; for workers."""
        from distributed import Event, get_client

        client = get_client()
        return any(Event(f"{self.name}-{word}", client).is_set() for word in words)


def driven(job: Job[Any, T], signal: Signal) -> T | None:
    """Drive a job to its end on a worker; None if it was cancelled.

    Parameters
    ----------
    job : generator
        The piece of work.
    signal : Signal
        Says when to end early.
    """
    due = Every(ASK)

    def ask(_: Any) -> None:
        if due() and signal.heard("cancel"):
            raise _Cancelled

    with suppress(_Cancelled):
        return run(job, ask)
    return None
