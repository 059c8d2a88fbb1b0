"""How far to look beside a plane: what hidden pixels say of it.

A hidden pixel's prediction can be compared with its own noisy value: of two ways to
predict it, the one that comes closer is the better one, whatever the noise. So pixels
of some windows are hidden, and predicted from their plane alone and with its
neighbours.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_mpi.engine.denoising.neighbours.agreement import Agreement, agreement
from napari_mpi.engine.denoising.neighbours.average import averaged
from napari_mpi.engine.denoising.neighbours.places import (
    REACHES,
    Reach,
    beside,
    reach_in_words,
)
from napari_mpi.engine.denoising.noisy import Noisy
from napari_mpi.engine.denoising.planes import Plane
from napari_mpi.engine.filling.masks import random_mask, shape_of
from napari_mpi.engine.filling.merging import NoiseModels, Predict, variance_of
from napari_mpi.engine.images.tiles import Window
from napari_mpi.engine.noise.smoothing import scattered
from napari_mpi.engine.runtime.jobs import Job

WORTH = 0.1
"""Share of the error of hidden pixels, from which on neighbours are worth it:
about half a dB. Of pixels that see their own value, too, less is to be gained."""

_HIDDEN = 0.3  # share of a window's pixels
_DOUBT = 2.0  # standard errors, by which neighbours must be better
_SURE = 0.9  # share of the error, up to which a gain can be told


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """How far is looked beside the planes of a channel.

    Parameters
    ----------
    reach : dict
        Planes on either side, by axis letter; empty for none.
    gain : float, optional
        By what share the error of hidden pixels falls with it, noise aside; None where
        it was not asked.
    why : str
        Why it could not be asked.
    """

    reach: dict[str, int]
    gain: float | None = None
    why: str = ""

    @property
    def is_used(self) -> bool:
        """Whether planes are averaged at all."""
        return any(self.reach.values())

    def words(self) -> str:
        """Return what was chosen, and why."""
        told = reach_in_words(self.reach)
        if self.gain is None:
            return f"{told}: {self.why}" if self.why else told
        if not self.is_used:
            better = "hardly" if self.gain > 0 else "no"
            return f"{told}: with others, hidden pixels are predicted {better} better"
        # So much that it hangs on how well the noise is known.
        better = "far" if self.gain > _SURE else f"{100 * self.gain:.0f} %"
        return f"{told}: hidden pixels are predicted {better} better"


@dataclass(frozen=True, slots=True)
class Trial:
    """Windows of a channel, on which ways to look beside a plane are compared.

    Parameters
    ----------
    places : sequence of (Plane, Window)
        The windows.
    planes : mapping
        The channel's planes, by where they stand, see `ImageAxes.numbers`.
    read : callable
        Reads a window of a plane, see `Reader.read`.
    predict : callable
        Predicts with the network as it was before any adaptation.
    models : tuple of tuple of NoiseModel
        Noise by image and channel.
    shared : bool
        Whether one mask is for all channels of the network.
    seed : int
        Source of the randomness.
    """

    places: Sequence[tuple[Plane, Window]]
    planes: Mapping[tuple[int, ...], Plane]
    read: Callable[[Plane, Window], Noisy]
    predict: Predict
    models: NoiseModels
    shared: bool
    seed: int


def choose_reach(trial: Trial, axes: str) -> Job[None, Neighbourhood]:
    """Choose how far to look, along each axis and along all of them.

    Parameters
    ----------
    trial : Trial
        What it is tried on.
    axes : str
        Letters of the axes along which there are neighbours.

    Yields
    ------
    None
        Between predictions.
    """
    places = yield from _hidden_places(trial)
    alone = _Tried({}, torch.cat([place.squares(place.alone) for place in places]))
    best = []
    for axis in axes:
        found = yield from _best_along(axis, places, alone)
        best += [found] if found.reach else []
    if len(best) > 1:
        both = {axis: n for tried in best for axis, n in tried.reach.items()}
        best.append((yield from _tried(both, places)))
    if not best:
        return Neighbourhood({}, 0.0)
    chosen = min(best, key=lambda tried: tried.error)
    noise = float(torch.cat([place.variance for place in places]).mean())
    fall = alone.error - chosen.error
    gain = fall / max(alone.error - noise, fall)
    return Neighbourhood(chosen.reach if gain >= WORTH else {}, gain)


@dataclass(frozen=True, slots=True)
class _Tried:
    """How well hidden pixels are predicted by one way to look."""

    reach: dict[str, int]
    squares: Tensor  # of what predictions and noisy values differ by

    @property
    def error(self) -> float:
        return float(self.squares.mean())

    def is_better_than(self, other: "_Tried") -> bool:
        """Whether it is so beyond what chance alone would make of it."""
        if self.squares.numel() < 2:
            return False
        falls = other.squares - self.squares
        doubt = float(falls.std()) / math.sqrt(falls.numel())
        return float(falls.mean()) > _DOUBT * doubt


def _best_along(
    axis: str, places: list["_HiddenPlace"], alone: _Tried
) -> Job[None, _Tried]:
    """Return how far to look along an axis; farther only while that is better."""
    best = alone
    for most in REACHES:
        tried = yield from _tried({axis: most}, places)
        if not tried.is_better_than(best):
            break
        best = tried
    return best


def _tried(reach: dict[str, int], places: list["_HiddenPlace"]) -> Job[None, _Tried]:
    squares = []
    for place in places:
        predicted = yield from place.predicted(reach)
        squares.append(place.squares(predicted))
    return _Tried(reach, torch.cat(squares))


def _hidden_places(trial: Trial) -> Job[None, list["_HiddenPlace"]]:
    rng = torch.Generator().manual_seed(trial.seed)
    places = []
    for plane, window in trial.places:
        places.append(_HiddenPlace(trial, plane, window, rng))
        yield
    return places


class _HiddenPlace:
    """A window some of whose pixels are hidden, and what they were predicted as."""

    def __init__(
        self, trial: Trial, plane: Plane, window: Window, rng: torch.Generator
    ) -> None:
        self._trial, self._plane, self._window = trial, plane, window
        own = self._own = trial.read(plane, window)
        void = own.void
        shape = shape_of(own.image, shared=trial.shared)
        masked = random_mask(shape, _HIDDEN, rng=rng).to(own.image.device)
        self._masked = masked if void is None else masked & ~void
        self._gaps = None if void is None else scattered(void)
        hidden = masked if self._gaps is None else masked | self._gaps
        self.alone = trial.predict(own.image, hidden)
        self._found: dict[tuple[int, ...], Agreement | None] = {}

    @property
    def variance(self) -> Tensor:
        """That of the noise of every hidden pixel."""
        where = self._masked.expand_as(self.alone)
        return variance_of(self._trial.models, self.alone)[where]

    def squares(self, predicted: Tensor) -> Tensor:
        """Return by how much hidden pixels differ from their prediction, squared."""
        where = self._masked.expand_as(predicted)
        return (predicted - self._own.image).square()[where]

    def predicted(self, reach: Reach) -> Job[None, Tensor]:
        """Predict with neighbours; as without where there are none."""
        layout, found = self._plane.layout, []
        for index in beside(layout, self._plane.index, reach):
            key = layout.numbers(index)
            if key not in self._found:
                self._found[key] = self._compared(self._trial.planes[key])
                yield
            compared = self._found[key]
            found += [] if compared is None else [compared]
        if not found:
            return self.alone
        # Of its own, a hidden pixel has what is predicted from its plane alone.
        instead = torch.where(self._masked, self.alone, self._own.image)
        mean = averaged(self._own, found, self._trial.models, instead)
        yield
        return self._trial.predict(mean.image, self._gaps)

    def _compared(self, other: Plane) -> Agreement | None:
        trial = self._trial
        seen = trial.read(other, self._window)
        if seen.is_void or not other.is_usual:
            return None
        return agreement(self._own, seen, trial.predict, trial.models, self._masked)
