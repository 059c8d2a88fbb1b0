"""What an output folder knows of its files: from what each was made, or why not.

Everything lies in a hidden folder of the output folder, by item: a record, a lock that
keeps two runs apart, and a folder for what is being written. A lock is the operating
system's, so that it ends with the process that holds it.
"""

import dataclasses
import enum
import hashlib
import json
import os
import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from napari_mpi.engine.batch.items import Item
from napari_mpi.engine.batch.outcomes import Outcome, Status
from napari_mpi.engine.errors import DiskError, EngineError
from napari_mpi.engine.whole_files import put_folder, whole_file

T = TypeVar("T")

HIDDEN = ".napari-mpi"
"""Name of the folder that records are kept in."""

Beats = Generator[None, None, T]
"""Work that takes a while: yields now and then, returns a ``T``."""

_BLOCK = 2**25  # bytes that are read at once: some hundredths of a second
_FORMAT = "napari-mpi record 1"


class ClaimedElsewhere(EngineError):
    """Another run is at work on the same output."""


class Standing(enum.Enum):
    """How an output stands to what is to be written there."""

    ABSENT = "absent"
    CURRENT = "made from the same input, settings and weights"
    STALE = "ours, but made from something else"
    FOREIGN = "not ours, or changed since"


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of one output.

    Parameters
    ----------
    made_from : dict, optional
        What the output was made from, as JSON values; None if it never was.
    input_sha256, output_sha256 : str
        Of the files' contents when it was made.
    former_sha256 : str
        Of the output that it replaced, should it not have come to that.
    outcome : dict
        The fields of its `Outcome`, as JSON values.
    failure : str
        Why the newest try has failed; empty if it has not.
    """

    made_from: dict[str, Any] | None = None
    input_sha256: str = ""
    output_sha256: str = ""
    former_sha256: str = ""
    outcome: dict[str, Any] = field(default_factory=dict, repr=False)
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Records:
    """The records of an output folder.

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
        """Make the folders.

        Raises
        ------
        DiskError
            If they cannot be made, or not be written to.
        """
        try:
            (self.folder / "items").mkdir(parents=True, exist_ok=True)
            with whole_file(self.folder / "items" / ".probe") as probe:
                probe.touch()
            (self.folder / "items" / ".probe").unlink(missing_ok=True)
        except OSError as error:
            raise DiskError(
                f"the output folder {self.output} cannot be written"
                f" ({error.strerror or error}): choose another"
            ) from error

    @contextmanager
    def claimed(self, item: Item) -> Iterator[Path]:
        """Keep other runs from an item; give a folder to write its result to.

        What a run that was killed has left there is removed, and the folder itself in
        the end.

        Raises
        ------
        ClaimedElsewhere
            If another run has it.
        """
        lock = FileLock(self._path(item, ".lock"), timeout=0, thread_local=False)
        try:
            lock.acquire()
        except Timeout as error:
            raise ClaimedElsewhere(f"another run is at work on {item.name}") from error
        work = self._path(item, ".work")
        try:
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)
            lock.release()

    def read(self, item: Item) -> Record:
        """Return what is known of an item; an empty record if nothing is."""
        try:
            kept = json.loads(self._path(item, ".json").read_text("utf-8"))
            if kept.pop("format") == _FORMAT and kept.pop("file") == item.name:
                return Record(**kept)
        except (OSError, ValueError, KeyError, TypeError):
            pass  # none, or one that was damaged: as if there were none
        return Record()

    def publish(self, item: Item, staged: Path, record: Record) -> Beats[None]:
        """Put a result where it belongs, and note what it was made from.

        The note comes first and names both contents, so that wherever a run is killed
        the next one knows what it finds.

        Parameters
        ----------
        item : Item
            Whose result it is.
        staged : Path
            The result, a file or a folder.
        record : Record
            Without ``output_sha256`` and ``former_sha256``, which are filled in.
        """
        known = self.read(item)
        former = ""
        if item.output.exists():
            former = _first_of(known, (yield from content_sha256(item.output)))
        ready = yield from content_sha256(staged)
        record = dataclasses.replace(record, output_sha256=ready, former_sha256=former)
        self._write(item, record)
        if staged.is_dir():
            put_folder(staged, item.output)
        else:
            os.replace(staged, item.output)

    def note_failure(self, item: Item, message: str) -> None:
        """Note why an item has failed; what is known of an earlier result stays."""
        self._write(item, dataclasses.replace(self.read(item), failure=message))

    def standing(
        self, item: Item, record: Record, made_from: dict[str, Any] | None
    ) -> Beats[Standing]:
        """Compare an output with what is to be written there.

        Parameters
        ----------
        item : Item
            Whose output.
        record : Record
            What is known of it.
        made_from : dict, optional
            What a new result would be made from, see `Record`; None if that cannot
            equal what is there.
        """
        if not item.output.exists():
            return Standing.ABSENT
        found = yield from content_sha256(item.output)
        if found not in (record.output_sha256, record.former_sha256):
            return Standing.FOREIGN
        is_ours = found == record.output_sha256 and made_from is not None
        if not is_ours or record.made_from != made_from:
            return Standing.STALE
        same = (yield from content_sha256(item.source)) == record.input_sha256
        return Standing.CURRENT if same else Standing.STALE

    def _write(self, item: Item, record: Record) -> None:
        kept = {"format": _FORMAT, "file": item.name, **dataclasses.asdict(record)}
        with whole_file(self._path(item, ".json")) as path:
            path.write_text(json.dumps(kept, indent=1), "utf-8")

    def _path(self, item: Item, ending: str) -> Path:
        name = item.output.relative_to(self.output).as_posix()
        key = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:24]
        return self.folder / "items" / f"{key}{ending}"


def remembered(outcome: Outcome, record: Record, message: str) -> Outcome:
    """Return the outcome of a file that is skipped, with what is known of its result.

    Parameters
    ----------
    outcome : Outcome
        As planned.
    record : Record
        What is known.
    message : str
        Why it is skipped.
    """
    known: dict[str, Any] = {
        name: record.outcome.get(name)
        for name in ("axes", "dtype", "seconds", "noise_before", "noise_after")
    }
    return dataclasses.replace(
        outcome,
        status=Status.SKIPPED,
        message=message,
        shape=tuple(record.outcome.get("shape") or ()) or None,
        settings=record.outcome.get("settings") or {},
        **known,
    )


def content_sha256(path: Path) -> Beats[str]:
    """Return the sha256 of a file, or of the names and contents in a folder.

    Yields every few dozen megabytes, so that whoever waits can cancel.
    """
    if not path.is_dir():
        return (yield from _file_sha256(path))
    digest = hashlib.sha256()
    for part in sorted(path.rglob("*")):
        if part.is_file():
            name = part.relative_to(path).as_posix()
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


def _first_of(known: Record, found: str) -> str:
    """Return the content that is there if it is ours, else nothing."""
    return found if found in (known.output_sha256, known.former_sha256) else ""
