"""Zarr stores, opened: folders, .zip files, and addresses by fsspec."""

import zipfile
from pathlib import Path
from typing import Any

from napari_mpi.engine.files.remote import shown, url_of
from napari_mpi.engine.runtime.errors import ImageFileError, first_line
from napari_mpi.engine.runtime.optional import extra

ZIPPED = (".zarr.zip", ".ozx")
"""Endings of a Zarr in one file, in small letters."""


def opened(path: Path) -> Any:
    """Open a Zarr to read.

    Parameters
    ----------
    path : Path
        A folder, a .zip of one, or an address.

    Returns
    -------
    zarr.Group or zarr.Array
        What is there.

    Raises
    ------
    ImageFileError
        If nothing is, or a package is missing.
    """
    zarr = extra("zarr", "zarr", path)
    if path.name.lower().endswith(ZIPPED):
        return _in_zip(zarr, path)
    url = url_of(path)
    if url is None:
        return zarr.open(store=str(path), mode="r")
    try:
        return zarr.open(store=url, mode="r")
    except ImportError as error:
        raise ImageFileError(
            f"{url} needs a package that is not installed ({first_line(error)}): run"
            ' pip install "napari-mpi[remote]"'
        ) from error
    except Exception as error:  # whatever the network, or a server, provokes
        raise ImageFileError(
            f"there is no OME-Zarr at {url}, or it cannot be reached:"
            f" {first_line(error)}"
        ) from error


def _in_zip(zarr: Any, path: Path) -> Any:
    """Open what a .zip holds, at its top or in the one folder that it has."""
    store = zarr.storage.ZipStore(path, mode="r")
    try:
        return zarr.open(store=store, mode="r")
    except FileNotFoundError:
        with zipfile.ZipFile(path) as file:
            names = {name.partition("/")[0] for name in file.namelist()}
        if len(names) != 1:
            raise
        return zarr.open(store=store, path=names.pop(), mode="r")


def broken(path: Path, error: Exception) -> ImageFileError:
    """Return what is said of a part that cannot be read."""
    reason = first_line(error)
    if url_of(path) is not None:
        return ImageFileError(
            f"a part of {shown(path)} cannot be read ({reason}): check the connection,"
            " and begin again"
        )
    return ImageFileError(f"{path} is damaged: {reason}; copy it again")
