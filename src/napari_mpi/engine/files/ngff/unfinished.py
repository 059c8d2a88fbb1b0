"""An OME-Zarr image in the making: written in any order, named when it is whole.

Beside ``out.zarr`` there is a folder ``out.zarr.unfinished`` meanwhile. It holds the
plan, the image without that which makes it one to readers, and a line for every slab
(some planes of a region, see `Region`) that is on the disk. What is there outlives the
program, so that another one can go on.
"""

import itertools
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from napari_mpi.engine.files.metadata import ImageFile, size_of
from napari_mpi.engine.files.ngff.facts import Facts, Ranges, add_windows, widen
from napari_mpi.engine.files.ngff.files import looks_like_zarr
from napari_mpi.engine.files.ngff.framing import Frame, framed
from napari_mpi.engine.files.ngff.levels import made_levels
from napari_mpi.engine.images.arrays import require_room
from napari_mpi.engine.runtime.errors import ImageFileError
from napari_mpi.engine.runtime.leftovers import part_name
from napari_mpi.engine.runtime.optional import extra
from napari_mpi.engine.runtime.whole_files import keep_mode, put_folder, sync

SUFFIX = ".unfinished"
"""What the name of the folder has besides that of the result."""

_PLAN, _IMAGE, _DONE = "plan.json", "image.zarr", "done"

Slab = tuple[int, int]
"""Number of a region, and of a slab in it."""


class Busy(ImageFileError):
    """Another program is at work on the same result."""


class Unfinished:
    """An OME-Zarr image that is being written.

    Parameters
    ----------
    output : Path
        Where it will be.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self.folder = output.with_name(output.name + SUFFIX)
        self._level: Any = None
        self._writer = uuid.uuid4().hex[:8]

    @property
    def exists(self) -> bool:
        """Whether something was begun."""
        return (self.folder / _PLAN).is_file()

    @property
    def is_written(self) -> bool:
        """Whether its image has its final name already."""
        return self.exists and not (self.folder / _IMAGE).exists()

    def begin(
        self, image: ImageFile, plan: Mapping[str, Any], adaptation: Path
    ) -> None:
        """Make the folder, in one step; what another program has made stays.

        Parameters
        ----------
        image : ImageFile
            What is to be written.
        plan : mapping
            JSON values: what it is made from, and how.
        adaptation : Path
            The file of the adaptation, of which a copy is kept.

        Raises
        ------
        OSError
            If there is no room.
        """
        require_room(size_of(image.array), self.output.parent)
        new = part_name(self.folder)
        try:
            (new / _DONE).mkdir(parents=True)
            group, _ = framed(image, {}).create(str(new / _IMAGE))
            group.attrs["napari-mpi"] = {"unfinished": True}
            shutil.copyfile(adaptation, self.adaptation_in(new))
            (new / _PLAN).write_text(json.dumps(plan))
            sync(new)
            self._drop_locks()
            with suppress(FileExistsError):
                os.rename(new, self.folder)
        except OSError as error:
            if self.exists:  # another program was faster
                return
            if self.folder.exists():
                raise ImageFileError(
                    f"{self.folder} is in the way, and not of ours: move it, or give"
                    " another name"
                ) from error
            raise
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def _drop_locks(self) -> None:
        """Remove a folder of which nothing but locks is left."""
        if self.exists or not self.folder.is_dir():
            return
        if all(file.suffix == ".lock" for file in self.folder.iterdir()):
            shutil.rmtree(self.folder, ignore_errors=True)

    def plan(self) -> dict[str, Any]:
        """Return what it is made from, and how.

        Raises
        ------
        ImageFileError
            If it cannot be read.
        """
        try:
            return dict(json.loads((self.folder / _PLAN).read_text()))
        except (OSError, ValueError) as error:
            raise ImageFileError(
                f"{self.folder} is no unfinished result, or is damaged: delete it, and"
                " begin again"
            ) from error

    @property
    def adaptation(self) -> Path:
        """Where the adaptation is kept."""
        return self.adaptation_in(self.folder)

    @staticmethod
    def adaptation_in(folder: Path) -> Path:
        """Return where the adaptation is kept in a folder."""
        return folder / "adaptation.safetensors"

    def write(self, index: Sequence[slice], block: NDArray[np.generic]) -> None:
        """Write whole chunks of the finest level, and see that they are on the disk.

        Parameters
        ----------
        index : sequence of slice
            Where, in the order in which pixels are stored.
        block : NDArray
            The pixels.
        """
        if self._level is None:
            self._level = self._group("r+")["0"]
        self._level[tuple(index)] = block
        for file in self._files(index):
            if file.is_file():  # chunks of the fill value are not written
                sync(file)

    def read(self, index: Sequence[slice]) -> NDArray[np.generic] | None:
        """Read a part of the finest level; None if that has its final name by now.

        Parameters
        ----------
        index : sequence of slice
            Where, in the order in which pixels are stored.
        """
        level = self.folder / _IMAGE / "0"
        if not level.is_dir():
            return None
        block = np.asarray(self._group("r")["0"][tuple(index)])
        return block if level.is_dir() else None

    def note(self, slab: Slab, facts: Facts) -> None:
        """Note that a slab is on the disk.

        Parameters
        ----------
        slab : tuple of int
            Its region, and its number in it.
        facts : Facts
            What is known of it.
        """
        told = [slab[1], facts.ranges, facts.marks, facts.merged]
        # One for each program: not on every disk can several write to the end of one.
        name = self.folder / _DONE / f"{slab[0]}.{self._writer}"
        with name.open("a") as file:
            # After a line that was cut off, a new one.
            file.write("\n" + json.dumps(told) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def done(self, regions: Iterable[int] | None = None) -> dict[Slab, Facts]:
        """Return what is known of slabs that are done.

        Parameters
        ----------
        regions : iterable of int, optional
            Numbers of their regions; all if None.
        """
        found, folder = {}, self.folder / _DONE
        some = (folder.glob(f"{number}.*") for number in regions or ())
        files = folder.iterdir() if regions is None else itertools.chain(*some)
        for file in files:
            for line in file.read_text().splitlines():
                with suppress(ValueError, TypeError):  # a line that was cut off
                    slab, ranges, marks, merged = json.loads(line)
                    known = {int(n): tuple(ends) for n, ends in ranges.items()}
                    region = int(file.name.partition(".")[0])
                    found[region, slab] = Facts(known, tuple(marks), merged)
        return found

    def one_at_a_time(self, what: str) -> FileLock:
        """Return a lock, which is held for one thing by one program.

        Raises
        ------
        Busy
            If another program holds it.
        """
        lock = FileLock(self.folder / f"{what}.lock", thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise Busy(
                f"another run is at work on {self.output}: wait for it, or stop it"
            ) from error
        return lock

    def finish(
        self, image: ImageFile, provenance: Mapping[str, Any], facts: Sequence[Facts]
    ) -> Iterator[None]:
        """Make the coarser levels, say what it is, and give it its name.

        Parameters
        ----------
        image : ImageFile
            What is written.
        provenance : mapping
            How it was made.
        facts : sequence of Facts
            Of all slabs.

        Yields
        ------
        None
            Now and then.
        """
        frame = framed(image, provenance)
        group = self._group("r+")
        count = len(_datasets(frame))
        yield from made_levels([group[str(number)] for number in range(count)])
        ranges: Ranges = {}
        for known in facts:
            widen(ranges, known.ranges)
        add_windows(frame.attributes, ranges)
        group.attrs.clear()
        group.attrs.update(frame.attributes)
        image_folder = self.folder / _IMAGE
        sync(image_folder)
        if self.output.exists():
            keep_mode(self.output, image_folder)
        put_folder(image_folder, self.output)
        self.remove()

    def made_of_output(self) -> dict[str, Any]:
        """Return what is known of how the result was made that is there; else none."""
        if not looks_like_zarr(self.output):
            return {}
        zarr = extra("zarr", "zarr", self.output)
        attributes = zarr.open(store=str(self.output), mode="r").attrs.asdict()
        return dict(attributes.get("napari-mpi", {}))

    def remove(self) -> None:
        """Remove all that there is of it; nothing if it was not begun."""
        if not self.exists:
            return
        gone = part_name(self.folder)
        try:  # in one step, so that a kill leaves nothing that stands in the way
            os.rename(self.folder, gone)
        except OSError:  # Windows, while a lock is held
            gone = self.folder
            (gone / _PLAN).unlink(missing_ok=True)
        shutil.rmtree(gone, ignore_errors=True)

    def _group(self, mode: str) -> Any:
        zarr = extra("zarr", "zarr", self.output)
        return zarr.open_group(str(self.folder / _IMAGE), mode=mode)

    def _files(self, index: Sequence[slice]) -> Iterator[Path]:
        """Yield the files of the chunks, or shards, that a part consists of."""
        level = self._level
        units = level.shards or level.chunks
        ranges = (
            range(part.start // unit, -(-part.stop // unit))
            for part, unit in zip(index, units, strict=True)
        )
        for chunk in itertools.product(*ranges):
            yield self.folder / _IMAGE / "0" / level.metadata.encode_chunk_key(chunk)


def _datasets(frame: Frame) -> list[Any]:
    described = frame.attributes.get("ome", frame.attributes)
    datasets: list[Any] = described["multiscales"][0]["datasets"]
    return datasets


def unfinished_problem(path: Path) -> str | None:
    """Return a sentence if a folder is an unfinished result, else None.

    Parameters
    ----------
    path : Path
        A folder.
    """
    is_one = path.name.endswith(SUFFIX) and (path / _PLAN).is_file()
    if not is_one:
        return None
    output = path.with_name(path.name.removesuffix(SUFFIX))
    return (
        f"{path} is an unfinished result: give the command again that began it, and it"
        f" goes on, or ends with {output}"
    )
