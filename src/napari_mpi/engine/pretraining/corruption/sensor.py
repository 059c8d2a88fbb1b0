"""What detectors do to an image: faults, a pedestal, saturation and few levels."""

import torch
from torch import Tensor

from napari_mpi.engine.pretraining.corruption.draws import Draws
from napari_mpi.engine.settings.corruption import CorruptionConfig

_PEDESTAL = 0.3  # of the range, at most
_GAINS = (0.002, 0.03)  # standard deviation between lines; sCMOS cameras have 0.5-1 %
_FAULTY = (1e-4, 1e-2)  # share of the pixels
_DEAD = 0.25  # of those
_GLOW = (0.3, 1.3)  # of a hot pixel, as a share of the brightest of its crop
_LEVELS = (8, 256)  # from 0 to the brightest of the crop
_SATURATION = (0.5, 1.0)  # as a share of the brightest of the crop
_LEAST_RANGE = 1e-3  # of a crop that is black


def seen_by_camera(
    clean: Tensor, seen: Tensor, config: CorruptionConfig, draws: Draws
) -> tuple[Tensor, Tensor]:
    """Give a share of the crops gains of their lines, a pedestal and faulty pixels.

    The pedestal is added to the target, too: nobody can tell it from light. It comes
    after the noise, since it consists of no photons. Gains have a mean of 1, so they
    belong to the noise.
    """
    if config.camera_share == 0:
        return clean, seen
    chosen = draws.chosen(config.camera_share)
    pedestal = draws.even(0, _PEDESTAL) * chosen
    seen = pedestal + (1 - pedestal) * seen * (1 + _gains(draws) * chosen)
    clean = pedestal + (1 - pedestal) * clean
    return clean, _with_faulty_pixels(clean, seen, chosen, draws)


def _gains(draws: Draws) -> Tensor:
    """Draw how far gains of rows or columns are off 1; those of half the crops each."""
    count, channels, height, width = draws.shape
    rows = draws.normal(count, channels, height, 1)
    columns = draws.normal(count, channels, 1, width)
    gains = torch.where(draws.chosen(0.5), rows, columns)
    return draws.patterned(gains) * draws.scaled(*_GAINS)


def _with_faulty_pixels(
    clean: Tensor, seen: Tensor, chosen: Tensor, draws: Draws
) -> Tensor:
    """Replace pixels by 0 or by a glow; one in ten thousand to one in a hundred."""
    share = draws.scaled(*_FAULTY) * chosen
    drawn = draws.patterned(draws.uniform())
    kind = drawn / share  # of a faulty pixel evenly from 0 to 1, so it serves again
    low, high = _GLOW
    glow = low + (high - low) * (kind - _DEAD) / (1 - _DEAD)
    value = torch.where(kind < _DEAD, 0, glow * _brightest(clean))
    return torch.where(drawn < share, value, seen)


def digitised(
    clean: Tensor, seen: Tensor, config: CorruptionConfig, draws: Draws
) -> tuple[Tensor, Tensor]:
    """Cut a share of the crops at 0 and at saturation, and round half of them.

    Half saturate within their range, the others at 1. They are rounded to 8 to 256
    levels, evenly in the logarithm.

    The target is cut at the same values but not rounded. A detector shows nothing
    above saturation, so no more can be asked for. Noise that is cut there, and at 0,
    is off its mean by up to 0.4 standard deviations; the target stays where the mean
    was, so the network learns to undo that, and only that: away from the two limits
    nothing is cut, and the mean of the input is the target.
    """
    if config.digitised_share == 0:
        return clean, seen
    chosen, top = draws.chosen(config.digitised_share), _brightest(clean)
    saturation = torch.where(
        draws.chosen(0.5), top * draws.even(*_SATURATION), top.clamp(min=1)
    )
    step = top / draws.scaled(*_LEVELS)
    cut = seen.clamp(min=0).minimum(saturation)
    rounded = ((cut / step).round() * step).minimum(saturation)
    recorded = torch.where(draws.chosen(0.5), rounded, cut)
    target = clean.clamp(min=0).minimum(saturation)
    return torch.where(chosen, target, clean), torch.where(chosen, recorded, seen)


def _brightest(clean: Tensor) -> Tensor:
    return clean.amax(dim=(1, 2, 3), keepdim=True).clamp(min=_LEAST_RANGE)
