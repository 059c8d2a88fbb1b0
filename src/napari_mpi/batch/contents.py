"""Contents of files and folders: what tells two of them apart."""

import hashlib
from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

from napari_mpi.engine.files.sources import files_of

T = TypeVar("T")
Beats = Generator[None, None, T]
"""Work that takes a while: yields now and then, returns a ``T``."""

_BLOCK = 2**25  # bytes that are read at once: some hundredths of a second


def content_sha256(path: Path) -> Beats[str]:
    """Return the sha256 of a file, or of the names and contents of several.

    Those are the files of a folder's images, of a folder that is no OME-Zarr only of
    DICOM, or of a set of OME-TIFF files. Yields every few dozen megabytes, so that
    whoever waits can cancel.
    """
    parts, folder = files_of(path), path if path.is_dir() else path.parent
    if parts == [path]:
        return (yield from _file_sha256(path))
    digest = hashlib.sha256()
    for part in parts:
        name = part.relative_to(folder).as_posix()
        line = f"{name}\0{(yield from _file_sha256(part))}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _file_sha256(path: Path) -> Beats[str]:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            yield
    return digest.hexdigest()
