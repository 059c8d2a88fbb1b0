"""A volume denoised region by region into an OME-Zarr: at once, or in parts."""

import dataclasses
import tempfile
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from napari_mpi.engine.denoising.adapted.kept import (
    Adapted,
    read_adapted,
    save_adapted,
)
from napari_mpi.engine.denoising.regions.begun import ADVICE, Begun, digest
from napari_mpi.engine.denoising.regions.growing import GrowingVolume
from napari_mpi.engine.denoising.regions.identity import made_from
from napari_mpi.engine.denoising.regions.layout import (
    cached,
    grid_for,
    grid_from,
    told,
)
from napari_mpi.engine.denoising.regions.learning import learn, require_shared
from napari_mpi.engine.denoising.regions.telling import Part, Told, Written, within
from napari_mpi.engine.denoising.snapshot import DenoisingSnapshot
from napari_mpi.engine.denoising.task import Task
from napari_mpi.engine.files.metadata import ImageFile
from napari_mpi.engine.files.ngff.unfinished import Busy, Slab, Unfinished
from napari_mpi.engine.files.remote import shown
from napari_mpi.engine.runtime.devices import memory_told
from napari_mpi.engine.runtime.errors import ConfigError, ImageFileError
from napari_mpi.engine.runtime.jobs import Job
from napari_mpi.engine.runtime.precision import resolve_precision
from napari_mpi.engine.runtime.whole_files import sha256_of

ADAPTING = 0.1
"""Share of the work that is told as done once it is adapted to."""


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
        self._begun: Begun | None = None
        self.growing = GrowingVolume(image, self._unfinished)
        """The result as it is made."""

    def adapt(self, path: Path) -> Told:
        """Adapt to the volume, and write what comes of it to a file.

        Parameters
        ----------
        path : Path
            A .safetensors file, written whole or not at all.
        """
        with memory_told(self.task.device, ADVICE):
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
            begun = self._opened()
            job = begun.fill(begun.all_of_it, self.growing)
            yield from within(job, ADAPTING, 1.0)
            return (yield from begun.finish(self._origin))

    def prepare(self, adaptation: Path | None = None, *, shared: bool = False) -> Told:
        """Adapt, if need be, and make the folder in which the result grows.

        Parameters
        ----------
        adaptation : Path, optional
            A file that `adapt` has written; made first if None.
        shared : bool
            Whether several programs will work on it.
        """
        self._drop_another()
        if adaptation is not None:
            self._begin(adaptation, shared=shared)
        elif not self._unfinished.exists:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "adaptation.safetensors"
                yield from self.adapt(path)
                self._begin(path, shared=shared)

    def left(self) -> tuple[list[Slab], int]:
        """Return the slabs that are not done, region by region, and how many there are.

        Of a volume that was prepared.
        """
        begun = self._opened()
        return begun.left(), begun.grid.slabs

    def fill(self, slabs: Sequence[Slab]) -> Told:
        """Fill some slabs of a volume that was prepared, whoever did that.

        Parameters
        ----------
        slabs : sequence of Slab
            Those that are done are left out.
        """
        begun = self._opened()
        work = [(begun.grid[number], range(slab, slab + 1)) for number, slab in slabs]
        yield from begun.fill(work, self.growing)

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
        self._begin(adaptation, shared=True)
        yield from self._opened().fill(work, self.growing)
        written, done = None, grid.slabs
        with suppress(FileNotFoundError):  # another has finished it meanwhile
            done = len(self._unfinished.done())
        if done == grid.slabs:
            with suppress(Busy):  # as another does just now
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
            return (yield from self._opened().finish(self._origin))

    def _drop_another(self) -> None:
        """Remove what was begun with another image or other settings, and not ended.

        Raises
        ------
        ConfigError
            If several programs share it: they may be at work.
        """
        unfinished = self._unfinished
        if not unfinished.exists:
            return
        plan = {} if unfinished.is_written else unfinished.plan()
        if plan and plan["made_from"] == self._origin:
            return
        if plan.get("shared"):
            self._require_same(plan["made_from"], str(unfinished.folder))
        with unfinished.one_at_a_time("run"):
            if plan and unfinished.done():
                warnings.warn(
                    f"{unfinished.folder} was begun with another image, or other"
                    " settings: it is begun anew",
                    stacklevel=2,
                )
            unfinished.remove()

    @property
    def identity(self) -> str:
        """What tells a volume that was prepared from others at the same place."""
        return digest(self._origin, self._opened().adapted)

    def _begin(self, adaptation: Path, *, shared: bool = False) -> None:
        """Begin with an adaptation, or see that it was begun with the same."""
        adapted = read_adapted(adaptation, self.task.weights)
        self._require_same(adapted.made_from, str(adaptation))
        if not self._unfinished.exists:
            grid = grid_for(self.image, self.task, adapted)
            plan = {"made_from": self._origin, "grid": told(grid), "shared": shared}
            self._unfinished.begin(self.image, plan, adaptation)
        if sha256_of(self._unfinished.adaptation) != adapted.sha256:
            raise ConfigError(
                f"{self._unfinished.folder} was begun with another adaptation than"
                f" {adaptation}: give that one, or delete the folder"
            )

    def _opened(self) -> Begun:
        """Return it as it was begun; the same as before, which keeps what it read."""
        if self._begun is not None:
            return self._begun
        plan = self._unfinished.plan()
        self._require_same(plan["made_from"], str(self._unfinished.folder))
        adapted = read_adapted(self._unfinished.adaptation, self.task.weights)
        self._warn_of_precision(adapted)
        parts = self.image, self.task, self._unfinished
        self._begun = Begun(*parts, grid_from(plan["grid"]), adapted)
        return self._begun

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
                f" {shown(self.output)} is to be: give the same, or another name"
            )

    def _is_written(self, adapted: Adapted) -> bool:
        """Whether the whole result is there already."""
        if self._unfinished.exists and not self._unfinished.is_written:
            return False
        return self._unfinished.made_of_output().get("parts") == digest(
            self._origin, adapted
        )
