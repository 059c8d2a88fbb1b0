"""What an output folder knows of its files: from what each was made, or why not."""

import dataclasses
import enum
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import Timeout

from napari_mpi.batch.contents import Beats, content_sha256
from napari_mpi.batch.outcomes import Outcome, Status, is_outcome
from napari_mpi.batch.request import Item
from napari_mpi.batch.store import Damaged, Store
from napari_mpi.engine.runtime.errors import EngineError, ImageFileError
from napari_mpi.engine.runtime.whole_files import keep_mode, put_folder, sync


class ClaimedElsewhere(EngineError):
    """Another run is at work on the same output."""


class OutputState(enum.Enum):
    """How an output stands to what is to be written there."""

    ABSENT = "absent"
    CURRENT = "made from the same input, settings and weights"
    STALE = "ours, but made from something else"
    FOREIGN = "not ours, or changed since"
    UNKNOWN = "ours, but its record is damaged"


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
    is_damaged : bool
        Whether there was one that cannot be read, so that the others are empty.
    """

    made_from: dict[str, Any] | None = None
    input_sha256: str = ""
    output_sha256: str = ""
    former_sha256: str = ""
    source: str = ""
    outcome: dict[str, Any] = field(default_factory=dict, repr=False)
    is_damaged: bool = False

    def owns(self, sha256: str) -> bool:
        """Return whether a content is of ours, the newest or the one before."""
        return bool(sha256) and sha256 in (self.output_sha256, self.former_sha256)

    @classmethod
    def of(cls, kept: dict[str, Any]) -> "Record":
        """Return the record that was kept as JSON values.

        Raises
        ------
        Damaged
            If values lack, or are not such as a record has.
        """
        try:
            record = cls(**kept)
        except TypeError as error:
            raise Damaged from error
        texts = (
            record.input_sha256, record.output_sha256, record.former_sha256,
            record.source,
        )  # fmt: skip
        if not (
            all(isinstance(text, str) and "\0" not in text for text in texts)
            and isinstance(record.made_from, dict | None)
            and is_outcome(record.outcome)
        ):
            raise Damaged
        return record


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
    def store(self) -> Store:
        """Where they lie."""
        return Store(self.output)

    @property
    def folder(self) -> Path:
        """The hidden folder, which may not be there yet."""
        return self.store.folder

    def make(self) -> None:
        """Make the folders, and remove what runs that were killed have left.

        Raises
        ------
        DiskError
            If they cannot be made or not be written to, or lead elsewhere.
        """
        self.store.make()

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
        with ExitStack() as stack:
            try:
                work = stack.enter_context(self.store.claimed(item))
            except Timeout as error:
                told = f"another run is at work on {item.name}"
                raise ClaimedElsewhere(told) from error
            yield work

    def work_folder(self, item: Item) -> Path:
        """Return the folder that `claimed` gives."""
        return self.store.path(item, ".work")

    def read(self, item: Item) -> Record:
        """Return what is known of an item; an empty record if nothing is."""
        try:
            return Record.of(self.store.read(item, ".json"))
        except Damaged:
            return Record(is_damaged=True)

    def written_at(self, item: Item) -> float:
        """Return when the record of an item was written; 0 if there is none."""
        try:
            return self.store.path(item, ".json").stat().st_mtime
        except OSError:
            return 0.0

    def has_failed(self, item: Item) -> bool:
        """Return whether an item failed when it was last tried."""
        try:
            return bool(self.store.read(item, ".failed"))
        except Damaged:
            return True

    def was_killed(self, item: Item) -> bool:
        """Return whether a run was killed from outside while it was at work on it."""
        return self.store.path(item, ".killed").exists()

    def publish(
        self,
        item: Item,
        staged: Path,
        record: Record,
        *,
        overwrite: bool,
        mends: bool = False,
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
        mends : bool
            Whether it may replace what has a record that is damaged.

        Raises
        ------
        ImageFileError
            If something has come in its way.
        """
        known, former = self.read(item), ""
        if item.output.exists():
            found = yield from content_sha256(item.output)
            former = found if known.owns(found) else ""
            may = overwrite or (mends and known.is_damaged)
            if not former and not may:
                raise ImageFileError(in_the_way(item))
        ready = yield from content_sha256(staged)
        sync(staged)
        record = dataclasses.replace(record, output_sha256=ready, former_sha256=former)
        kept = dataclasses.asdict(record)
        kept.pop("is_damaged")
        self.store.write(item, ".json", kept)
        if staged.is_dir():
            put_folder(staged, item.output, aside=staged.parent)
        else:
            keep_mode(item.output, staged)
            os.replace(staged, item.output)
        self.store.forget(item, ".failed", ".killed")

    def note_failure(self, item: Item, message: str) -> None:
        """Note why an item has failed; what is known of an earlier result stays."""
        self.store.write(item, ".failed", {"message": message})
        self.store.forget(item, ".killed")

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
        if record.is_damaged:
            return OutputState.UNKNOWN
        if not record.owns(found):
            return OutputState.FOREIGN
        is_ours = found == record.output_sha256 and made_from is not None
        if not is_ours or record.made_from != made_from:
            return OutputState.STALE
        same = (yield from content_sha256(item.source)) == record.input_sha256
        return OutputState.CURRENT if same else OutputState.STALE


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
