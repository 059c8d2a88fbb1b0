"""From crops and the planes beside them to what a network with neighbours gets."""

import torch
from torch import Tensor

from napari_mpi.engine.networks.residual import Neighbours
from napari_mpi.engine.pretraining.corruption.corrupt import Crops, corrupt
from napari_mpi.engine.pretraining.corruption.draws import Draws
from napari_mpi.engine.pretraining.neighbours.changes import (
    defocused,
    turning_into,
    unrelated,
    with_objects,
)
from napari_mpi.engine.pretraining.neighbours.light import lit
from napari_mpi.engine.pretraining.neighbours.motion import moved
from napari_mpi.engine.pretraining.neighbours.presence import seen_planes
from napari_mpi.engine.settings.corruption import CorruptionConfig

_FIXED = 0.5  # share of the crops whose detector has the same faults in every plane


def corrupt_sequence(
    planes: Tensor, config: CorruptionConfig, *, rng: torch.Generator
) -> Crops:
    """Draw all that pre-training with neighbours leaves to chance, but for the crops.

    The planes of a volume stay as they are but for their light. A still, which has
    the same picture in all planes, is made to move and to change.

    Parameters
    ----------
    planes : Tensor
        Shape (N, F, Y, X), float32, 0..1, on the device of ``rng``; the middle one is
        to be filled.
    config : CorruptionConfig
        What is drawn, and how often.
    rng : torch.Generator
        Source of the randomness.

    Returns
    -------
    Crops
        Of the middle planes, with their neighbours.
    """
    middle = planes.shape[1] // 2
    times = torch.arange(planes.shape[1], device=planes.device) - middle
    times = times.reshape(1, -1, 1, 1)
    clean = sequence(planes, times, rng=rng)
    crops = corrupt(clean, config, rng=rng, fixed_share=_FIXED)
    beside = [n for n in range(planes.shape[1]) if n != middle]
    count, _, height, width = planes.shape
    draws = Draws((count, len(beside), height, width), rng)
    seen = seen_planes(times[:, beside], draws)
    one = slice(middle, middle + 1)
    masked = crops.masked[:, one] if crops.masked.shape[1] > 1 else crops.masked
    around = Neighbours(crops.noisy[:, beside], seen)
    return Crops(crops.clean[:, one], crops.noisy[:, one], masked, around)


def sequence(planes: Tensor, times: Tensor, *, rng: torch.Generator) -> Tensor:
    """Return the clean planes, shape (N, F, Y, X), at the times (1, F, 1, 1)."""
    count, frames, height, width = planes.shape
    draws = Draws((count, frames, height, width), rng)
    middle = planes[:, frames // 2 : frames // 2 + 1]
    is_still = (planes == middle).all(dim=(1, 2, 3), keepdim=True)
    scene = moved(middle.expand_as(planes), times, draws)
    other = moved(middle.roll(1, dims=0).expand_as(planes), times, draws)
    scene = with_objects(scene, other, draws)
    scene = turning_into(scene, other.roll(1, dims=0), times, draws)
    scene = defocused(unrelated(scene, times, draws), times, draws)
    return lit(torch.where(is_still, scene, planes), times, draws)
