"""From clean crops to what the network gets: step after step, as in a camera."""

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_mpi.engine.networks.residual import Neighbours
from napari_mpi.engine.pretraining.corruption.draws import Draws
from napari_mpi.engine.pretraining.corruption.masks import masks
from napari_mpi.engine.pretraining.corruption.noise import noisy, striped
from napari_mpi.engine.pretraining.corruption.scenes import dimmed, emptied
from napari_mpi.engine.pretraining.corruption.sensor import digitised, seen_by_camera
from napari_mpi.engine.settings.corruption import CorruptionConfig


@dataclass(frozen=True, slots=True)
class Crops:
    """Crops as the network gets them, and what it should make of them.

    Parameters
    ----------
    clean, noisy : Tensor
        Shape (N, C, Y, X), float32.
    masked : Tensor
        Shape (N, C or 1, Y, X), bool; True = hidden.
    beside : Neighbours, optional
        The planes on either side, as noisy as these.
    """

    clean: Tensor
    noisy: Tensor
    masked: Tensor
    beside: Neighbours | None = None


def corrupt(
    crops: Tensor,
    config: CorruptionConfig,
    *,
    rng: torch.Generator,
    fixed_share: float = 0.0,
) -> Crops:
    """Draw everything that pre-training leaves to chance, but for the crops.

    The target is what the same detector would show without noise and faults: it is
    darkened, raised by the pedestal, cut at saturation and empty where the input is. It
    is neither noisy nor striped nor rounded to levels, and has no faulty pixels.

    Parameters
    ----------
    crops : Tensor
        Shape (N, C, Y, X), float32, 0..1, on the device of ``rng``.
    config : CorruptionConfig
        What is drawn, and how often.
    rng : torch.Generator
        Source of the randomness.
    fixed_share : float
        Crops whose channels are planes of one detector and have its faults in common.
    """
    count, channels, height, width = crops.shape
    draws = Draws((count, channels, height, width), rng)
    if fixed_share > 0:
        draws = dataclasses.replace(draws, is_fixed=draws.chosen(fixed_share))
    clean = dimmed(crops, config, draws)
    seen = striped(noisy(clean, config, draws), config, draws)
    clean, seen = seen_by_camera(clean, seen, config, draws)
    clean, seen = digitised(clean, seen, config, draws)
    if config.untouched_share > 0:
        seen = torch.where(draws.chosen(config.untouched_share), clean, seen)
    clean, seen = emptied(clean, seen, config, draws)
    return Crops(clean, seen, masks(config, draws))
