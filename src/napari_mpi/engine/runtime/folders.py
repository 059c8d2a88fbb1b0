"""Folders: where a user's own weights and the cache lie, and what is in one."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import platformdirs


def files_below(folder: Path) -> Iterator[Path]:
    """Yield all files of a folder and of those in it, however deep; follow no link.

    What cannot be looked into is passed over. (Those of Python 3.11 call themselves for
    every folder, and end at some hundred.)
    """
    waiting = [folder]
    while waiting:
        with suppress(OSError):
            for entry in os.scandir(waiting.pop()):
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                elif entry.is_file():
                    yield Path(entry.path)


def data_folder() -> Path:
    """Return the folder of the user's own weights (NAPARI_MPI_HOME/weights if set)."""
    home = os.environ.get("NAPARI_MPI_HOME") or platformdirs.user_data_dir(
        "napari-mpi", False
    )
    return Path(home) / "weights"


def cache_folder() -> Path:
    """Return the folder of fetched weights (NAPARI_MPI_HOME/cache if set)."""
    home = os.environ.get("NAPARI_MPI_HOME")
    return (
        Path(home) / "cache"
        if home
        else Path(platformdirs.user_cache_dir("napari-mpi", False))
    )
