"""A volume whose adaptation and regions are fixed: slab by slab, and finished."""

import dataclasses
import hashlib
import json
from collections.abc import Generator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.denoising.adapted.kept import Adapted
from napari_mpi.engine.denoising.regions.filling import RegionFilling
from napari_mpi.engine.denoising.regions.grid import Grid, Region
from napari_mpi.engine.denoising.regions.growing import GrowingVolume
from napari_mpi.engine.denoising.regions.layout import cached, in_store
from napari_mpi.engine.denoising.regions.telling import Told, Written, at
from napari_mpi.engine.denoising.snapshot import DenoisingSnapshot
from napari_mpi.engine.denoising.state import ChannelState, DenoisingState
from napari_mpi.engine.denoising.task import Task
from napari_mpi.engine.files.metadata import ImageFile
from napari_mpi.engine.files.ngff.facts import Facts, facts_of
from napari_mpi.engine.files.ngff.unfinished import Slab, Unfinished
from napari_mpi.engine.runtime.devices import memory_told
from napari_mpi.engine.runtime.errors import ImageFileError
from napari_mpi.engine.runtime.jobs import Every, Job, beating

ADVICE = "for this volume: close other programs, or use a larger machine"
"""What to do where the memory is full."""

Work = Sequence[tuple[Region, range]]
"""Regions, and the numbers of their slabs."""


class Begun:
    """A volume that was begun: by this program, or by another.

    Parameters
    ----------
    image : ImageFile
        What the file says.
    task : Task
        What to do with its pixels.
    unfinished : Unfinished
        Where its result is.
    grid : Grid
        Its regions.
    adapted : Adapted
        What its slabs are filled by.
    """

    def __init__(
        self,
        image: ImageFile,
        task: Task,
        unfinished: Unfinished,
        grid: Grid,
        adapted: Adapted,
    ) -> None:
        self.grid, self.adapted = grid, adapted
        self._image, self._task, self._unfinished = image, task, unfinished
        self._filling = RegionFilling(task, adapted, cached(image, task, grid))

    @property
    def all_of_it(self) -> Work:
        """Every slab of every region."""
        return [(region, range(region.slab_count)) for region in self.grid]

    def left(self) -> list[Slab]:
        """Return the slabs that are not done, region by region."""
        done = self._unfinished.done().keys()
        every = [(r.number, n) for r, slabs in self.all_of_it for n in slabs]
        return [slab for slab in every if slab not in done]

    def fill(self, work: Work, growing: GrowingVolume) -> Told:
        """Fill slabs that are not done.

        Parameters
        ----------
        work : sequence of (Region, range)
            Which.
        growing : GrowingVolume
            Is told of each that is done.
        """
        regions = [region.number for region, _ in work]
        is_all = len(regions) == len(self.grid)
        done = self._unfinished.done(None if is_all else dict.fromkeys(regions)).keys()
        for number, slab in done:
            growing.add(self.grid[number].slabs()[slab])
        total, ended = max(1, sum(len(slabs) for _, slabs in work)), 0
        with memory_told(self._task.device, ADVICE):
            for region, slabs in work:
                stage = f"region {region.number + 1} of {len(self.grid)}"
                parts = region.slabs()
                for number in slabs:
                    if (region.number, number) not in done:
                        tell = partial(_share_of, ended, total, stage)
                        job = self._fill_slab(region, number, parts[number])
                        block = yield from beating(job, lambda: True, tell)
                        growing.add(parts[number])
                        snapshot = at((ended + 1) / total, stage)
                        yield dataclasses.replace(
                            snapshot, image=block, index=parts[number]
                        )
                    ended += 1

    def _fill_slab(
        self, region: Region, number: int, slab: tuple[slice, ...]
    ) -> Generator[float, None, NDArray[np.generic]]:
        """Fill a slab, write it, and note that it is there."""
        filled = yield from self._filling.fill(region, slab)
        index, block, axes = in_store(self._image, slab, filled.block)
        self._unfinished.write(index, block)
        marks = [int(count) for count in filled.marks]
        facts = facts_of(block, index, axes, marks, merged=filled.merged)
        self._unfinished.note((region.number, number), facts)
        return filled.block

    def finish(self, origin: Mapping[str, Any]) -> Job[DenoisingSnapshot, Written]:
        """Make the levels and name the result, if all slabs are there.

        Parameters
        ----------
        origin : mapping
            See `made_from`.

        Raises
        ------
        ImageFileError
            If slabs are missing.
        """
        facts, total = self._unfinished.done(), self.grid.slabs
        if len(facts) < total:
            raise ImageFileError(
                f"{total - len(facts)} of {total} pieces of {self._unfinished.output}"
                " are missing: do the parts again that were not done"
            )
        state = _state_of(self.adapted, facts)
        made = self._task.provenance(state)
        made["parts"] = digest(origin, self.adapted)
        job = self._unfinished.finish(self._image, made, list(facts.values()))
        due = Every()
        for _ in job:
            if due():
                yield at(1.0, "making coarser levels")
        return Written(made, state)


def digest(origin: Mapping[str, Any], adapted: Adapted) -> str:
    """Return what tells a result from others, by which parts know that it is whole.

    Parameters
    ----------
    origin : mapping
        See `made_from`.
    adapted : Adapted
        What its slabs were filled by.
    """
    told = json.dumps([origin, adapted.sha256], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def _state_of(adapted: Adapted, facts: dict[Slab, Facts]) -> DenoisingState:
    """Return what was found and done, in the words of any other run."""
    filled = [channel for channel in adapted.channels.values() if channel.is_filled]
    channels = {
        number: ChannelState(c.sample, c.choice, None, c.neighbours)
        for number, c in adapted.channels.items()
    }
    state = DenoisingState(
        channels=channels,
        adapted=all(channel.adapts for channel in filled),
        merged=all(known.merged for known in facts.values()),
        iteration=max((channel.iteration for channel in filled), default=0),
    )
    state.note_slabs(known.marks for known in facts.values())
    return state


def _share_of(ended: int, total: int, stage: str, share: float) -> DenoisingSnapshot:
    return at((ended + share) / total, stage)
