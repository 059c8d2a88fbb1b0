"""What became of each file of a batch, and of the batch as a whole."""

import dataclasses
import enum
from dataclasses import dataclass, field
from typing import Any


class Status(enum.Enum):
    """What became of a file."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    NOT_REACHED = "not reached"

    @property
    def is_settled(self) -> bool:
        """Whether nothing more will be tried in this run."""
        return self not in (Status.WAITING, Status.RUNNING)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file: a row of the report.

    Parameters
    ----------
    file : str
        Its path below the source folder, with slashes.
    output : str
        Path of its result below the output folder, with slashes.
    status : Status
        What became of it.
    message : str
        Why it was skipped or has failed, or what to know about the result.
    shape, axes, dtype : optional
        Of the image; None where it could not be read.
    seconds : float, optional
        What denoising it took, reading and writing included.
    noise_before, noise_after : float, optional
        White noise of source and result, see `white_noise_level`.
    settings : dict
        How it was made, as the result itself says; empty if it was not.
    traceback : str
        Of an error that was not foreseen; for those who mend it.
    """

    file: str
    output: str
    status: Status = Status.WAITING
    message: str = ""
    shape: tuple[int, ...] | None = None
    axes: str | None = None
    dtype: str | None = None
    seconds: float | None = None
    noise_before: float | None = None
    noise_after: float | None = None
    settings: dict[str, Any] = field(default_factory=dict, repr=False)
    traceback: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Totals:
    """How a batch stands.

    Parameters
    ----------
    files : int
        How many there are.
    done, skipped, failed : int
        How many of them have ended so.
    fraction : float
        Share of the work that is done, 0..1, by the files' sizes.
    seconds_left : float, optional
        At the pace so far; None before there is one.
    """

    files: int = 0
    done: int = 0
    skipped: int = 0
    failed: int = 0
    fraction: float = 0.0
    seconds_left: float | None = None

    def __str__(self) -> str:
        """Return the counts in words."""
        return (
            f"{self.done} done, {self.skipped} skipped, {self.failed} failed of"
            f" {self.files} files"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSnapshot:
    """How far a batch has come.

    Parameters
    ----------
    changed : tuple of (int, Outcome)
        Files that have another status than before, with their number; all of them once
        they are known.
    number : int, optional
        Number of the file at work, if there is one.
    stage : str
        What is being done.
    fraction : float
        How far the file at work is, 0..1.
    totals : Totals
        How the batch stands.
    """

    changed: tuple[tuple[int, Outcome], ...] = ()
    number: int | None = None
    stage: str = ""
    fraction: float = 0.0
    totals: Totals = field(default_factory=Totals)


@dataclass(slots=True)
class BatchState:
    """What a batch has reached, for whoever may end it before it is complete.

    Parameters
    ----------
    outcomes : list of Outcome
        One per file, in order; filled as the work goes on.
    stop_after_file : bool
        Set it, from any thread, to end once the file at work is done.
    """

    outcomes: list[Outcome] = field(default_factory=list, repr=False)
    stop_after_file: bool = False

    def close(self) -> None:
        """Say of all files that were not done that they were not."""
        for number, outcome in enumerate(self.outcomes):
            if not outcome.status.is_settled:
                cut = outcome.status is Status.RUNNING
                self.outcomes[number] = dataclasses.replace(
                    outcome,
                    status=Status.NOT_REACHED,
                    message="it was at work when the batch was ended" if cut else "",
                )

    def count(self, status: Status) -> int:
        """Return how many files have a status."""
        return sum(outcome.status is status for outcome in self.outcomes)


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as JSON values."""
    return {**dataclasses.asdict(outcome), "status": outcome.status.value}


def is_outcome(values: Any) -> bool:
    """Return whether JSON values are what `as_json` makes of an outcome, or nothing."""
    if not isinstance(values, dict):
        return False
    known = {field.name for field in dataclasses.fields(Outcome)}
    numbers = (values.get(name) for name in ("seconds", "noise_before", "noise_after"))
    words = (values.get(name) for name in ("file", "output", "axes", "dtype"))
    shape, settings = values.get("shape") or (), values.get("settings") or {}
    return (
        values.keys() <= known
        and all(isinstance(number, int | float | None) for number in numbers)
        and all(isinstance(word, str | None) for word in words)
        and isinstance(shape, list | tuple)
        and all(isinstance(length, int) for length in shape)
        and _are_settings(settings)
    )


def _are_settings(made: Any) -> bool:
    """Whether JSON values say of a result how it was made, or nothing."""
    if not isinstance(made, dict) or not made:
        return made == {}
    weights = made.get("weights")
    is_whole = isinstance(made.get("settings"), dict) and "device" in made
    return is_whole and isinstance(weights, dict) and {"name", "sha256"} <= set(weights)


def failed(outcome: Outcome, message: str) -> Outcome:
    """Return the row of a file that has failed."""
    return dataclasses.replace(outcome, status=Status.FAILED, message=message)
