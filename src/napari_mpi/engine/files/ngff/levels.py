"""The levels of an OME-Zarr image: which a result has, and how they are made."""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

BAND = 1 << 25
"""Bytes of chunks that are written at once."""

Array = NDArray[np.generic]


def factors_of(finer: Sequence[int], coarser: Sequence[int]) -> tuple[int, ...] | None:
    """Return by how many pixels a level is the mean of a finer one; None if by no such.

    Parameters
    ----------
    finer, coarser : sequence of int
        Shapes of the two levels.
    """
    factors = []
    for length, wanted in zip(finer, coarser, strict=True):
        factor = max(1, round(length / max(1, wanted)))
        if wanted not in (length // factor, -(-length // factor)):
            return None
        factors.append(factor)
    return tuple(factors)


def made_levels(arrays: Sequence[Any]) -> Iterator[None]:
    """Fill each level but the first with the means of the one before it.

    Parameters
    ----------
    arrays : sequence of zarr.Array
        From the finest, which is filled, on; each a whole fraction of the one before.

    Yields
    ------
    None
        After every block of chunks.
    """
    for finer, coarser in itertools.pairwise(arrays):
        factors = factors_of(finer.shape, coarser.shape)
        assert factors is not None
        for index in bands(coarser):
            within = tuple(
                slice(part.start * factor, min(part.stop * factor, length))
                for part, factor, length in zip(
                    index, factors, finer.shape, strict=True
                )
            )
            coarser[index] = block_means(np.asarray(finer[within]), factors)
            yield


def block_means(block: Array, factors: Sequence[int]) -> Array:
    """Return the means over blocks of pixels, of the same type.

    Parameters
    ----------
    block : NDArray
        Integers, whose means are rounded, or reals.
    factors : sequence of int
        Sides of a block; at an end it may be smaller.
    """
    means = block.astype(np.float64)
    for axis, factor in enumerate(factors):
        if factor == 1:
            continue
        starts = np.arange(0, means.shape[axis], factor)
        counts = np.diff([*starts, means.shape[axis]])
        shape = [-1 if n == axis else 1 for n in range(means.ndim)]
        means = np.add.reduceat(means, starts, axis) / counts.reshape(shape)
    whole = np.rint(means) if block.dtype.kind in "ui" else means
    return whole.astype(block.dtype)


def bands(array: Any) -> Iterator[tuple[slice, ...]]:
    """Yield indices of whole chunks, or shards, beside each other along X.

    Parameters
    ----------
    array : zarr.Array
        Of a level.
    """
    steps = list(array.shards or array.chunks)
    beside = BAND // (array.dtype.itemsize * math.prod(steps))
    steps[-1] *= max(1, beside)
    starts = [range(0, n, step) for n, step in zip(array.shape, steps, strict=True)]
    for corner in itertools.product(*starts):
        yield tuple(
            slice(first, min(first + step, n))
            for first, step, n in zip(corner, steps, array.shape, strict=True)
        )
