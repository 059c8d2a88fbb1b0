"""What comes and goes between planes: objects, other scenes, sharpness."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_mpi.engine.pretraining.corruption.draws import Draws

_OBJECTS = 0.25  # share of the scenes that another one passes in front of
_KNOTS = 7  # along each side, of their outlines
_EDGE = 0.1  # over which an outline is soft; its field has a standard deviation of 1
_FICKLE = 0.3  # share of those that come and go
_THERE = 0.7  # share of the planes where they are
_TURNING = 0.18  # share of the scenes that turn into another
_SUDDENNESS = (0.02, 2.0)  # planes; a cut is below a tenth
_UNRELATED = 0.03  # share of the scenes whose planes have nothing in common
_DEFOCUSED = 0.3
_BLUR = (0.1, 1.5)  # pixels for every plane out of focus


def with_objects(scene: Tensor, other: Tensor, draws: Draws) -> Tensor:
    """Let parts of another scene, moving by itself, cover a share of the scenes.

    Parameters
    ----------
    scene, other : Tensor
        Shape (N, F, Y, X).
    draws : Draws
        Of that shape.
    """
    count, planes = draws.shape[:2]
    outline = torch.sigmoid((_field(draws) - draws.even(0.3, 1.5)) / _EDGE)
    there = draws.uniform(count, planes, 1, 1) < _THERE
    shown = outline * (there | ~draws.chosen(_FICKLE)) * draws.chosen(_OBJECTS)
    return torch.lerp(scene, other, shown)


def turning_into(scene: Tensor, other: Tensor, times: Tensor, draws: Draws) -> Tensor:
    """Turn a share of the scenes into another along the planes: slowly, or by a cut.

    Where slices differ more and more, they do not do so everywhere at once.
    """
    duration = draws.scaled(*_SUDDENNESS)
    moment = draws.even(-2.5, 2.5) + _field(draws) * duration
    share = torch.sigmoid((times - moment) / duration) * draws.chosen(_TURNING)
    return torch.lerp(scene, other, share)


def unrelated(scene: Tensor, times: Tensor, draws: Draws) -> Tensor:
    """Give a share of the crops the planes of others on either side."""
    mixed = torch.stack(
        [scene[:, n].roll(n + 1, dims=0) for n in range(scene.shape[1])], dim=1
    )
    return torch.where(draws.chosen(_UNRELATED) & (times != 0), mixed, scene)


def defocused(scene: Tensor, times: Tensor, draws: Draws) -> Tensor:
    """Blur planes of a share of the crops by their distance from one in focus."""
    in_focus = draws.even(-2, 2) * draws.chosen(0.5)  # in half, the middle plane is
    blur = draws.scaled(*_BLUR) * (times - in_focus).abs() * draws.chosen(_DEFOCUSED)
    height, width = scene.shape[-2:]
    squared = (
        torch.fft.fftfreq(height, device=scene.device).reshape(-1, 1) ** 2
        + torch.fft.rfftfreq(width, device=scene.device) ** 2
    )
    spectrum = torch.fft.rfft2(scene)
    spectrum = spectrum * torch.exp(-2 * squared * (math.pi * blur) ** 2)
    seen: Tensor = torch.fft.irfft2(spectrum, s=(height, width))
    return seen.clamp(min=0)


def _field(draws: Draws) -> Tensor:
    """Draw smooth fields of mean 0 and variance about 1, shape (N, 1, Y, X)."""
    count, _, height, width = draws.shape
    knots = draws.normal(count, 1, _KNOTS, _KNOTS)
    return F.interpolate(knots, size=(height, width), mode="bicubic")
