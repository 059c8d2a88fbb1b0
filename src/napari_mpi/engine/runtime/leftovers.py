"""What a program that was killed has left behind: known by its name and its lock.

Whatever is being written has a temporary name, and a lock of the operating system as
long as it is written to, which ends with the process, however that ends. What has such
a name and no lock is dead.
"""

import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where nothing is swept
    fcntl = None  # type: ignore[assignment]

_PART = re.compile(r"\.[0-9a-f]{8}\.part(\.[^/]*)?")
_OLD = re.compile(r"\.[0-9a-f]{8}\.old\.(?P<name>[^/]+)")
_AGE = 60.0  # seconds before which a file may still be without its lock


def part_name(path: Path) -> Path:
    """Return a name beside ``path`` for what is being written, with its suffix."""
    return path.with_name(f".{uuid.uuid4().hex[:8]}.part{path.suffix}")


def old_name(path: Path, folder: Path) -> Path:
    """Return a name in ``folder`` for what ``path`` was, until that is replaced."""
    return folder / f".{uuid.uuid4().hex[:8]}.old.{path.name}"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file or folder that is being written."""
    if fcntl is None:
        yield
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # not every network's disk has locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


@contextmanager
def locked_new(path: Path) -> Iterator[None]:
    """Make an empty file, and hold its lock."""
    path.touch(exist_ok=False)
    with locked(path):
        yield


def sweep(folder: Path) -> None:
    """Remove what programs that are dead have left in a folder.

    What was moved aside, and has not been replaced, gets its name again. What is not
    certain stays: what is younger than a minute, a link, or of a disk without locks.

    Parameters
    ----------
    folder : Path
        Where results are written; nothing happens if it is not there.
    """
    if fcntl is None:
        return
    with suppress(OSError):
        for entry in os.scandir(folder):
            old = _OLD.fullmatch(entry.name)
            if old or _PART.fullmatch(entry.name):
                with suppress(OSError):
                    if _is_dead(Path(entry.path)):
                        _put_back_or_remove(Path(entry.path), old and old["name"])


def _is_dead(path: Path) -> bool:
    status = path.lstat()
    if path.is_symlink() or time.time() - status.st_ctime < _AGE:
        return False
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(handle)
    return True


def _put_back_or_remove(path: Path, name: str | None) -> None:
    if name is not None and not (path.parent / name).exists():
        path.rename(path.parent / name)
    elif path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
