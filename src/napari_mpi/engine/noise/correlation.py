"""What of its noise a pixel shares with others, and what repeats."""

import torch
from torch import Tensor

from napari_mpi.engine.noise.smoothing import smoothed

REPEATED = 0.4
"""Share of what a prediction leaves, repeating at a distance, to be called structure.

Then the guard adapts and merging merges, whatever neighbours have in common. In
photographs with noise of any kind, and in instruments' images, at most 0.18 of what a
first look leaves repeats, and at most 0.19 after adapting; in the line patterns that
were refused without it 0.56 or more, and 0.65 (`benchmarks/correlation.py`). Should the
rest be correlated noise after all, giving all of it back costs little: the structure
that is won weighs two thirds of it."""

_NEAREST, _FARTHEST = 12, 32  # pixels, over which noise has nothing in common
_LEAST_SIDE = 2 * _FARTHEST  # pixels; in less, chance repeats too
_ROUNDING = 1e-9  # of an image's power, that rounding may amount to


def neighbour_correlation(noise: Tensor, distance: int = 1) -> float:
    """Return how much of its noise a pixel shares with its neighbours, -1..1.

    Parameters
    ----------
    noise : Tensor
        Shape (N, C, Y, X): noise, or what a prediction leaves of an image.
    distance : int
        Pixels to the neighbour, below and to the right.

    Returns
    -------
    float
        Mean over both directions of the correlation coefficient, 0 for constant
        images and for those without such neighbours.
    """
    centred = noise - noise.mean(dim=(2, 3), keepdim=True)
    power = float(centred.square().mean())
    found = [
        float((centred.narrow(axis, 0, size) * centred.narrow(axis, distance, size))
              .mean()) / power
        for axis in (2, 3)
        if (size := noise.shape[axis] - distance) > 0 and power > 0
    ]  # fmt: skip
    return sum(found) / len(found) if found else 0.0


def repeated_share(left: Tensor) -> float:
    """Return how much of what a prediction leaves repeats at a distance, 0..1.

    Noise that is correlated at all is so over a few pixels. What is found again 12 to
    32 pixels away is structure that repeats, as lines side by side do, and the share of
    the power that it has is what both places have in common.

    Parameters
    ----------
    left : Tensor
        Shape (N, C, Y, X), noisy image less prediction.

    Returns
    -------
    float
        Share of the variance that is left beside local means; each image and channel
        has a distance and direction of its own. 0 for images of less than 64 pixels
        a side, which are too small to tell.
    """
    rows, columns = left.shape[-2:]
    if min(rows, columns) < _LEAST_SIDE:
        return 0.0
    fine = left - smoothed(left)
    fine = fine - fine.mean(dim=(2, 3), keepdim=True)
    # What places have in common, by the way from one to the other (Wiener-Khinchin).
    common = torch.fft.irfft2(torch.fft.rfft2(fine).abs().square(), s=(rows, columns))
    power = float(common[..., 0, 0].sum())
    if power <= _ROUNDING * float(left.square().sum()):
        return 0.0
    down, across = (
        torch.fft.fftfreq(size, 1 / size, device=left.device)
        for size in (rows, columns)
    )
    way = torch.hypot(down[:, None], across)
    far = common[..., (way >= _NEAREST) & (way <= _FARTHEST)]
    return float(far.amax(dim=-1).clamp(min=0).sum()) / power
