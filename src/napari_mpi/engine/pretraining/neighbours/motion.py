"""How a scene moves from plane to plane: along, about, in and out, and by bending."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_mpi.engine.pretraining.corruption.draws import Draws

_SPEED = (0.03, 6.0)  # pixels from plane to plane
_MOVING = 0.7  # share of the scenes; the others stand still
_WANDER = (0.05, 2.0)  # pixels, of a stage that shakes
_TURN = 0.02  # radians from plane to plane, standard deviation
_ZOOM = 0.015
_BEND = (0.1, 2.5)  # pixels from plane to plane, of tissue
_KNOTS = 5  # along each side, between which it bends
_SOME = 0.3  # share of the scenes that do each of these


def moved(scene: Tensor, times: Tensor, draws: Draws) -> Tensor:
    """Move every plane as far as its time says; that of time 0 stays as it is.

    Parameters
    ----------
    scene : Tensor
        Shape (N, F, Y, X): the same or other scenes in the planes of each crop.
    times : Tensor
        Shape (1, F, 1, 1), in planes.
    draws : Draws
        Of the shape of the scene.

    Returns
    -------
    Tensor
        Of the same shape. What comes in over a border is what is beside it, mirrored.
    """
    count, planes, height, width = scene.shape
    down, right = _places(height, times.device), _places(width, times.device)
    down, right = down.reshape(1, 1, -1, 1), right.reshape(1, 1, 1, -1)
    below, beside = _displacements(down, right, times, draws)
    grid = torch.stack(
        [(right + beside) * (2 / width), (down + below) * (2 / height)], dim=-1
    )
    seen = F.grid_sample(
        scene.reshape(count * planes, 1, height, width),
        grid.reshape(count * planes, height, width, 2),
        mode="bicubic",
        padding_mode="reflection",
        align_corners=False,
    )
    return seen.reshape(scene.shape).clamp(0, 1)


def _places(side: int, device: torch.device) -> Tensor:
    """Return the middles of pixels, in pixels from the middle of a side."""
    return torch.arange(side, device=device) - (side - 1) / 2


def _displacements(
    down: Tensor, right: Tensor, times: Tensor, draws: Draws
) -> tuple[Tensor, Tensor]:
    """Return how far each pixel looks down and right, shapes (N, F, Y, X)."""
    speed = draws.scaled(*_SPEED) * draws.chosen(_MOVING)
    angle = draws.even(0, 2 * math.pi)
    turn, zoom = (
        size * draws.normal(draws.shape[0], 1, 1, 1) * draws.chosen(_SOME)
        for size in (_TURN, _ZOOM)
    )
    bent = _bends(draws)
    shaken = _shakes(times, draws)
    below = speed * angle.sin() + zoom * down + turn * right + bent[:, :1]
    beside = speed * angle.cos() + zoom * right - turn * down + bent[:, 1:]
    return below * times + shaken[..., :1], beside * times + shaken[..., 1:]


def _bends(draws: Draws) -> Tensor:
    """Draw smooth fields of displacements, shape (N, 2, Y, X)."""
    count, _, height, width = draws.shape
    knots = draws.normal(count, 2, _KNOTS, _KNOTS)
    field = F.interpolate(knots, size=(height, width), mode="bicubic")
    return field * draws.scaled(*_BEND) * draws.chosen(_SOME)


def _shakes(times: Tensor, draws: Draws) -> Tensor:
    """Draw a step of its own for each plane but the middle, shape (N, F, 1, 2)."""
    count, planes = draws.shape[:2]
    steps = draws.normal(count, planes, 1, 2) * draws.scaled(*_WANDER)
    return steps * draws.chosen(_SOME) * (times != 0)
