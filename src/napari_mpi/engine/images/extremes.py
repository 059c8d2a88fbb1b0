"""What must not speak for an image: areas of one value, values far out, cut ends."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from napari_mpi.engine.images.marks import (
    SIDE,
    MarkRule,
    Value,
    is_constant,
    is_void,
    opened,
    same_as,
)

Array = NDArray[np.generic]
Values = NDArray[np.float64]

_ALIGNED = 4  # every square of `SIDE` holds one of this side that begins at a multiple
_VALUES = 8  # areas of different values, at the most
_SHARE = 0.005  # of the pixels, that an area must cover to count
_BESIDE = 0.5  # of the pixels next to an area, that may have its value by chance
_FAR = 4.0  # spans of all other values, from which on a value is far out
_FEW = 0.005  # share of the pixels that may be far out, where their values differ
_RARE = 0.01  # share of the pixels up to which single ones far out are hot or dead
_GAP = 0.5  # of the way to the highest value, that lies empty before rare ones
_ROUNDS = 3  # different values that are far out at one end
_BULK = 0.05  # share of the values at the other end, that a span leaves out
_CUT = 0.02  # share of the pixels at an end, from which on noise is cut off there
_SPIKE = 4.0  # times the pixels that have the next value


@dataclass(frozen=True, slots=True)
class Extent:
    """How far the values of a part of an item reach.

    Parameters
    ----------
    low, high : float
        Without what is far out; ``low > high`` where there is nothing else.
    below, above : float
        The nearest values that are far out; infinite if there are none.
    lowest, highest : float
        With what is far out.
    cut_low, cut_high : float, optional
        The end at which much of the noise is cut off, if it is.
    bulk : float
        Hardly any value is lower.
    count, far : int
        Number of values, and of those that are far out.
    """

    low: float = math.inf
    high: float = -math.inf
    below: float = -math.inf
    above: float = math.inf
    lowest: float = math.inf
    highest: float = -math.inf
    cut_low: float | None = None
    cut_high: float | None = None
    bulk: float = math.inf
    count: int = 0
    far: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is no value."""
        return self.low > self.high

    def __or__(self, other: "Extent") -> "Extent":
        """Return that of two parts together."""
        cuts_low = [e.cut_low for e in (self, other) if e.cut_low is not None]
        cuts_high = [e.cut_high for e in (self, other) if e.cut_high is not None]
        return Extent(
            min(self.low, other.low),
            max(self.high, other.high),
            max(self.below, other.below),
            min(self.above, other.above),
            min(self.lowest, other.lowest),
            max(self.highest, other.highest),
            min(cuts_low, default=None),
            max(cuts_high, default=None),
            min(self.bulk, other.bulk),
            self.count + other.count,
            self.far + other.far,
        )

    def settled(self) -> "Extent":
        """Return it with far out only what is so for all parts together."""
        far = _FAR * (self.high - self.low)
        found = self
        if self.above < math.inf and self.above - self.high < far:
            found = replace(found, high=self.highest, above=math.inf)
        if self.below > -math.inf and self.low - self.below < far:
            found = replace(found, low=self.lowest, below=-math.inf)
        return found


def rule_of(
    extent: Extent,
    constants: Iterable[Value],
    no_data: tuple[tuple[float, float], ...] = (),
) -> MarkRule:
    """Return how the pixels of an item are marked.

    Parameters
    ----------
    extent : Extent
        Of all its parts, settled.
    constants : iterable of Value
        Found in any of its parts.
    no_data : tuple of (float, float)
        What the file says.
    """
    cut_low = extent.cut_low == extent.low
    cut_high = extent.cut_high == extent.high
    return MarkRule(
        no_data,
        tuple(dict.fromkeys(constants)),
        extent.below,
        extent.above,
        extent.low if cut_low else -math.inf,
        extent.high if cut_high else math.inf,
        has_hot=extent.far <= _RARE * extent.count,
    )


@dataclass(frozen=True, slots=True)
class Found:
    """What was found in a part of an item.

    Parameters
    ----------
    extent : Extent
        How far its values reach, without what has no noise.
    constants : tuple of Value
        Values of its areas that have one exact value.
    rule : MarkRule
        How it would be marked by itself.
    """

    extent: Extent
    constants: tuple[Value, ...]
    rule: MarkRule


def look_in(part: Array, no_data: tuple[tuple[float, float], ...] = ()) -> Found:
    """Find what must not speak for a part of an item.

    Parameters
    ----------
    part : NDArray
        Shape (C, Y, X), in the image's units.
    no_data : tuple of (float, float)
        Ranges of values that stand for no measurement.
    """
    constants = tuple(constants_of(part))
    marks = MarkRule(no_data, constants).marks(part)
    known = part if marks is None else part[:, ~is_void(marks)]
    extent = extent_of(known.astype(np.float64))
    return Found(extent, constants, rule_of(extent.settled(), constants, no_data))


def constants_of(part: Array) -> list[Value]:
    """Find the values of areas that have one exact value.

    Of whole numbers there are such areas by chance too, where most pixels have the same
    value: there those beside an area have it as well, while what was never measured, or
    was set to a value, ends at an edge.

    Parameters
    ----------
    part : NDArray
        Shape (C, Y, X), of a plane.
    """
    if is_constant(part):
        return [tuple(part[:, 0, 0].tolist())]
    return [value for value in _candidates(part) if _has_edges(part, value)]


def _candidates(part: Array) -> list[Value]:
    """Return the values of constant squares, those of most squares first."""
    channels, rows, columns = part.shape
    down, across = rows // _ALIGNED, columns // _ALIGNED
    cut = part[:, : down * _ALIGNED, : across * _ALIGNED]
    squares = cut.reshape(channels, down, _ALIGNED, across, _ALIGNED)
    flat = (squares.max(axis=(2, 4)) == squares.min(axis=(2, 4))).all(axis=0)
    if flat.sum() * _ALIGNED**2 < _SHARE * rows * columns / 2:
        return []
    found, counts = np.unique(
        squares[:, :, 0, :, 0][:, flat], axis=1, return_counts=True
    )
    usual = np.argsort(-counts, kind="stable")[:_VALUES]
    return [tuple(found[:, n].tolist()) for n in usual]


def _has_edges(part: Array, value: Value) -> bool:
    """Whether an area of one value is large, and ends where others begin."""
    same = same_as(part, value)
    solid = opened(same)
    if solid.sum() < _SHARE * solid.size:
        return False
    # Not the pixels next to it, some of which did not fit into its squares.
    seen = solid.view(np.uint8)
    around = maximum_filter(seen, SIDE) > maximum_filter(seen, 3)
    return not around.any() or float(same[around].mean()) < _BESIDE


def extent_of(values: Values) -> Extent:
    """Return how far values reach, and which are far out of all others.

    Far out is what lies beyond a gap of four times the span of all others, at either
    end, if it is a single value, as of sentinels, labels and burnt pixels, or if it is
    rare and the gap is half of the way to it.

    Parameters
    ----------
    values : NDArray
        Of any shape, finite.
    """
    flat = values.ravel()
    if not flat.size:
        return Extent()
    inside, above = _without_far_out(flat)
    inside, below = _without_far_out(-inside)
    inside = -inside
    low, high = float(inside.min()), float(inside.max())
    return Extent(
        low,
        high,
        -below,
        above,
        float(flat.min()),
        float(flat.max()),
        low if _is_cut(inside, low) else None,
        high if _is_cut(-inside, -high) else None,
        _bulk(inside),
        flat.size,
        flat.size - inside.size,
    )


def _without_far_out(flat: Values) -> tuple[Values, float]:
    """Return values without the far out ones above, and the least of those."""
    above = math.inf
    for _ in range(_ROUNDS):
        highest = float(flat.max())
        rest = flat[flat < highest]
        if rest.size < flat.size / 2 or not _is_far(highest, rest):
            break
        flat, above = rest, highest
    few = int(_FEW * flat.size)
    if few > 1:
        usual = np.partition(flat, -few)[-few]
        tail = np.sort(flat[flat >= usual])
        span = tail - _bulk(flat)
        # The flanks of what is bright but blurred leave no gap of half its height.
        wide = np.maximum(_FAR * span[:-1], _GAP * span[-1])
        (far,) = np.nonzero((np.diff(tail) >= wide) & (span[:-1] > 0))
        if far.size:
            above = float(tail[far[0] + 1])
            flat = flat[flat < above]
    return flat, above


def _is_far(highest: float, rest: Values) -> bool:
    """Whether the highest value lies far out of the rest."""
    following = float(rest.max())
    span = following - _bulk(rest)
    return 0 < _FAR * span <= highest - following


def _bulk(flat: Values) -> float:
    """Return the value that few are below."""
    few = int(_BULK * flat.size)
    return float(np.partition(flat, few)[few])


def _is_cut(inside: Values, low: float) -> bool:
    """Whether many more values stand at the low end than next to it."""
    count = int((inside == low).sum())
    if count < _CUT * inside.size or count == inside.size:
        return False
    following = inside[inside > low].min()
    return count >= _SPIKE * int((inside == following).sum())
