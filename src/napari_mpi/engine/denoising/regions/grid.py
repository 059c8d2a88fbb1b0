"""How a volume is cut into regions of whole chunks, so that little is read twice."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from napari_mpi.engine.images.axes import Index
from napari_mpi.engine.images.tiles import Window
from napari_mpi.engine.runtime.errors import ConfigError

READ_TWICE = 1.3
"""How many times a chunk may be read, on the mean over all regions."""

_KEPT = 1 << 31  # bytes of the source that a region may need at once
_SLAB = 1 << 31  # bytes that are written at once
_HARDLY = 1.02  # times that is read along an axis, from where on it pays to grow
_SIDE = 1024  # pixels along Y and X that a region has at least, where there are


@dataclass(frozen=True, slots=True)
class Extents:
    """One length for each axis of an image, in its order.

    Parameters
    ----------
    axes : str
        One letter per dimension.
    shape : tuple of int
        Of the image.
    unit : tuple of int
        Of what can be written apart: chunks, or shards where there are any.
    chunk : tuple of int
        Of what is read at once.
    halo : mapping of str to int
        How far is looked beyond a region, by axis letter.
    itemsize : int
        Bytes of a pixel.
    """

    axes: str
    shape: tuple[int, ...]
    unit: tuple[int, ...]
    chunk: tuple[int, ...]
    halo: Mapping[str, int]
    itemsize: int


@dataclass(frozen=True, slots=True)
class Region:
    """A part of an image, made of whole chunks, that is filled in one go.

    Parameters
    ----------
    number : int
        Its place among all regions.
    index : tuple of slice
        One for each dimension of the image.
    axes : str
        Letters of the image's axes.
    unit : tuple of int
        Of what can be written apart.
    """

    number: int
    index: tuple[slice, ...]
    axes: str
    unit: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Its length along every axis."""
        return tuple(part.stop - part.start for part in self.index)

    @property
    def window(self) -> Window:
        """Its rows and columns."""
        return self.index[self.axes.index("Y")], self.index[self.axes.index("X")]

    @property
    def slab_count(self) -> int:
        """How many slabs it has."""
        return math.prod(
            -(-length // step)
            for length, step in zip(self.shape, self._steps, strict=True)
        )

    def slabs(self) -> list[tuple[slice, ...]]:
        """Return what of it is written at once: its rows and columns, a chunk deep."""
        return list(_cut(self.index, self._steps))

    @property
    def _steps(self) -> list[int]:
        triples = zip(self.axes, self.unit, self.shape, strict=True)
        return [
            length if letter in "YX" else min(unit, length)
            for letter, unit, length in triples
        ]


@dataclass(frozen=True, slots=True)
class Grid:
    """The regions of an image.

    Parameters
    ----------
    extents : Extents
        Of the image.
    steps : tuple of int
        Length of a region along every axis: whole units, or the image's own.
    """

    extents: Extents
    steps: tuple[int, ...]

    def __len__(self) -> int:
        return math.prod(self._counts())

    def __getitem__(self, number: int) -> Region:
        if not 0 <= number < len(self):
            raise IndexError(number)
        places, rest = [], number
        for count in reversed(self._counts()):
            rest, place = divmod(rest, count)
            places.append(place)
        index = tuple(
            slice(place * step, min((place + 1) * step, length))
            for place, step, length in zip(
                reversed(places), self.steps, self.extents.shape, strict=True
            )
        )
        return Region(number, index, self.extents.axes, self.extents.unit)

    def __iter__(self) -> Iterator[Region]:
        return (self[number] for number in range(len(self)))

    def of_part(self, part: int, parts: int) -> list[tuple[Region, range]]:
        """Return what is to be done of one of several parts of about equal size.

        Parameters
        ----------
        part, parts : int
            Which, from 1, and how many there are.

        Returns
        -------
        list of (Region, range)
            Regions, and the numbers of their slabs.

        Raises
        ------
        ConfigError
            If there is no such part.
        """
        if not 1 <= part <= parts:
            raise ConfigError(
                f"there is no part {part} of {parts}: parts are numbered from 1 to"
                f" {max(1, parts)}"
            )
        first, last = (self.slabs * n // parts for n in (part - 1, part))
        found, before = [], 0
        for region in self:
            count = region.slab_count
            mine = range(max(0, first - before), min(count, last - before))
            if mine:
                found.append((region, mine))
            before += count
        return found

    @property
    def slabs(self) -> int:
        """Slabs of all regions."""
        return sum(region.slab_count for region in self)

    @property
    def read(self) -> float:
        """How many times a chunk is read, on the mean."""
        return math.prod(
            _share_read(self.extents, axis, step)
            for axis, step in enumerate(self.steps)
        )

    def _counts(self) -> list[int]:
        pairs = zip(self.extents.shape, self.steps, strict=True)
        return [-(-length // step) for length, step in pairs]


def grid_of(extents: Extents) -> Grid:
    """Cut an image into regions: as small as possible, while little is read twice.

    The same image is cut alike on every machine, whatever its memory.

    Parameters
    ----------
    extents : Extents
        Of the image, and how far is looked beyond a region.
    """
    steps = [
        length
        if letter == "S"
        else _whole(_SIDE if letter in "YX" else 1, unit, length)
        for letter, unit, length in zip(
            extents.axes, extents.unit, extents.shape, strict=True
        )
    ]
    while Grid(extents, tuple(steps)).read > READ_TWICE:
        can_grow = [n for n in range(len(steps)) if _can_grow(extents, steps, n)]
        if not can_grow:
            break
        worst = max(can_grow, key=lambda n: _share_read(extents, n, steps[n]))
        if _share_read(extents, worst, steps[worst]) <= _HARDLY:
            break
        more = steps[worst] + extents.unit[worst]
        steps[worst] = _whole(more, extents.unit[worst], extents.shape[worst])
    return Grid(extents, tuple(steps))


def _whole(wanted: int, unit: int, length: int) -> int:
    """Return the next length of whole units; at most that of the image."""
    return min(length, -(-wanted // unit) * unit)


def _share_read(extents: Extents, axis: int, step: int) -> float:
    """Return how many times a chunk is read along an axis, on the mean."""
    halo, length = extents.halo.get(extents.axes[axis], 0), extents.shape[axis]
    if not halo or step >= length:
        return 1.0
    chunk = min(extents.chunk[axis], length)
    first = np.arange(0, length, step)
    last = np.minimum(first + step, length)
    seen_from = np.maximum(0, first - halo) // chunk
    seen_to = -(-np.minimum(length, last + halo) // chunk)
    return float((seen_to - seen_from).sum() / -(-length // chunk))


def _can_grow(extents: Extents, steps: list[int], axis: int) -> bool:
    """Whether a region may be longer along an axis, by the memory that it takes."""
    if steps[axis] >= extents.shape[axis]:
        return False
    if extents.axes[axis] not in "YX":
        return True  # it is gone through slab by slab
    more = list(steps)
    more[axis] = min(more[axis] + extents.unit[axis], extents.shape[axis])
    return needed(extents, more) <= _KEPT and _slab(extents, more) <= _SLAB


def needed(extents: Extents, steps: list[int]) -> int:
    """Return the bytes of the source that must be kept, to read each chunk once.

    Parameters
    ----------
    extents : Extents
        Of the image.
    steps : list of int
        Of a region.
    """
    found = extents.itemsize
    for axis, letter in enumerate(extents.axes):
        chunk = min(extents.chunk[axis], extents.shape[axis])
        halo = extents.halo.get(letter, 0)
        if letter in "YXS":
            wide = steps[axis] + 2 * -(-halo // chunk) * chunk
        else:  # the planes around one, with the chunks they are in
            wide = (-(-2 * halo // chunk) + 1) * chunk
        found *= min(wide, extents.shape[axis])
    return found


def _slab(extents: Extents, steps: list[int]) -> int:
    lengths = [
        step if letter in "YX" else min(unit, step)
        for letter, unit, step in zip(extents.axes, extents.unit, steps, strict=True)
    ]
    return math.prod(lengths) * extents.itemsize


def _cut(index: tuple[slice, ...], steps: list[int]) -> Iterator[tuple[slice, ...]]:
    """Yield the parts of an index, none longer than so many steps along any axis."""
    if not index:
        yield ()
        return
    first, rest = index[0], index[1:]
    for start in range(first.start, first.stop, steps[0]):
        for others in _cut(rest, steps[1:]):
            yield slice(start, min(start + steps[0], first.stop)), *others


def planes_in(slab: Index, axes: str) -> Iterator[tuple[int, ...]]:
    """Yield where the planes of a slab stand, a number for each axis but Y, X and S."""
    outer = tuple(
        part if isinstance(part, slice) else slice(part, part + 1)
        for part, letter in zip(slab, axes, strict=True)
        if letter not in "YXS"
    )
    for places in _cut(outer, [1] * len(outer)):
        yield tuple(place.start for place in places)
