"""When to stop adapting: what pixels that were never learnt from say about the error.

The masked loss is expected to be the error of the prediction plus the variance of the
noise (Ma et al. 2024, section 3.2), so its fall is a fall of the error, and no clean
image is needed to see it. On pixels that the network learns from it also falls because
their noise is learnt; so some pixels are held out of the loss, and hidden always.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from napari_mpi.engine.filling.adaptation import Adaptation
from napari_mpi.engine.filling.ensemble import TensorIndex
from napari_mpi.engine.filling.masks import shape_of

HELD_OUT = 0.05
"""Share of the pixels that the network never learns from."""

FIRST_CHECK, FIRST_STOP = 12, 48
"""Iterations before the first check, and before it may stop by what it finds.

Each further check comes after twice as many iterations. After the 24th, a tenth of a dB
is still to be gained in grey images under strong noise, which is too little to be seen
in the held-out error (`benchmarks/compare.py effort`)."""

WORTH = 0.08
"""Gain in dB of the hidden pixels' error, for which as many iterations again pay.

A gain counts with its standard error on top: where noise hides it, it is not taken to
be over. What the rule costs and saves is measured by `benchmarks/compare.py effort`."""

_COLOURS = 3  # images of one plane at the most, none of which may be left out
_SIDE = 512  # pixels, of the part of a larger image that is checked
_LEAST_SHARE = 0.01  # of the noise variance, that an error is taken to be at least
_LEAST_ERROR = 1e-12  # of an image without noise or error, so that it has decibels


class StopRule:
    """Watches the error of held-out pixels, and keeps the weights of the least.

    Parameters
    ----------
    noisy : Tensor
        Shape (N, C, Y, X), float32.
    mask_ratio : float
        Share of the other pixels that is hidden where the error is measured.
    shared : bool
        One mask for all channels.
    rng : torch.Generator
        Source of the randomness, on the device of ``noisy``.
    void : Tensor, optional
        Shape (N, 1, Y, X), bool: pixels that are no measurement, and are not held out.
    """

    def __init__(
        self,
        noisy: Tensor,
        mask_ratio: float,
        shared: bool,
        *,
        rng: torch.Generator,
        void: Tensor | None = None,
    ) -> None:
        shape = shape_of(noisy, shared=shared)
        images, _, height, width = shape

        def drawn(share: float) -> Tensor:
            return torch.rand(shape, generator=rng, device=noisy.device) < share

        self.held_out = drawn(HELD_OUT)
        self.held_out[..., height // 2, width // 2] = True  # one at least
        self._window = _centre(images, height, width)
        if void is not None:
            self.held_out &= ~void
            if not self.held_out[self._window].any():
                self._window = (...,)
                self.held_out |= _first(~void)
        self._hidden = (drawn(mask_ratio) | self.held_out)[self._window]
        self._errors: list[float] = []
        self.checks: tuple[tuple[int, float], ...] = ()
        """Iteration and mean squared error of every check so far."""
        self._squares = torch.empty(0)  # of the last check, pixel by pixel
        self._best: Mapping[str, Tensor] | None = None
        self._next = 0
        self._limit = 0
        self.has_stopped = False

    def to(self, device: torch.device | str) -> None:
        """Move masks and kept weights to a device."""
        self.held_out, self._hidden = self.held_out.to(device), self._hidden.to(device)
        self._squares = self._squares.to(device)
        if self._best is not None:
            self._best = {name: value.to(device) for name, value in self._best.items()}

    def allow(self, iterations: int) -> None:
        """Go on up to so many iterations; more than before make it start anew."""
        if iterations > self._limit:
            self._limit, self.has_stopped = iterations, False

    def is_due(self, iteration: int) -> bool:
        """Whether to check after so many iterations."""
        return iteration >= min(self._next, self._limit) and not self.has_stopped

    def check(
        self, iteration: int, adaptation: Adaptation, noisy: Tensor, variance: float
    ) -> None:
        """Measure the error; stop, with the best weights, where it no longer pays.

        Parameters
        ----------
        iteration : int
            Iterations done.
        adaptation : Adaptation
            What was reached.
        noisy : Tensor
            Shape (N, C, Y, X), the whole image.
        variance : float
            Of the noise, which the squared differences hold beside the error.
        """
        part = noisy[self._window]
        left = (adaptation.predict(part, self._hidden) - part).square()
        squares = left[self.held_out[self._window].expand_as(left)]
        least = max(_LEAST_SHARE * variance, _LEAST_ERROR)
        error = max(float(squares.mean()) - variance, least)
        doubt = self._doubt(squares)
        # Later weights are preferred unless they are worse beyond doubt.
        if not self._errors or error < min(self._errors) + 2 * doubt:
            self._best = adaptation.weights()
        gain = self._gain(error, doubt)
        self._errors.append(error)
        self.checks = (*self.checks, (iteration, error))
        self._squares = squares
        self._next = max(FIRST_CHECK, 2 * iteration)
        pays = gain >= WORTH or iteration < FIRST_STOP
        if not pays or iteration >= self._limit:
            self.has_stopped = True
            assert self._best is not None
            adaptation.restore(self._best)

    def _doubt(self, squares: Tensor) -> float:
        """Return the standard error of the error's change since the last check."""
        if not self._errors:
            return 0.0
        changes = squares - self._squares
        return float(changes.std(correction=0)) / math.sqrt(changes.numel())

    def _gain(self, error: float, doubt: float) -> float:
        """Return what the error may have gained since the last check, in dB."""
        if not self._errors:
            return math.inf
        fall = self._errors[-1] - error + doubt
        return _decibel(1 + max(fall, -0.5 * error) / error)


def _first(known: Tensor) -> Tensor:
    """Return where the first pixel is that is known."""
    return (known.flatten().cumsum(0) == 1).reshape(known.shape) & known


def _centre(images: int, height: int, width: int) -> TensorIndex:
    """Return the middle of the first images, as many as make one of the side."""
    top, left = max(0, (height - _SIDE) // 2), max(0, (width - _SIDE) // 2)
    few = max(1, _SIDE**2 // (min(height, _SIDE) * min(width, _SIDE)))
    places = (slice(top, top + _SIDE), slice(left, left + _SIDE))
    return (
        (slice(0, max(few, _COLOURS)), ..., *places) if images > 1 else (..., *places)
    )


def _decibel(ratio: float) -> float:
    return 10 * math.log10(ratio)
