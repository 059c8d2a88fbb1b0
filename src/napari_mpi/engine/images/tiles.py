"""Tiles: parts of a plane that are filled one by one, and the halo that they need."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

Window = tuple[slice, slice]
"""Rows and columns of a plane."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of a plane, and what must be seen around it to fill it.

    Parameters
    ----------
    core : tuple of slice
        Rows and columns that are its own.
    outer : tuple of slice
        The same with the halo, which ends with the plane.
    """

    core: Window
    outer: Window

    @property
    def inner(self) -> Window:
        """Where the core lies within the outer part."""
        rows, columns = (
            slice(own.start - seen.start, own.stop - seen.start)
            for own, seen in zip(self.core, self.outer, strict=True)
        )
        return rows, columns

    @property
    def at(self) -> tuple[int, int]:
        """Row and column of the plane where the outer part begins."""
        return self.outer[0].start, self.outer[1].start


def tiles(
    shape: tuple[int, int],
    side: int,
    *,
    halo: int = 0,
    step: int = 1,
    within: Window | None = None,
) -> list[Tile]:
    """Cut a plane into tiles of about equal size, row by row.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the plane.
    side : int
        Rows and columns of a tile at the most, at least 1, without its halo.
    halo : int
        Pixels around a tile that are seen but not its own, at least 0; rounded up to
        whole steps.
    step : int
        Tiles begin at multiples of it, at least 1, so that whoever works in blocks of
        pixels has the same blocks in every tile.
    within : tuple of slice, optional
        The part of the plane that is cut up, itself a tile's core; all of it if None.
    """
    wide = -(-halo // step) * step
    cut = within or (slice(0, shape[0]), slice(0, shape[1]))
    rows, columns = (_parts(length, side, step) for length in cut)
    return [
        Tile((row, column), (_seen(row, wide, shape[0]), _seen(column, wide, shape[1])))
        for row in rows
        for column in columns
    ]


def _parts(whole: slice, side: int, step: int) -> list[slice]:
    length = whole.stop - whole.start
    count = -(-length // max(side, step))
    edges = [length * part // count // step * step for part in range(count)]
    return [
        slice(whole.start + start, whole.start + stop)
        for start, stop in zip(edges, [*edges[1:], length], strict=True)
        if stop > start
    ]


def _seen(own: slice, halo: int, length: int) -> slice:
    return slice(max(0, own.start - halo), min(length, own.stop + halo))


def middle(shape: tuple[int, int], most: int) -> Window:
    """Return the middle of a plane.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the plane.
    most : int
        Rows and columns of the middle, at the most.
    """
    starts = [max(0, (side - most) // 2) for side in shape]
    rows, columns = (
        slice(start, min(side, start + most))
        for start, side in zip(starts, shape, strict=True)
    )
    return rows, columns


def evenly(items: Sequence[T], most: int) -> list[T]:
    """Return some of the items, at even distances, as the middles of equal parts.

    Parameters
    ----------
    items : sequence
        Planes, files, ...
    most : int
        How many, at the most.
    """
    count = min(most, len(items))
    return [items[(2 * n + 1) * len(items) // (2 * count)] for n in range(count)]
