"""Files and folders that appear whole or not at all, and what tells them apart."""

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_mpi.engine.runtime.leftovers import locked, old_name, part_name

_SYNCING = 8  # files at once


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path`` that is renamed to it at the end.

    Parameters
    ----------
    path : Path
        The final name. A file that has it already is replaced in one step.

    Yields
    ------
    Path
        Where to write. Whatever goes wrong inside the block, a full disk or Ctrl-C
        included, it is removed, and ``path`` is as it was before.

    Raises
    ------
    OSError
        If the folder is missing or cannot be written.
    """
    temporary = part_name(path)
    try:
        temporary.touch(exist_ok=False)
        with locked(temporary):
            yield temporary
            keep_mode(path, temporary)
            sync(temporary)
            os.replace(temporary, path)
        _sync_names(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def keep_mode(path: Path, new: Path) -> None:
    """Let a new file be read by those who may read the one that it will replace."""
    with suppress(OSError):
        new.chmod(stat.S_IMODE(path.stat().st_mode))


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``path`` that is renamed to it at the end.

    Parameters
    ----------
    path : Path
        The final name. A folder that has it already is moved aside, and removed once
        the new one has its name.

    Yields
    ------
    Path
        Where to write. Whatever goes wrong inside the block, it is removed, and
        ``path`` is as it was before.

    Raises
    ------
    OSError
        If the folder above is missing or cannot be written.
    """
    temporary = part_name(path)
    temporary.mkdir()
    try:
        with locked(temporary):
            yield temporary
            sync(temporary)
            put_folder(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def put_folder(new: Path, path: Path, *, aside: Path | None = None) -> None:
    """Rename a folder; none can take the place of a full one in a single step.

    Parameters
    ----------
    new : Path
        The folder, on the same disk.
    path : Path
        The final name. A folder that has it already is moved aside, and removed once
        the new one has its name.
    aside : Path, optional
        Folder to move it to, on the same disk; the one that it is in if None.

    Raises
    ------
    OSError
        If it cannot be renamed; ``path`` is then as it was before.
    """
    if not path.exists():
        os.replace(new, path)
        _sync_names(path.parent)
        return
    former = old_name(path, aside or path.parent)
    try:
        os.replace(path, former)
        os.replace(new, path)
        _sync_names(path.parent)
    except BaseException:
        if not path.exists():
            os.replace(former, path)
        raise
    shutil.rmtree(former, ignore_errors=True)


def sync(path: Path) -> None:
    """See that a file or folder is on the disk, should the power fail.

    Parameters
    ----------
    path : Path
        Of a folder, all that is in it.
    """
    if not path.is_dir():
        _sync(path)
        return
    files: list[Path] = []
    folders: list[Path] = [path]
    for folder in folders:
        for entry in os.scandir(folder):
            (folders if entry.is_dir(follow_symlinks=False) else files).append(
                Path(entry.path)
            )
    with ThreadPoolExecutor(_SYNCING) as pool:  # a disk takes several in one go
        list(pool.map(_sync, files))
    for folder in reversed(folders):
        _sync_names(folder)


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _sync_names(folder: Path) -> None:
    """See that the names in a folder are on the disk, where the system can do that."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def ensure_writable(path: Path) -> None:
    """Raise OSError if a file could not be put at ``path``; leaves nothing behind."""
    if path.is_dir():
        raise IsADirectoryError(21, "it is a folder", str(path))
    _ensure_room_for_names(path)


def ensure_folder_writable(path: Path) -> None:
    """Raise OSError if a folder could not be put at ``path``; leaves nothing behind."""
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(20, "it is a file", str(path))
    _ensure_room_for_names(path)


def _ensure_room_for_names(path: Path) -> None:
    probe = part_name(path)
    probe.touch(exist_ok=False)
    probe.unlink()


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
