"""A volume denoised region by region into an OME-Zarr: at once, or in parts."""

import dataclasses
import hashlib
import json
import tempfile
import warnings
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.denoising.adapted.kept import (
    Adapted,
    read_adapted,
    save_adapted,
)
from napari_mpi.engine.denoising.regions.filling import RegionFilling
from napari_mpi.engine.denoising.regions.grid import Grid, Region
from napari_mpi.engine.denoising.regions.growing import GrowingVolume
from napari_mpi.engine.denoising.regions.identity import made_from
from napari_mpi.engine.denoising.regions.layout import (
    cached,
    grid_for,
    grid_from,
    in_store,
    told,
)
from napari_mpi.engine.denoising.regions.learning import learn, require_shared
from napari_mpi.engine.denoising.snapshot import DenoisingSnapshot
from napari_mpi.engine.denoising.state import ChannelState, DenoisingState
from napari_mpi.engine.denoising.task import Task
from napari_mpi.engine.files.metadata import ImageFile
from napari_mpi.engine.files.ngff.unfinished import Facts, Slab, Unfinished, facts_of
from napari_mpi.engine.files.remote import shown
from napari_mpi.engine.runtime.devices import memory_told
from napari_mpi.engine.runtime.errors import ConfigError, ImageFileError
from napari_mpi.engine.runtime.jobs import Every, Job, beating
from napari_mpi.engine.runtime.precision import resolve_precision
from napari_mpi.engine.runtime.whole_files import sha256_of

Told = Generator[DenoisingSnapshot, None, None]

ADAPTING = 0.1
"""Share of the work that is told as done once it is adapted to."""

_ADVICE = "for this volume: close other programs, or use a larger machine"


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


class Volume:
    """A volume, and the OME-Zarr that its result becomes.

    Parameters
    ----------
    image : ImageFile
        What the file says.
    task : Task
        What to do with its pixels.
    output : Path
        The OME-Zarr.

    Raises
    ------
    ConfigError
        If its parts cannot share an adaptation.
    """

    def __init__(self, image: ImageFile, task: Task, output: Path) -> None:
        require_shared(task)
        self.image, self.task, self.output = image, task, output
        self._unfinished = Unfinished(output)
        self._origin = made_from(task)
        self._filling: tuple[str, RegionFilling] | None = None
        self.growing = GrowingVolume(image, self._unfinished)
        """The result as it is made."""

    def adapt(self, path: Path) -> Told:
        """Adapt to the volume, and write what comes of it to a file.

        Parameters
        ----------
        path : Path
            A .safetensors file, written whole or not at all.
        """
        with memory_told(self.task.device, _ADVICE):
            image = cached(self.image, self.task)
            channels = yield from learn(dataclasses.replace(self.task, image=image))
        save_adapted(Adapted(channels, self._origin), path)

    def denoise(
        self, adaptation: Path | None = None
    ) -> Job[DenoisingSnapshot, Written]:
        """Denoise all of it; what an earlier run has done of it is not done again.

        Parameters
        ----------
        adaptation : Path, optional
            A file that `adapt` has written; made first if None.

        Raises
        ------
        ImageFileError
            If another run is at work on it.
        """
        yield from within(self.prepare(adaptation), 0.0, ADAPTING)
        with self._unfinished.one_at_a_time("run"):
            grid, adapted = self._opened()
            work = [(region, range(region.slab_count)) for region in grid]
            yield from within(self._fill(grid, adapted, work), ADAPTING, 1.0)
            return (yield from self._finished(grid, adapted))

    def prepare(self, adaptation: Path | None = None) -> Told:
        """Adapt, if need be, and make the folder in which the result grows.

        Parameters
        ----------
        adaptation : Path, optional
            A file that `adapt` has written; made first if None.
        """
        self._drop_another()
        if adaptation is not None:
            self._begin(adaptation)
        elif not self._unfinished.exists:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "adaptation.safetensors"
                yield from self.adapt(path)
                self._begin(path)

    def left(self) -> tuple[list[Slab], int]:
        """Return the slabs that are not done, region by region, and how many there are.

        Of a volume that was prepared.
        """
        grid, _ = self._opened()
        done = self._unfinished.done().keys()
        every = [
            (region.number, slab)
            for region in grid
            for slab in range(region.slab_count)
        ]
        return [slab for slab in every if slab not in done], len(every)

    def fill(self, slabs: Sequence[Slab]) -> Told:
        """Fill some slabs of a volume that was prepared, whoever did that.

        Parameters
        ----------
        slabs : sequence of Slab
            Those that are done are left out.
        """
        grid, adapted = self._opened()
        work = [(grid[number], range(slab, slab + 1)) for number, slab in slabs]
        yield from self._fill(grid, adapted, work)

    def part(
        self, number: int, count: int, adaptation: Path
    ) -> Job[DenoisingSnapshot, Part]:
        """Denoise one of its parts; whoever does the last one finishes the volume.

        Parameters
        ----------
        number, count : int
            Which part, from 1, of how many.
        adaptation : Path
            A file that `adapt` has written, the same for all parts.

        Raises
        ------
        ConfigError
            If the adaptation, or what there is of the volume, was made otherwise.
        """
        adapted = read_adapted(adaptation, self.task.weights)
        self._require_same(adapted.made_from, str(adaptation))
        grid = grid_for(self.image, self.task, adapted)
        work = grid.of_part(number, count)
        mine = sum(len(slabs) for _, slabs in work)
        if self._is_written(adapted):
            self._unfinished.remove()  # what a program that was killed has left
            return Part(mine, grid.slabs, grid.slabs)
        self._begin(adaptation)
        grid, adapted = self._opened()
        yield from self._fill(grid, adapted, work)
        written = None
        done = len(self._unfinished.done())
        if done == grid.slabs:
            with suppress(ImageFileError):  # whoever else did the last part finishes
                written = yield from self.finish()
        return Part(mine, done, grid.slabs, written)

    def finish(self) -> Job[DenoisingSnapshot, Written | None]:
        """Finish the volume, all parts of which are done.

        Returns
        -------
        Written or None
            None if it was finished before.

        Raises
        ------
        ImageFileError
            If parts are missing, or another run is at work on it.
        """
        if not self._unfinished.exists:
            if self._unfinished.made_of_output().get("parts"):
                return None
            raise ImageFileError(
                f"there are no parts of {self.output}: do them first, by --part"
            )
        with self._unfinished.one_at_a_time("run"):
            grid, adapted = self._opened()
            return (yield from self._finished(grid, adapted))

    def _drop_another(self) -> None:
        """Remove what was begun with another image or other settings, and not ended."""
        unfinished = self._unfinished
        if not unfinished.exists:
            return
        if unfinished.is_written or unfinished.plan()["made_from"] != self._origin:
            with unfinished.one_at_a_time("run"):
                unfinished.remove()

    def _begin(self, adaptation: Path) -> None:
        """Begin with an adaptation, or see that it was begun with the same."""
        adapted = read_adapted(adaptation, self.task.weights)
        self._require_same(adapted.made_from, str(adaptation))
        if not self._unfinished.exists:
            grid = grid_for(self.image, self.task, adapted)
            plan = {"made_from": self._origin, "grid": told(grid)}
            self._unfinished.begin(self.image, plan, adaptation)
        if sha256_of(self._unfinished.adaptation) != adapted.sha256:
            raise ConfigError(
                f"{self._unfinished.folder} was begun with another adaptation than"
                f" {adaptation}: give that one, or delete the folder"
            )

    def _opened(self) -> tuple[Grid, Adapted]:
        """Return how it was begun."""
        plan = self._unfinished.plan()
        self._require_same(plan["made_from"], str(self._unfinished.folder))
        adapted = read_adapted(self._unfinished.adaptation, self.task.weights)
        self._warn_of_precision(adapted)
        return grid_from(plan["grid"]), adapted

    def _warn_of_precision(self, adapted: Adapted) -> None:
        chosen = {channel.config.precision for channel in adapted.channels.values()}
        device = self.task.device
        if "bfloat16" in chosen and resolve_precision("auto", device) != "bfloat16":
            warnings.warn(
                "it was adapted in bfloat16, which is slow here: where machines differ,"
                " adapt with --precision float32",
                stacklevel=2,
            )

    def _require_same(self, others: Any, what: str) -> None:
        """Raise ConfigError if something was made from another image, or otherwise."""
        differing = [n for n, own in self._origin.items() if others.get(n) != own]
        if differing:
            raise ConfigError(
                f"{what} was made with other {' and '.join(differing)} than"
                f" {shown(self.output)} is to be: begin again with both alike"
            )

    def _is_written(self, adapted: Adapted) -> bool:
        """Whether the whole result is there already."""
        if self._unfinished.exists and not self._unfinished.is_written:
            return False
        return self._unfinished.made_of_output().get("parts") == self._digest(adapted)

    def _digest(self, adapted: Adapted) -> str:
        told = json.dumps([self._origin, adapted.sha256], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()

    def _fill(
        self, grid: Grid, adapted: Adapted, work: Sequence[tuple[Region, range]]
    ) -> Told:
        """Fill slabs that are not done."""
        done = self._unfinished.done().keys()
        for number, slab in done:
            self.growing.add(grid[number].slabs()[slab])
        total, ended = max(1, sum(len(slabs) for _, slabs in work)), 0
        filling = self._filling_by(grid, adapted)
        with memory_told(self.task.device, _ADVICE):
            for region, slabs in work:
                parts = region.slabs()
                for number in slabs:
                    if (region.number, number) not in done:
                        stage = f"region {region.number + 1} of {len(grid)}"
                        job = self._fill_slab(filling, region, parts, number)
                        tell = partial(_share_of, ended, total, stage)
                        block = yield from beating(job, lambda: True, tell)
                        self.growing.add(parts[number])
                        shown = at((ended + 1) / total, stage)
                        index = parts[number]
                        yield dataclasses.replace(shown, image=block, index=index)
                    ended += 1

    def _filling_by(self, grid: Grid, adapted: Adapted) -> RegionFilling:
        """Return what fills slabs, the same for all of them: it keeps what it reads."""
        if self._filling is None or self._filling[0] != adapted.sha256:
            image = cached(self.image, self.task, grid)
            filling = RegionFilling(self.task, adapted, image)
            self._filling = adapted.sha256, filling
        return self._filling[1]

    def _fill_slab(
        self,
        filling: RegionFilling,
        region: Region,
        parts: list[tuple[slice, ...]],
        number: int,
    ) -> Generator[float, None, NDArray[np.generic]]:
        slab = parts[number]
        filled = yield from filling.fill(region, slab)
        index, block, axes = in_store(self.image, slab, filled.block)
        self._unfinished.write(index, block)
        marks = [int(count) for count in filled.marks]
        facts = facts_of(block, index, axes, marks, merged=filled.merged)
        self._unfinished.note((region.number, number), facts)
        return filled.block

    def _finished(
        self, grid: Grid, adapted: Adapted
    ) -> Job[DenoisingSnapshot, Written]:
        """Make the levels and name the result, if all slabs are there."""
        facts = self._unfinished.done()
        missing = grid.slabs - len(facts)
        if missing:
            raise ImageFileError(
                f"{missing} of {grid.slabs} pieces of {self.output} are missing: do the"
                " parts again that were not done"
            )
        state = _state_of(adapted, facts)
        made = self.task.provenance(state)
        made["parts"] = self._digest(adapted)
        job = self._unfinished.finish(self.image, made, list(facts.values()))
        due = Every()
        for _ in job:
            if due():
                yield at(1.0, "making coarser levels")
        return Written(made, state)


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
