"""Where a user's own weights and the cache lie."""

import os
from pathlib import Path

import platformdirs


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
