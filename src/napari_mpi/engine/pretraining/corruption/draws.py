"""Random numbers for a batch of crops: one for each crop, or one for each pixel."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Draws:
    """Draws on the device of its generator, with no loop and no wait for a GPU.

    Parameters
    ----------
    shape : tuple of int
        Of the crops, (N, C, Y, X).
    rng : torch.Generator
        Source of the randomness.
    is_fixed : Tensor, optional
        Shape (N, 1, 1, 1), bool: in which crops the patterns of the detector are the
        same in every plane; in none if None.
    """

    shape: tuple[int, int, int, int]
    rng: torch.Generator
    is_fixed: Tensor | None = None

    def patterned(self, drawn: Tensor) -> Tensor:
        """Give all planes of a crop what was drawn for its first, where it is fixed."""
        if self.is_fixed is None:
            return drawn
        return torch.where(self.is_fixed, drawn[:, :1], drawn)

    def even(self, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Return a number per crop, shape (N, 1, 1, 1), evenly from low to high."""
        return low + (high - low) * self.uniform(self.shape[0], 1, 1, 1)

    def scaled(self, low: float, high: float) -> Tensor:
        """Return a number per crop, evenly in the logarithm; both limits above 0."""
        return low * (high / low) ** self.even()

    def chosen(self, share: float) -> Tensor:
        """Choose a share of the crops; bool, shape (N, 1, 1, 1)."""
        return self.even() < share

    def uniform(self, *shape: int) -> Tensor:
        """Return numbers from 0 to below 1, of the crops' shape if none is given."""
        return torch.rand(
            shape or self.shape, generator=self.rng, device=self.rng.device
        )

    def normal(self, *shape: int) -> Tensor:
        """Return normal numbers, of the crops' shape if none is given."""
        return torch.randn(
            shape or self.shape, generator=self.rng, device=self.rng.device
        )

    def photons(self, expected: Tensor) -> Tensor:
        """Return counts of the given means."""
        return torch.poisson(expected, generator=self.rng)
