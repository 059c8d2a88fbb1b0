"""Which planes beside a crop there are, and where they may be looked at."""

import torch
from torch import Tensor

from napari_mpi.engine.pretraining.corruption.draws import Draws

_NONE = 0.25  # share of the crops without any neighbour: single images
_NEAREST = 0.2  # share with those next to it alone
_AT_AN_END = 0.2  # share at the first or last planes of a stack
_LEFT_OUT = 0.1  # share of which one neighbour is left out in an area
_REACH = (0.2, 1.0)  # half the size of an area, in half crops


def seen_planes(times: Tensor, draws: Draws) -> Tensor:
    """Draw which pixels of the neighbours may be looked at.

    Parameters
    ----------
    times : Tensor
        Shape (1, P, 1, 1): how many planes before or after each neighbour is.
    draws : Draws
        Whose shape is (N, any, Y, X).

    Returns
    -------
    Tensor
        Shape (N, P, Y, X), bool.
    """
    farthest = times.abs().max()
    kind = draws.even()
    sees_any = kind >= _NONE
    reach = torch.where(kind < _NONE + _NEAREST, 1, farthest)
    # At an end there are 0 or more planes left on one side, less than there could be.
    left = (draws.even() * farthest).floor()
    is_at_end, is_first = draws.chosen(_AT_AN_END), draws.chosen(0.5)
    towards = torch.where(is_first, -times, times)
    is_there = (times.abs() <= reach) & sees_any
    is_there = is_there & ~(is_at_end & (towards > left))
    return is_there & ~_left_out(times.shape[1], draws)


def _left_out(planes: int, draws: Draws) -> Tensor:
    """Draw a box in some neighbours of some crops; shape (N, P, Y, X)."""
    count, _, height, width = draws.shape
    inside = torch.ones((), dtype=torch.bool, device=draws.rng.device)
    for axis, side in ((2, height), (3, width)):
        shape = [1, 1, 1, 1]
        shape[axis] = side
        places = torch.linspace(-1, 1, side, device=draws.rng.device).reshape(shape)
        inside = inside & ((places - draws.even(-1, 1)).abs() < draws.even(*_REACH))
    chosen = draws.uniform(count, planes, 1, 1) < 0.5
    return inside & chosen & draws.chosen(_LEFT_OUT)
