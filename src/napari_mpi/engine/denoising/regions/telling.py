"""What work on a volume tells: how far it is, and what became of it."""

import dataclasses
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from napari_mpi.engine.denoising.snapshot import DenoisingSnapshot
from napari_mpi.engine.denoising.state import DenoisingState

Told = Generator[DenoisingSnapshot, None, None]
"""A job that tells how far it is, and returns nothing."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a volume has become.

    Parameters
    ----------
    made : dict
        What is needed to make it again, as JSON values.
    state : DenoisingState
        What was found in it, and done.
    """

    made: dict[str, Any]
    state: DenoisingState = field(repr=False)


@dataclass(frozen=True, slots=True)
class Part:
    """What there is of a volume, once one of its parts is done.

    Parameters
    ----------
    slabs, done, total : int
        Slabs of this part, those that are done, and how many there are.
    written : Written, optional
        What the volume has become; None while slabs are missing.
    """

    slabs: int
    done: int
    total: int
    written: Written | None = None


def within(job: Told, first: float, last: float) -> Told:
    """Do a part of the work, whose shares lie between two of the whole.

    Parameters
    ----------
    job : generator
        The part.
    first, last : float
        Shares of the whole that are done before and after it.
    """
    for snapshot in job:
        share = first + snapshot.fraction * (last - first)
        yield dataclasses.replace(snapshot, fraction=share)


def at(fraction: float, stage: str) -> DenoisingSnapshot:
    """Tell how far it is; planes are not counted one by one.

    Parameters
    ----------
    fraction : float
        Share of the work that is done, 0..1.
    stage : str
        Where it is, in words.
    """
    return DenoisingSnapshot(
        plane=0,
        planes=1,
        done=0,
        index=(),
        iteration=0,
        iterations=0,
        stage=stage,
        adapts=False,
        fraction=min(1.0, fraction),
    )
