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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from napari_mpi.batch.contents import Beats, content_sha256, sync
from napari_mpi.batch.outcomes import Outcome, Status
from napari_mpi.batch.request import HIDDEN, Item, said
from napari_mpi.engine.runtime.errors import DiskError, EngineError, ImageFileError
from napari_mpi.engine.runtime.whole_files import (
    ensure_writable,
    put_folder,
    whole_file,
)

_FORMAT = "napari-mpi record 1"


class ClaimedElsewhere(EngineError):
    """Another run is at work on the same output."""


class OutputState(enum.Enum):
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
    source : str
        Where its source was.
    outcome : dict
        The fields of its `Outcome`, as JSON values.
    """

    made_from: dict[str, Any] | None = None
    input_sha256: str = ""
    output_sha256: str = ""
    former_sha256: str = ""
    source: str = ""
    outcome: dict[str, Any] = field(default_factory=dict, repr=False)

    def owns(self, sha256: str) -> bool:
        """Return whether a content is of ours, the newest or the one before."""
        return bool(sha256) and sha256 in (self.output_sha256, self.former_sha256)


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
        """Make the folders, and remove what runs that were killed have left.

        Raises
        ------
        DiskError
            If they cannot be made, or not be written to.
        """
        items = self.folder / "items"
        try:
            items.mkdir(parents=True, exist_ok=True)
            ensure_writable(items / "any")
        except OSError as error:
            raise DiskError(
                f"the output folder {self.output} cannot be written ({said(error)}):"
                " choose another"
            ) from error
        for work in items.glob("*.work"):
            with suppress(OSError, Timeout), _lock(work.with_suffix(".lock")):
                shutil.rmtree(work, ignore_errors=True)

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
        try:
            lock = _lock(self._path(item, ".lock")).acquire()
        except Timeout as error:
            raise ClaimedElsewhere(f"another run is at work on {item.name}") from error
        work = self.work_folder(item)
        with lock:
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            try:
                yield work
            finally:
                shutil.rmtree(work, ignore_errors=True)

    def work_folder(self, item: Item) -> Path:
        """Return the folder that `claimed` gives."""
        return self._path(item, ".work")

    def read(self, item: Item) -> Record:
        """Return what is known of an item; an empty record if nothing is."""
        kept = _kept(self._path(item, ".json"))
        try:
            if kept.pop("format") == _FORMAT and kept.pop("file") == item.name:
                record = Record(**kept)
                return record if isinstance(record.outcome, dict) else Record()
        except (KeyError, TypeError):
            pass  # none, or one that was damaged: as if there were none
        return Record()

    def written_at(self, item: Item) -> float:
        """Return when the record of an item was written; 0 if there is none."""
        try:
            return self._path(item, ".json").stat().st_mtime
        except OSError:
            return 0.0

    def has_failed(self, item: Item) -> bool:
        """Return whether an item failed when it was last tried."""
        return _kept(self._path(item, ".failed")).get("file") == item.name

    def publish(
        self, item: Item, staged: Path, record: Record, *, overwrite: bool
    ) -> Beats[None]:
        """Put a result where it belongs, and note what it was made from.

        The note comes first and names both contents, so that wherever a run is killed
        the next one knows what it finds.

        Parameters
        ----------
        item : Item
            Whose result it is.
        staged : Path
            The result, a file or a folder, in the folder that `claimed` gave.
        record : Record
            Without ``output_sha256`` and ``former_sha256``, which are filled in.
        overwrite : bool
            Whether it may replace what is not ours.

        Raises
        ------
        ImageFileError
            If something has come in its way.
        """
        known, former = self.read(item), ""
        if item.output.exists():
            found = yield from content_sha256(item.output)
            former = found if known.owns(found) else ""
            if not former and not overwrite:
                raise ImageFileError(in_the_way(item))
        ready = yield from content_sha256(staged)
        sync(staged)
        record = dataclasses.replace(record, output_sha256=ready, former_sha256=former)
        self._write(item, ".json", dataclasses.asdict(record))
        if staged.is_dir():
            put_folder(staged, item.output, aside=staged.parent)
        else:
            os.replace(staged, item.output)
        self._path(item, ".failed").unlink(missing_ok=True)

    def note_failure(self, item: Item, message: str) -> None:
        """Note why an item has failed; what is known of an earlier result stays."""
        self._write(item, ".failed", {"message": message})

    def standing(
        self, item: Item, record: Record, made_from: dict[str, Any] | None
    ) -> Beats[OutputState]:
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
            return OutputState.ABSENT
        found = yield from content_sha256(item.output)
        if not record.owns(found):
            # Another run may have put it there since the record was read.
            record = self.read(item)
        if not record.owns(found):
            return OutputState.FOREIGN
        is_ours = found == record.output_sha256 and made_from is not None
        if not is_ours or record.made_from != made_from:
            return OutputState.STALE
        same = (yield from content_sha256(item.source)) == record.input_sha256
        return OutputState.CURRENT if same else OutputState.STALE

    def _write(self, item: Item, ending: str, values: dict[str, Any]) -> None:
        kept = {"format": _FORMAT, "file": item.name, **values}
        with whole_file(self._path(item, ending)) as path:
            path.write_text(json.dumps(kept, indent=1), "utf-8")
            sync(path)

    def _path(self, item: Item, ending: str) -> Path:
        name = item.output.relative_to(self.output).as_posix()
        if ending == ".failed":  # of several that clash, each has its own
            name = item.name
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


def in_the_way(item: Item) -> str:
    """Say that there is something where a result is to be."""
    return (
        f"the output {item.output.name!r} is there already and not ours, or changed"
        " since it was made: move it, or let it be overwritten"
    )


def _lock(path: Path) -> FileLock:
    return FileLock(path, timeout=0, thread_local=False)


def _kept(path: Path) -> dict[str, Any]:
    """Return what a file keeps; nothing if it is not there, or damaged."""
    try:
        kept = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}
