"""How long, and for how much memory, a file may keep whoever reads it waiting.

Some decoders never end on a damaged file (JPEG 2000 of imagecodecs 2026.10, for one),
and no library can be told to give up. So files are read in a thread of their own: once
its time is over, nobody waits for it any more. It goes on until the program ends.
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from napari_mpi.engine.runtime.errors import ConfigError, ImageFileError
from napari_mpi.engine.runtime.memory import free_memory

T = TypeVar("T")

_VARIABLE = "NAPARI_MPI_READ_SECONDS"
_SECONDS = 60.0  # for what is asked for in one go, however small the file
_SLOWEST = 1e6  # bytes of a file that are read in a second, at least


def patience() -> float:
    """Return how many seconds one look into a file may take: 60, or what is set.

    Raises
    ------
    ConfigError
        If the environment variable holds no number above 0.
    """
    said = os.environ.get(_VARIABLE, "")
    try:
        seconds = float(said or _SECONDS)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ConfigError(
            f"{_VARIABLE} is {said!r}: set it to the seconds that reading may take"
        )
    return seconds


def within_patience(path: Path, action: Callable[[], T]) -> T:
    """Return what an action returns, or raise what it raises, if it ends in time.

    Parameters
    ----------
    path : Path
        What it reads; a large file may take longer.
    action : callable
        What is done, in another thread.

    Raises
    ------
    ImageFileError
        If it has not ended in time.
    """
    size = path.stat().st_size if path.is_file() else 0
    seconds = patience() + size / _SLOWEST
    reading = _Reading(action)
    reading.start()
    reading.join(seconds)
    if reading.is_alive():
        raise ImageFileError(
            f"{path} was not read within {seconds:.0f} s, so it is given up: it is"
            f" damaged, or set {_VARIABLE} to more"
        )
    if reading.error is not None:
        raise reading.error
    return cast("T", reading.result)


class _Reading(threading.Thread):
    """Does something, and keeps what comes of it."""

    def __init__(self, action: Callable[[], object]) -> None:
        super().__init__(name="reading", daemon=True)
        self._action = action
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        """Do it."""
        try:
            self.result = self._action()
        except BaseException as error:  # noqa: BLE001 raised where it is waited for
            self.error = error


def require_memory(path: Path, size: int) -> None:
    """Raise ImageFileError if a file would take more memory than is free.

    Parameters
    ----------
    path : Path
        The file.
    size : int
        Bytes.
    """
    free = free_memory()
    if size > free:
        raise ImageFileError(
            f"{path} is too large: it takes {size / 1e9:.1f} GB of memory, of which"
            f" {free / 1e9:.1f} GB are free; crop it, or use a larger machine"
        )
