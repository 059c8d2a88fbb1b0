"""How far the fills of a pixel lie apart: what noise makes of the prediction, about.

Of the last passes each hides another part of the pixels. What they differ by from the
prediction that hides nothing tells how much it hangs on single values; since any two of
them see mostly the same pixels, their mean square is too small, and is multiplied by
their number less one (the delete-a-group jackknife, Kott 2001).

Of the iterations, the fills that enter the ensemble count with its weights.

Two fills more or less make a rough estimate, so variances are averaged over a few
pixels: `benchmarks/uncertainty.py` measures what that gains.
"""

from typing import Literal

import torch
from torch import Tensor

from napari_mpi.engine.filling.ensemble import TensorIndex, unbiased_rate
from napari_mpi.engine.noise.smoothing import bell
from napari_mpi.engine.settings.filling import FillingConfig

SpreadOf = Literal["channels", "mean"]
"""Whose fills: every channel's, or the mean of channels that repeat a grey plane."""

SHOWS = "uncertainty: standard deviation of the fills, in the source's units"
"""What provenance says of it."""

WIDTH = 2.0
"""Pixels, standard deviation of the bell over which variances are averaged."""


class PassSpread:
    """Collects the predictions of complementary masks.

    Parameters
    ----------
    of : {'channels', 'mean'}
        See `SpreadOf`.
    """

    def __init__(self, of: SpreadOf) -> None:
        self._of = of
        self._first: Tensor | None = None
        self._count = 0

    def add(self, prediction: Tensor) -> None:
        """Count a prediction, of shape (N, C, Y, X)."""
        found = _counted(prediction, self._of)
        if self._first is None:
            self._first = found
            self._sum, self._squares = torch.zeros_like(found), torch.zeros_like(found)
        # Squares of differences that are small already: float32 resolves them.
        moved = found - self._first
        self._sum += moved
        self._squares += moved.square()
        self._count += 1

    def around(self, unmasked: Tensor, void: Tensor | None = None) -> Tensor:
        """Return standard deviations, from the prediction that hides nothing.

        Parameters
        ----------
        unmasked : Tensor
            That prediction.
        void : Tensor, optional
            Shape (N, 1, Y, X), bool: pixels that count in no mean.

        Returns
        -------
        Tensor
            Shape (N, C, Y, X), with C = 1 for the spread of a mean.
        """
        assert self._first is not None
        centre = _counted(unmasked, self._of) - self._first
        total = self._squares - 2 * centre * self._sum + self._count * centre.square()
        share = max(self._count - 1, 1) / self._count
        variance = share * total.clamp(min=0)
        if void is None:
            return bell(variance, WIDTH).sqrt()
        counted = bell((~void).to(variance.dtype), WIDTH)
        # 0 / 0 is what nobody knows.
        return (bell(variance.masked_fill(void, 0), WIDTH) / counted).sqrt()


class EnsembleSpread:
    """Second moment of the fills that enter the ensemble, with its weights.

    A noisy start of the ensemble does not count: it is no fill.

    Parameters
    ----------
    noisy : Tensor
        Shape (N, C, Y, X).
    config : FillingConfig
        Decay, and what enters, are read from it.
    of : {'channels', 'mean'}
        See `SpreadOf`; the mean only with a mask that channels share.
    """

    def __init__(self, noisy: Tensor, config: FillingConfig, of: SpreadOf) -> None:
        self._of, self._decay = of, config.ema_decay
        self._takes_all = config.ensemble_of == "all"
        counted = _counted(noisy, of)
        self._mean, self._variance, self._fills = (
            torch.zeros_like(counted) for _ in range(3)
        )

    def to(self, device: torch.device | str) -> None:
        """Move to a device."""
        self._mean = self._mean.to(device)
        self._variance = self._variance.to(device)
        self._fills = self._fills.to(device)

    def move(self, filled: Tensor, masked: Tensor, window: TensorIndex) -> None:
        """Count a prediction; for the parameters see `Ensemble.move`."""
        found = _counted(filled, self._of)
        entering = torch.ones_like(masked) if self._takes_all else masked
        mean, variance, fills = (
            kept[window] for kept in (self._mean, self._variance, self._fills)
        )
        fills += entering
        # West 1979: no difference of large numbers.
        rate = unbiased_rate(fills, self._decay) * entering
        moved = found - mean
        mean += rate * moved
        variance += rate * moved.square()
        variance *= 1 - rate

    def deviation(self) -> Tensor:
        """Return standard deviations; NaN where there are no two fills nearby.

        Returns
        -------
        Tensor
            Shape (N, C, Y, X), with C = 1 for the spread of a mean.
        """
        known = (self._fills >= 2).to(self._variance.dtype)
        # 0 / 0 is what nobody knows.
        return (bell(self._variance * known, WIDTH) / bell(known, WIDTH)).sqrt()


def _counted(image: Tensor, of: SpreadOf) -> Tensor:
    """Return what of an image (N, C, Y, X) ends in the result."""
    return image.mean(dim=1, keepdim=True) if of == "mean" else image
