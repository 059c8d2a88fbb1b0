"""Command-line options that commands share, and what they tell a person."""

import argparse
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import Field, fields
from typing import Any, Literal, get_args, get_origin

from napari_mpi.engine.config import FillingConfig
from napari_mpi.engine.method import Method
from napari_mpi.engine.presets import DEFAULT_PRESET, PRESETS, preset
from napari_mpi.engine.registry import DEFAULT_WEIGHTS, suggested_preset


def add_method(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how to denoise."""
    parser.add_argument(
        "--weights", metavar="NAME|PATH", default=DEFAULT_WEIGHTS,
        help=f"where to start from, see 'weights list' (default: {DEFAULT_WEIGHTS})",
    )  # fmt: skip
    parser.add_argument(
        "--preset", choices=tuple(PRESETS), default=None, metavar="PRESET",
        help=f"noise and effort: {', '.join(PRESETS)} (default: what the weights are"
        f" meant for; for those that ship {DEFAULT_PRESET})",
    )  # fmt: skip
    parser.add_argument(
        "--axes",
        help="one letter per dimension, such as ZYX (default: as the file says)",
    )
    parser.add_argument(
        "--device",
        default="auto",
        help="auto, cpu, cuda, cuda:1 or mps (default: auto)",
    )
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="print no progress and no notes"
    )
    add_settings(
        parser.add_argument_group("settings of the preset that can be changed"),
        fields(FillingConfig),
    )


def method_of(options: argparse.Namespace) -> Method:
    """Return what the options of `add_method` say.

    Raises
    ------
    ConfigError
        If a setting is outside its range.
    """
    changes = {f.name: getattr(options, f.name) for f in fields(FillingConfig)}
    config = preset(options.preset or suggested_preset(options.weights), **changes)
    return Method(config, options.weights, options.device, options.axes)


def add_settings(group: Any, fields: Iterable["Field[Any]"]) -> None:
    """Add one option per field of a config; None leaves the value as it is."""
    for field in fields:
        flag, text = f"--{field.name.replace('_', '-')}", field.metadata["help"]
        if field.type is bool:
            group.add_argument(
                flag, action=argparse.BooleanOptionalAction, default=None, help=text
            )
        elif get_origin(field.type) is Literal:
            group.add_argument(
                flag, choices=get_args(field.type), default=None, help=text
            )
        else:
            group.add_argument(
                flag,
                type=type(field.default),
                default=None,
                metavar="N" if isinstance(field.default, int) else "P",
                help=text,
            )


def say(line: str) -> None:
    """Tell a person something that is not a result; work goes on if nobody listens."""
    Unheard().write(f"{line}\n")


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
