"""What differs between scenes: how bright they are, and where there is nothing."""

import torch
from torch import Tensor

from napari_mpi.engine.pretraining.corruption.draws import Draws
from napari_mpi.engine.settings.corruption import CorruptionConfig

_GAMMA = 2.5  # the strongest darkening is the crop to this power, ...
_DIMMEST = 0.25  # ... with this share of its brightness
_REACH = (0.3, 1.2)  # half the size of an area, in half crops


def dimmed(crops: Tensor, config: CorruptionConfig, draws: Draws) -> Tensor:
    """Darken a share of the crops: fluorescence is dark, with bright spots.

    They are raised to a power of 1 to 2.5 and multiplied by 0.25 to 1.
    """
    if config.dimmed_share == 0:
        return crops
    gamma = draws.even(1, _GAMMA)
    brightness = draws.scaled(1, _DIMMEST)
    chosen = draws.chosen(config.dimmed_share)
    return torch.where(chosen, crops.clamp(min=0) ** gamma * brightness, crops)


def emptied(
    clean: Tensor, seen: Tensor, config: CorruptionConfig, draws: Draws
) -> tuple[Tensor, Tensor]:
    """Set an area of a share of the crops to one value, the same in both.

    It is the inside or the outside of an ellipse or a rectangle: a field of view, a
    border that registration has padded, a part that was blackened. The value is 0 in
    two of three crops, else any up to 1.
    """
    if config.empty_share == 0:
        return clean, seen
    area = _area(draws) & draws.chosen(config.empty_share)
    value = draws.even(-2, 1).clamp(min=0)
    return torch.where(area, value, clean), torch.where(area, value, seen)


def _area(draws: Draws) -> Tensor:
    """Draw an area in each crop; bool, shape (N, 1, Y, X)."""
    down, right = (_distance(draws, axis) for axis in (2, 3))
    is_round, is_outside = draws.chosen(0.5), draws.chosen(0.5)
    distance = torch.where(is_round, torch.hypot(down, right), down.maximum(right))
    return (distance < 1) ^ is_outside


def _distance(draws: Draws, axis: int) -> Tensor:
    """Return how far pixels are from an area's middle, in half its size."""
    size, shape = draws.shape[axis], [1, 1, 1, 1]
    shape[axis] = size
    places = torch.linspace(-1, 1, size, device=draws.rng.device).reshape(shape)
    return (places - draws.even(-1, 1)).abs() / draws.even(*_REACH)
