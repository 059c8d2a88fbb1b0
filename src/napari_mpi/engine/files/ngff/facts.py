"""What is known of pixels that were written: their range, which is shown, and more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ranges = dict[int, tuple[float, float]]
"""Least and largest value by the number of the channel."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a slab that is done.

    Parameters
    ----------
    ranges : dict of int to (float, float)
        Least and largest value by channel.
    marks : tuple of int
        How many pixels have each `Mark`.
    merged : bool
        Whether the pixels' own values were merged in.
    """

    ranges: Ranges = field(default_factory=dict)
    marks: tuple[int, ...] = ()
    merged: bool = True


def facts_of(
    block: NDArray[np.generic],
    index: Sequence[slice],
    axes: str,
    marks: Sequence[int],
    *,
    merged: bool,
) -> Facts:
    """Return what is known of a slab.

    Parameters
    ----------
    block : NDArray
        Its pixels, as they are written.
    index : sequence of slice
        Where they are.
    axes : str
        Letters of its dimensions.
    marks : sequence of int
        How many pixels have each `Mark`.
    merged : bool
        Whether the pixels' own values were merged in.
    """
    return Facts(ranges_in(block, index, axes), tuple(marks), merged)


def ranges_in(
    block: NDArray[np.generic], index: Sequence[int | slice], axes: str
) -> Ranges:
    """Return the ranges of the finite values of a part of an image.

    Parameters
    ----------
    block : NDArray
        The part.
    index : sequence of int and slice
        Where it is.
    axes : str
        Letters of its dimensions.
    """
    axis = next((n for n, letter in enumerate(axes) if letter in "CS"), None)
    count = 1 if axis is None else block.shape[axis]
    part = None if axis is None else index[axis]
    first = part.start if isinstance(part, slice) else part or 0
    ranges = {}
    for number in range(count):
        values = block if axis is None else np.asarray(block.take(number, axis))
        if values.dtype.kind == "f":
            values = values[np.isfinite(values)]
        if values.size:
            ranges[first + number] = values.min().item(), values.max().item()
    return ranges


def widen(ranges: Ranges, others: Mapping[int, tuple[float, float]]) -> None:
    """Let ranges hold others too.

    Parameters
    ----------
    ranges : dict
        They are changed.
    others : mapping
        Of other parts.
    """
    for number, (low, high) in others.items():
        known = ranges.get(number, (np.inf, -np.inf))
        ranges[number] = min(known[0], low), max(known[1], high)


def add_windows(
    attributes: Mapping[str, Any], ranges: Mapping[int, tuple[float, float]]
) -> None:
    """Tell the range of every channel that is described but without one; NGFF asks it.

    Parameters
    ----------
    attributes : mapping
        As `group_attributes` returns them; they are changed.
    ranges : mapping of int to (float, float)
        Least and largest value of each channel; 0 and 1 where there is none.
    """
    described = attributes.get("ome", attributes)
    for number, channel in enumerate(described.get("omero", {}).get("channels", [])):
        low, high = ranges.get(number, (0.0, 1.0))
        ends = {"min": low, "max": high, "start": low, "end": high}
        channel.setdefault("window", ends)
