"""Colours turned into their mean and their differences, each a grey plane, and back."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]
Real = NDArray[np.floating]


def opponents(channels: int) -> NDArray[np.float64]:
    """Return an orthonormal matrix that turns channels into mean and differences.

    Its first row is the mean, times the root of their number; each further one sums to
    0. Noise that is independent from channel to channel, and equally strong, stays so,
    while what the channels show alike is left in the first row's plane only. Of three
    colours the others are (R - B) and (R - 2 G + B), each by its length.

    Parameters
    ----------
    channels : int
        How many, at least 1.

    Returns
    -------
    NDArray
        Shape (channels, channels): the discrete cosine transform.
    """
    number = np.arange(channels)
    waves = np.cos(np.pi * np.outer(number, 2 * number + 1) / (2 * channels))
    return np.asarray(waves / np.linalg.norm(waves, axis=1, keepdims=True))


def noise_sources(channels: int) -> NDArray[np.float64]:
    """Return what of the opponents the noise of each goes with, up to a constant.

    Where noise grows with intensity, as that of photons does, that of an opponent grows
    with the colours which are in it, by the squares of their shares: that of (R - B)
    with (R + B) / 2. The mean's grows with the mean.

    Parameters
    ----------
    channels : int
        How many, at least 1.

    Returns
    -------
    NDArray
        Shape (channels, channels), by which opponents are multiplied.
    """
    matrix = opponents(channels)
    return np.asarray(np.sqrt(channels) * np.square(matrix) @ matrix.T)


@dataclass(frozen=True, slots=True)
class Colours:
    """The colours of an item: which say something of their own, and their opponents.

    A colour that is constant, or that repeats another all over the item, is left out,
    and comes back exactly as it was made from: grey stays grey.

    Parameters
    ----------
    firsts : tuple of int
        For each colour the number of the first that equals it: its own, mostly.
    constants : tuple of float or None
        For each colour its value where it has a single one.
    """

    firsts: tuple[int, ...]
    constants: tuple[float | None, ...]

    def __and__(self, other: "Colours") -> "Colours":
        """Return what holds for two parts of an item together."""
        pairs = list(zip(self.firsts, other.firsts, strict=True))
        values = zip(self.constants, other.constants, strict=True)
        return Colours(
            tuple(pairs.index(pair) for pair in pairs),
            tuple(one if one == another else None for one, another in values),
        )

    @property
    def distinct(self) -> tuple[int, ...]:
        """Numbers of the colours that are neither constant nor repeat another."""
        pairs = enumerate(zip(self.firsts, self.constants, strict=True))
        return tuple(n for n, (first, same) in pairs if n == first and same is None)

    @property
    def is_reduced(self) -> bool:
        """Whether any colour is left out."""
        return len(self.distinct) < len(self.firsts)

    @property
    def gain(self) -> float:
        """Standard deviation of the noise of colours, by that of `to_opponents`."""
        return float(np.sqrt(len(self.distinct)))

    def to_opponents(self, colours: Real) -> Real:
        """Turn colours in 0..1 into their opponents in 0..1.

        All are divided by the same number, so that they have the same noise: the first
        is the mean of the colours, the others lie around 0.5.

        Parameters
        ----------
        colours : NDArray
            Shape (C, Y, X), of a float type, which is kept.

        Returns
        -------
        NDArray
            Shape (K, Y, X) for K colours that are `distinct`.
        """
        matrix = (opponents(len(self.distinct)) / self.gain).astype(colours.dtype)
        planes: Real = np.tensordot(matrix, colours[list(self.distinct)], axes=1)
        planes[1:] += 0.5
        return planes

    def from_opponents(self, planes: Real) -> Real:
        """Undo `to_opponents`; constant colours are 0, see `with_constants`."""
        centred = planes.copy()
        centred[1:] -= 0.5
        matrix = opponents(len(self.distinct)).T * self.gain
        return self._spread_out(matrix, centred)

    def variances(self, planes: Real) -> Real:
        """Return the variances of colours whose opponents have the given ones.

        Parameters
        ----------
        planes : NDArray
            Shape (K, Y, X).
        """
        matrix = opponents(len(self.distinct)).T * self.gain
        return self._spread_out(matrix**2, planes)

    def with_constants(self, colours: Array) -> Array:
        """Set what is constant in colours (C, Y, X), in place."""
        for number, constant in enumerate(self.constants):
            if constant is not None:
                colours[number] = constant
        return colours

    def _spread_out(self, matrix: NDArray[np.float64], planes: Real) -> Real:
        """Give every colour what the matrix makes of the planes, or zeros."""
        made = np.tensordot(matrix.astype(planes.dtype), planes, axes=1)
        colours = np.zeros((len(self.firsts), *planes.shape[1:]), planes.dtype)
        for row, number in enumerate(self.distinct):
            colours[[n for n, first in enumerate(self.firsts) if first == number]] = (
                made[row]
            )
        return colours


def colours_of(part: Array) -> Colours:
    """Find which colours are constant, and which repeat another.

    Parameters
    ----------
    part : NDArray
        Shape (C, Y, X): a part of an item; parts are put together by ``&``.
    """
    firsts = tuple(
        next(n for n, other in enumerate(part) if np.array_equal(colour, other))
        for colour in part
    )
    ends = [(colour.min().item(), colour.max().item()) for colour in part]
    return Colours(firsts, tuple(low if low == high else None for low, high in ends))
