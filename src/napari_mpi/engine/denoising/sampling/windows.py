"""Windows to adapt on, cut out of the parts of an item at random places."""

from collections.abc import Set
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.images.marks import Marks, is_void
from napari_mpi.engine.images.tiles import Window

Array = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Cut:
    """A window that was cut out of a plane.

    Parameters
    ----------
    values : NDArray
        Shape (C, Y, X), in the image's units.
    plane : int
        Number of the plane, among those that were read.
    window : tuple of slice
        Its rows and columns.
    """

    values: Array = field(repr=False)
    plane: int
    window: Window


WINDOWS = 16
"""Windows that a stack or a large plane is adapted on; see `benchmarks/stacks.py`."""

_KNOWN = 0.5  # share of a window's pixels that should hold a measurement
_TRIES = 8  # places that are looked at for that, in one block


class Windows:
    """Cuts windows out of blocks as they are read.

    Parameters
    ----------
    planes : int
        How many planes are read.
    blocks : list of tuple of slice
        The parts of every plane, in the order in which they are read.
    side : int
        Rows and columns of a window, at the most; 0 for none.
    seed : int
        Source of the randomness.
    """

    def __init__(self, planes: int, blocks: list[Window], side: int, seed: int) -> None:
        sizes = [(r.stop - r.start, c.stop - c.start) for r, c in blocks]
        self._lengths = [min(side, *along) for along in zip(*sizes, strict=True)]
        self._seed = seed
        self._places = self._drawn(planes, sizes) if side else {}
        self._windows: dict[int, Cut] = {}
        self._known: dict[int, float] = {}
        self._blocks = blocks
        self._spare: tuple[float, Cut | None] = (0.0, None)
        self._wanted = bool(side)

    def cut(self, number: int, values: Array, marks: Marks | None) -> None:
        """Cut the windows that lie in a block.

        Parameters
        ----------
        number : int
            Of the block, over all planes.
        values : NDArray
            Shape (C, Y, X).
        marks : NDArray, optional
            How its pixels are marked.
        """
        void = None if marks is None else is_void(marks)
        for order, place in self._places.get(number, []):
            share = 1.0
            if void is not None:
                place, share = self._better(order, place, void)
            self._windows[order] = self._cut(number, values, place)
            self._known[order] = share
        if void is not None and self._wanted and not void.all():
            self._keep_spare(number, values, void)

    def chosen(self, skipped: Set[int] = frozenset()) -> list[Cut]:
        """Return the windows that hold enough measurements, or else the best one.

        Parameters
        ----------
        skipped : set of int
            Planes, by their number among those read, of which none is wanted.
        """
        orders = sorted(n for n, w in self._windows.items() if w.plane not in skipped)
        good = [n for n in orders if self._known[n] >= _KNOWN]
        if good or not orders:
            return [self._windows[n] for n in good]
        best = max(orders, key=lambda n: self._known[n])
        share, spare = self._spare
        if spare is not None and share > self._known[best]:
            return [spare]
        return [self._windows[best]] if self._known[best] else []

    def _cut(self, number: int, values: Array, place: Window) -> Cut:
        """Cut a window out of a block."""
        plane, block = divmod(number, len(self._blocks))
        rows, columns = (
            slice(first.start + part.start, first.start + part.stop)
            for first, part in zip(self._blocks[block], place, strict=True)
        )
        return Cut(values[(..., *place)].copy(), plane, (rows, columns))

    def _drawn(
        self, planes: int, sizes: list[tuple[int, int]]
    ) -> dict[int, list[tuple[int, Window]]]:
        """Return windows' order and place, by the number of the block they lie in."""
        rng = np.random.default_rng(self._seed)
        total = planes * len(sizes)
        found: dict[int, list[tuple[int, Window]]] = {}
        taken = set()
        for order in rng.permutation(WINDOWS):
            number = (2 * int(order) + 1) * total // (2 * WINDOWS)
            starts = self._starts(rng, sizes[number % len(sizes)])
            if (number, *starts) not in taken:  # as of planes no larger than a window
                taken.add((number, *starts))
                found.setdefault(number, []).append((len(taken), self._at(starts)))
        return found

    def _starts(self, rng: np.random.Generator, room: tuple[int, ...]) -> list[int]:
        return [
            int(rng.integers(have - want + 1))
            for have, want in zip(room, self._lengths, strict=True)
        ]

    def _at(self, starts: list[int]) -> Window:
        rows, columns = (
            slice(start, start + want)
            for start, want in zip(starts, self._lengths, strict=True)
        )
        return rows, columns

    def _better(
        self, order: int, place: Window, void: NDArray[np.bool_]
    ) -> tuple[Window, float]:
        """Return the place that holds most measurements, of a few if need be."""
        best, share = place, 1 - float(void[place].mean())
        rng = np.random.default_rng((self._seed, order))
        for _ in range(_TRIES if share < _KNOWN else 0):
            other = self._at(self._starts(rng, void.shape))
            known = 1 - float(void[other].mean())
            if known > share:
                best, share = other, known
        return best, share

    def _keep_spare(self, number: int, values: Array, void: NDArray[np.bool_]) -> None:
        """Keep the best window of all blocks, should none that was drawn do."""
        rows, columns = np.nonzero(~void)
        starts = [
            min(max(0, int(np.median(at)) - want // 2), have - want)
            for at, want, have in zip(
                (rows, columns), self._lengths, void.shape, strict=True
            )
        ]
        place = self._at(starts)
        share = 1 - float(void[place].mean())
        if share > self._spare[0]:
            self._spare = (share, self._cut(number, values, place))
