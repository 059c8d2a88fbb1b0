"""Files and folders that appear whole or not at all, and what tells them apart."""

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


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
    temporary = path.with_name(f".{uuid.uuid4().hex[:8]}.part{path.suffix}")
    try:
        temporary.touch(exist_ok=False)
        yield temporary
        os.replace(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


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
    mark = uuid.uuid4().hex[:8]
    temporary = path.with_name(f".{mark}.part{path.suffix}")
    temporary.mkdir()
    try:
        yield temporary
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
        return
    former = (aside or path.parent) / f".{uuid.uuid4().hex[:8]}.old{path.suffix}"
    try:
        os.replace(path, former)
        os.replace(new, path)
    except BaseException:
        if not path.exists():
            os.replace(former, path)
        raise
    shutil.rmtree(former, ignore_errors=True)


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
    probe = path.with_name(f".{uuid.uuid4().hex[:8]}.part")
    probe.touch(exist_ok=False)
    probe.unlink()


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
