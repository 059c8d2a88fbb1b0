"""The ensemble: what the predictions of all iterations so far amount to."""

import math
from types import EllipsisType

import torch
from torch import Tensor

from napari_mpi.engine.settings.filling import FillingConfig

TensorIndex = tuple[EllipsisType | slice, ...]
"""Where a crop lies in (N, C, Y, X): an index of tensors."""


class Ensemble:
    """An exponential average of predictions, pixel by pixel.

    Parameters
    ----------
    noisy : Tensor
        Shape (N, C, Y, X), float32 or float64, which the ensemble keeps.
    config : FillingConfig
        Decay, start and what enters are read from it.
    """

    def __init__(self, noisy: Tensor, config: FillingConfig) -> None:
        self.image = noisy.clone()
        counted = config.ensemble_start != "noisy"
        self._fills = torch.zeros_like(noisy) if counted else None
        self._decay = config.ema_decay
        self._takes_all = config.ensemble_of == "all"
        self._starts_at_fill = config.ensemble_start == "first-fill"

    def to(self, device: torch.device | str) -> None:
        """Move to a device."""
        self.image = self.image.to(device)
        self._fills = None if self._fills is None else self._fills.to(device)

    def move(self, filled: Tensor, masked: Tensor, window: TensorIndex) -> None:
        """Move towards a prediction; of hidden pixels only, as a rule.

        Parameters
        ----------
        filled : Tensor
            The prediction for the pixels of ``window``.
        masked : Tensor
            Of the same shape but for C, which may be 1; True = hidden.
        window : tuple
            Where it belongs.
        """
        image = self.image[window]
        entering = torch.ones_like(masked) if self._takes_all else masked
        rate = self._rate(entering, window).expand_as(filled)
        moved = torch.lerp(image, filled, rate)
        image.copy_(torch.where(entering, moved, image))

    def _rate(self, entering: Tensor, window: TensorIndex) -> Tensor:
        """Return how far to go towards the prediction, 0..1."""
        rate = self.image.new_full((), 1.0 - self._decay)
        if self._fills is None:
            return rate
        fills = self._fills[window]
        fills += entering
        if self._starts_at_fill:
            return torch.where(fills <= 1, 1.0, rate)
        return unbiased_rate(fills, self._decay)


def unbiased_rate(fills: Tensor, decay: float) -> Tensor:
    """Return how far to go towards a prediction for a mean without bias.

    Parameters
    ----------
    fills : Tensor
        How many fills every pixel has had, this one included.
    decay : float
        Share of the ensemble that survives one fill, 0 <= decay < 1.
    """
    rate = fills.new_full((), 1.0 - decay)
    if decay == 0:
        return rate
    # The weights of the fills so far sum to 1 - decay**fills.
    return rate / -torch.expm1(fills.clamp(min=1) * math.log(decay))
