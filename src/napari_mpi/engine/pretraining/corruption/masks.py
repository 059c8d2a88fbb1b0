"""What is hidden from the network: pixels, or the shapes that noise can have."""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_mpi.engine.pretraining.corruption.draws import Draws
from napari_mpi.engine.settings.corruption import CorruptionConfig

# A run of pixels grows by these steps, none longer than the run is by then, so it
# stays whole; after 0, 1, ... steps it has as many pixels as _LENGTHS says.
_STEPS = (1, 1, 2, 3, 7)
_LENGTHS = (1, 2, 3, 5, 8, 15)
_MARGIN = max(_LENGTHS) - 1  # pixels from which a shape can reach into a crop


class _Shape(NamedTuple):
    """A rectangle or a plus sign, and the share of the crops that hide such shapes."""

    rows: int  # pixels, one of _LENGTHS
    columns: int
    is_plus: bool
    share: float

    @property
    def area(self) -> int:
        return 2 * self.rows - 1 if self.is_plus else self.rows * self.columns


_SHAPES = (
    _Shape(1, 1, False, 0.50),  # most noise is of single pixels
    _Shape(1, 2, False, 0.06),
    _Shape(2, 1, False, 0.06),
    _Shape(1, 3, False, 0.06),
    _Shape(3, 1, False, 0.06),
    _Shape(3, 3, False, 0.06),
    _Shape(3, 3, True, 0.05),
    _Shape(1, 5, False, 0.03),
    _Shape(1, 8, False, 0.03),
    _Shape(1, 15, False, 0.03),
    _Shape(5, 1, False, 0.02),
    _Shape(8, 1, False, 0.02),
    _Shape(15, 1, False, 0.02),
)


def masks(config: CorruptionConfig, draws: Draws) -> Tensor:
    """Draw the masks of a batch, shape (N, C or 1, Y, X).

    Each crop draws its mask ratio and, where shapes are mixed, its shape. Seeds are
    drawn so rarely that in the mean the shapes hide that ratio: a pixel stays where
    none of ``area`` places has a seed, ``1 - ratio = (1 - seeds)**area``.
    """
    ratio = draws.even(config.mask_ratio_low, config.mask_ratio_high)
    if config.unmasked_share > 0:
        ratio = torch.where(draws.chosen(config.unmasked_share), 0.0, ratio)
    count, channels, height, width = draws.shape
    planes = 1 if config.shared_mask else channels
    if config.mask_shapes == "pixels":
        return draws.uniform(count, planes, height, width) < ratio
    kind = torch.bucketize(draws.even(), _table(draws.rng.device)[0])
    rows, columns, is_plus, area = (values[kind] for values in _table(kind.device)[1:])
    drawn = draws.uniform(count, planes, height + _MARGIN, width + _MARGIN)
    seeds = drawn < 1 - (1 - ratio) ** (1 / area)
    return _grown(seeds, rows, columns, is_plus)[..., _MARGIN:, _MARGIN:]


@cache
def _table(device: torch.device) -> tuple[Tensor, ...]:
    """Return the shapes on a device: odds, steps down, steps right, plus, area."""
    odds = torch.tensor([shape.share for shape in _SHAPES]).cumsum(0)[:-1]
    rows = torch.tensor([_LENGTHS.index(shape.rows) for shape in _SHAPES])
    columns = torch.tensor([_LENGTHS.index(shape.columns) for shape in _SHAPES])
    is_plus = torch.tensor([shape.is_plus for shape in _SHAPES])
    area = torch.tensor([shape.area for shape in _SHAPES], dtype=torch.float32)
    return tuple(v.to(device) for v in (odds, rows, columns, is_plus, area))


def _grown(seeds: Tensor, rows: Tensor, columns: Tensor, is_plus: Tensor) -> Tensor:
    """Grow seeds down and to the right into shapes."""
    right = _run(seeds, columns, axis=3)
    down = _run(torch.where(is_plus, seeds, right), rows, axis=2)
    plus = _moved(right, 1, axis=2) | _moved(down, 1, axis=3)  # crossed in the middle
    return torch.where(is_plus, plus, down)


def _run(masked: Tensor, steps: Tensor, *, axis: int) -> Tensor:
    for number, step in enumerate(_STEPS):
        masked = masked | (_moved(masked, step, axis=axis) & (steps > number))
    return masked


def _moved(masked: Tensor, step: int, *, axis: int) -> Tensor:
    """Move a mask to the right, or down; nothing comes in at the border."""
    kept = masked.narrow(axis, 0, masked.shape[axis] - step)
    return F.pad(kept, (step, 0) if axis == 3 else (0, 0, step, 0))
