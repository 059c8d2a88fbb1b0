"""Where an output folder keeps what it knows: small files in a hidden folder.

Nothing is followed or removed there but what has the name of something of ours.
"""

import dataclasses
import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from napari_mpi.batch.request import HIDDEN, Item, said
from napari_mpi.engine.files.ngff.unfinished import SUFFIX as UNFINISHED
from napari_mpi.engine.runtime.errors import DiskError
from napari_mpi.engine.runtime.leftovers import sweep
from napari_mpi.engine.runtime.whole_files import ensure_writable, whole_file

_FORMAT = "napari-mpi record 1"
_OURS = re.compile(r"[0-9a-f]{24}\.work")  # folders of what is being written


class Damaged(Exception):
    """What was kept is there, and cannot be what was written."""


@dataclasses.dataclass(frozen=True, slots=True)
class Store:
    """The hidden folder of an output folder.

    By item it has a record, a note of a failure, a lock that keeps two runs apart, a
    folder for what is being written, and the mark of a run that was killed meanwhile.
    A lock is the operating system's, so that it ends with the process that holds it.

    Parameters
    ----------
    output : Path
        The output folder.
    """

    output: Path

    @property
    def folder(self) -> Path:
        """The hidden folder, which may not be there yet."""
        return self.output / HIDDEN

    def make(self) -> None:
        """Make the folders, and remove what runs that were killed have left.

        Raises
        ------
        DiskError
            If they cannot be made or not be written to, or lead elsewhere.
        """
        items = self.folder / "items"
        for folder in (self.folder, items):
            if folder.is_symlink():
                raise DiskError(
                    f"{folder} is a link, which nothing of ours is: remove it"
                )
        try:
            items.mkdir(parents=True, exist_ok=True)
            ensure_writable(items / "any")
        except OSError as error:
            raise DiskError(
                f"the output folder {self.output} cannot be written ({said(error)}):"
                " choose another"
            ) from error
        for folder in (items, self.output):
            sweep(folder)
        for work in items.glob("*.work"):
            if _OURS.fullmatch(work.name) and not work.is_symlink():
                with suppress(OSError, Timeout), _lock(work.with_suffix(".lock")):
                    work.with_suffix(".killed").touch()
                    _keep_unfinished(work)
                    shutil.rmtree(work, ignore_errors=True)

    @contextmanager
    def claimed(self, item: Item) -> Iterator[Path]:
        """Lock an item, and give a folder that is gone in the end.

        It is empty, but for an unfinished OME-Zarr, from which the work can go on.

        Raises
        ------
        Timeout
            If another process has the lock.
        """
        work = self.path(item, ".work")
        with _lock(self.path(item, ".lock")).acquire():
            _remove(work)
            work.mkdir()
            _give_back(work)
            try:
                yield work
            finally:
                _keep_unfinished(work)
                _remove(work)

    def read(self, item: Item, ending: str) -> dict[str, Any]:
        """Return what is kept of an item; nothing if nothing is, or of another.

        Raises
        ------
        Damaged
            If it is there, and not as it was written.
        """
        try:
            text = self.path(item, ending).read_text("utf-8")
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise Damaged from error
        try:
            kept = json.loads(text)
            told = kept.pop("format"), kept.pop("file")
            if all(isinstance(word, str) for word in told):
                # Of another file, or of another version of ours: whole, and not this.
                return dict(kept) if told == (_FORMAT, item.name) else {}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            pass  # it was cut, say, or written over
        raise Damaged

    def write(self, item: Item, ending: str, values: dict[str, Any]) -> None:
        """Keep JSON values of an item, and see that they are on the disk."""
        kept = {"format": _FORMAT, "file": item.name, **values}
        with whole_file(self.path(item, ending)) as path:
            path.write_text(json.dumps(kept, indent=1), "utf-8")

    def forget(self, item: Item, *endings: str) -> None:
        """Remove what is kept of an item."""
        for ending in endings:
            self.path(item, ending).unlink(missing_ok=True)

    def path(self, item: Item, ending: str) -> Path:
        """Return where something of an item is kept."""
        name = item.output.relative_to(self.output).as_posix()
        if ending == ".failed":  # of several that clash, each has its own
            name = item.name
        key = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:24]
        return self.folder / "items" / f"{key}{ending}"


def _remove(work: Path) -> None:
    """Remove a folder of ours; of a link that stands in its place, the link."""
    if work.is_symlink():
        work.unlink()
    shutil.rmtree(work, ignore_errors=True)


def _keep_unfinished(work: Path) -> None:
    """Put by what is unfinished, and can be gone on with."""
    kept = work.with_suffix(".kept")
    for folder in work.glob(f"*{UNFINISHED}"):
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir()
        folder.rename(kept / folder.name)


def _give_back(work: Path) -> None:
    """Undo `_keep_unfinished`."""
    kept = work.with_suffix(".kept")
    for folder in kept.glob(f"*{UNFINISHED}"):
        folder.rename(work / folder.name)
    _remove(kept)


def _lock(path: Path) -> FileLock:
    return FileLock(path, timeout=0, thread_local=False)
