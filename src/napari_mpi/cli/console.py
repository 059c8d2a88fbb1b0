"""What commands tell a person, and how they are stopped."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_CLEARING = 1.0  # seconds that the end of a command has, undisturbed


def say(line: str) -> None:
    """Tell a person something that is not a result; work goes on if nobody listens."""
    Unheard().write(f"{on_a_line(line)}\n")


def on_a_line(text: str) -> str:
    """Spell out what would break a line or steer a terminal; files can be named so."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def say_nothing(line: str) -> None:
    """Stand in for `say` where nothing is to be told."""


class Unheard:
    """What is written goes to stderr, and nowhere once nobody listens there."""

    def write(self, text: str) -> None:
        """Write."""
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(text)

    def flush(self) -> None:
        """Pass on what has been written."""
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.flush()

    def __getattr__(self, name: str) -> Any:
        """Be as stderr in everything else."""
        return getattr(sys.stderr, name)


@contextmanager
def ending() -> Iterator[None]:
    """Let every signal that ends a program raise KeyboardInterrupt, as Ctrl-C does.

    So what is being written is removed, whoever asks. One that follows within a second
    changes nothing, so that it does not cut short the removing.
    """
    came = [-_CLEARING]

    def interrupt(_number: int, _frame: object) -> None:
        came.append(time.monotonic())
        if came[-1] - came[-2] >= _CLEARING:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield  # which alone can hear signals
        return
    before = {number: signal.signal(number, interrupt) for number in _stop_signals()}
    try:
        yield
    finally:
        for number, former in before.items():
            # Nor may what follows, a sentence and the end, be cut short.
            is_over = len(came) > 1 or signal.getsignal(number) is signal.SIG_IGN
            signal.signal(number, signal.SIG_IGN if is_over else former)


@contextmanager
def stopping() -> Iterator[list[int]]:
    """Collect the signals that ask to stop; a second one stops at once.

    Further ones change nothing, and none does once the first has come and the work has
    ended, so that a held key does not cut short what is written in the end.
    """
    asked: list[int] = []

    def note(number: int, _frame: object) -> None:
        asked.append(number)
        if len(asked) == 1:
            with suppress(OSError):  # not by print, at which it may have come
                os.write(2, b"ending after this step; once more ends at once\n")
        elif len(asked) == 2:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, note) for number in _stop_signals()}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if asked else handler)


def _stop_signals() -> list[int]:
    """Return what asks to stop: Ctrl-C, the system, a terminal that is closed."""
    signals: list[int] = [signal.SIGINT, signal.SIGTERM]
    hang_up = getattr(signal, "SIGHUP", None)  # not on Windows
    if hang_up is not None and signal.getsignal(hang_up) is not signal.SIG_IGN:
        signals.append(hang_up)  # which nohup lets be ignored
    return signals
