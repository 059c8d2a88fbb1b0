"""How bright planes are: bleaching, flicker, flashes, and cells that fire."""

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_mpi.engine.pretraining.corruption.draws import Draws

_SOME = 0.2  # share of the scenes that do each of these
_BLEACHING = (-0.05, 0.2)  # of the light, from plane to plane
_FLICKER = 0.15  # standard deviation, as a share of the light
_FIRING = 0.6  # likewise, of parts of a scene
_FLASH = (0.05, 0.5)  # of the range, added to whole planes
_FLASHES = 0.05  # share of the scenes that have some
_KNOTS = 9


def lit(scene: Tensor, times: Tensor, draws: Draws) -> Tensor:
    """Change the light of planes, shape (N, F, Y, X)."""
    count, planes, height, width = scene.shape
    fading = torch.exp(-draws.even(*_BLEACHING) * times * draws.chosen(_SOME))
    flicker = _FLICKER * draws.normal(count, planes, 1, 1) * draws.chosen(_SOME)
    knots = draws.normal(count, 1, _KNOTS, _KNOTS).clamp(min=0)
    parts = F.interpolate(knots, size=(height, width), mode="bilinear")
    firing = _FIRING * draws.normal(count, planes, 1, 1) * draws.chosen(_SOME)
    gain = fading * (1 + flicker).clamp(min=0.1) * (1 + firing * parts).clamp(min=0.05)
    is_lit = (draws.uniform(count, planes, 1, 1) < _SOME) & draws.chosen(_FLASHES)
    return scene * gain + draws.even(*_FLASH) * is_lit
