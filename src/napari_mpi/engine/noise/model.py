"""Variance of the noise by intensity, estimated from one image."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import nnls
from torch import Tensor
from torch.nn import functional as F

from napari_mpi.engine.images.marks import Mark
from napari_mpi.engine.noise.correlation import REPEATED, repeated_share

_LEVELS = 12  # of intensity, at which the variance is measured
_FLAT_SHARE = 0.3  # of the pixels of a level: those with the least structure
_FLAT_REACH = 7  # pixels: side of the square over which structure is looked for
_FEWEST = 64  # pixels, with which a variance is known to within some 20 %
_ENOUGH = 0.1  # share of the measured pixels, that have nothing else around them
_CUT = 0.2  # share of a level's pixels cut off, from which on its variance is too small

WHITE = 1.5
"""Ratio of noise variances, of pixels two apart and of neighbours, still called white.

Both are equal where noise is independent. Where neighbours share a seventh of their
noise it is 1.5, where they share a quarter 2.1: ((6 - 8 r2) / (6 - 8 r1 + 2 r2))**2 for
correlations r1 and r2, one and two pixels apart."""


@dataclass(frozen=True, slots=True)
class NoiseModel:
    """Variance of noise that is independent from pixel to pixel, by intensity.

    Parameters
    ----------
    slope : float
        Variance per intensity, from ``darkest`` on (photon noise), not negative.
    floor : float
        Variance at ``darkest`` (read noise), not negative.
    darkest : float
        Intensity of the darkest pixels that it was measured at.
    spread : float
        Variance over pixels two apart, by that of neighbours: 1 for white noise.
    repeated : float
        Share of what was left that repeats at a distance, see `repeated_share`.
    """

    slope: float
    floor: float
    darkest: float
    spread: float
    repeated: float = 0.0

    @property
    def is_white(self) -> bool:
        """Whether neighbours share little enough of their noise to merge.

        Where much of what was left is structure that repeats, it is this that
        neighbours share, and the noise is taken for white.
        """
        return self.spread < WHITE or self.repeated >= REPEATED

    def variance(self, image: Tensor) -> Tensor:
        """Return the noise variance of every pixel, of the image's shape."""
        above = (image - self.darkest).clamp(min=0)
        return (self.slope * above + self.floor).clamp(min=1e-10)


def estimate_noise(
    noisy: Tensor,
    predicted: Tensor,
    filled: Tensor,
    by: Tensor | None = None,
    *,
    marks: Tensor | None = None,
) -> NoiseModel:
    """Estimate the noise of one image from what predictions leave of it.

    What is left is filtered so that only its finest detail remains, in two sizes, the
    larger of which tells correlated noise; its mean square is taken where the filled
    image is flattest, level by level of intensity; a line through the levels, which
    must not fall, is the model.

    Parameters
    ----------
    noisy : Tensor
        Shape (N, C, Y, X).
    predicted : Tensor
        Of the same shape, the prediction with all pixels open.
    filled : Tensor
        Of the same shape, predictions of hidden pixels: where they are flat is
        independent of the noise that is measured there.
    by : Tensor, optional
        Of the same shape, the intensity that the variance goes with; ``filled`` itself
        if None. Not so for differences of colours, see `noise_sources`.
    marks : Tensor, optional
        Shape (N, 1, Y, X), see `Mark`: what is no measurement does not count, nor do
        levels at which noise is cut off.
    """
    left = noisy - predicted
    fine, coarse = (_finest(left, step).square() for step in (1, 2))
    structure = _box(filled.square()) - _box(filled).square()
    columns = [_box(filled if by is None else by), structure, fine, coarse]
    if marks is None:
        rows = [column.flatten().cpu().numpy() for column in columns]
        levels, fines, coarses = _by_level(*rows)
        kept = np.ones(len(levels), dtype=bool)
    else:
        columns.append(_box((_is_cut(marks)).to(noisy.dtype)))
        whole = _is_whole(marks).expand_as(noisy)
        rows = [column[whole].cpu().numpy() for column in columns]
        levels, fines, coarses, cut = _by_level(*rows)
        kept = cut <= max(_CUT, cut.min())
        left = left.masked_fill(marks >= Mark.CONSTANT, 0)
    # Structure that is left raises it too, at some levels: correlated noise at all.
    ratios = coarses / np.maximum(fines, 1e-20)
    spread = float(np.quantile(ratios[kept], 0.25))
    repeated = repeated_share(left)
    # White noise is alike in both sizes. What is left beside it is in one more than in
    # the other: correlated noise must not be underestimated, nor structure count as it.
    is_structure = spread >= WHITE and repeated >= REPEATED
    variances = (np.minimum if is_structure else np.maximum)(fines, coarses)
    slope, floor = _line((levels - levels[0])[kept], variances[kept])
    return NoiseModel(slope, floor, float(levels[0]), spread, repeated)


def _is_cut(marks: Tensor) -> Tensor:
    return (marks == Mark.CUT_OFF) | (marks == Mark.SATURATED)


def _is_whole(marks: Tensor) -> Tensor:
    """Tell pixels of which all is measured that `_finest` takes; or else all that are.

    What is no measurement has noise as strong as around, so that little is lost by it.
    """
    void = marks >= Mark.CONSTANT
    padded = [F.pad(void.float(), (step,) * 4) for step in (1, 2)]
    near, far = (
        F.max_pool2d(part, 3, 1, dilation=step)
        for step, part in enumerate(padded, start=1)
    )
    whole = (near + far) == 0
    return whole if int(whole.sum()) >= _ENOUGH * int((~void).sum()) else ~void


def _finest(image: Tensor, step: int) -> Tensor:
    """Filter by second differences along both axes; white noise keeps its variance."""
    second = torch.tensor([1.0, -2.0, 1.0], dtype=image.dtype, device=image.device)
    kernel = torch.outer(second, second) / 6
    images, channels, height, width = image.shape
    planes = image.reshape(images * channels, 1, height, width)
    padded = F.pad(planes, (step,) * 4, mode="replicate")
    return F.conv2d(padded, kernel[None, None], dilation=step).reshape(image.shape)


def _box(image: Tensor) -> Tensor:
    """Return means over squares."""
    return F.avg_pool2d(
        image, _FLAT_REACH, 1, _FLAT_REACH // 2, count_include_pad=False
    )


def _by_level(
    level: NDArray[np.float32],
    structure: NDArray[np.float32],
    *others: NDArray[np.float32],
) -> tuple[NDArray[np.float64], ...]:
    """Return mean level, and the others' means, of the flattest pixels of a level."""
    rows = []
    parts = max(1, min(_LEVELS, int(level.size * _FLAT_SHARE) // _FEWEST))
    for part in np.array_split(np.argsort(level, kind="stable"), parts):
        flattest = np.quantile(structure[part], _FLAT_SHARE)
        flat = part[structure[part] <= flattest]
        rows.append([level[flat].mean(), *(other[flat].mean() for other in others)])
    return tuple(np.array(rows, dtype=np.float64).T)


def _line(
    above: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[float, float]:
    """Fit slope and floor, neither negative, to values of equal relative error."""
    weights = 1 / np.maximum(values, 1e-20)
    columns = np.stack([above * weights, weights], axis=1)
    (slope, floor), _ = nnls(columns, values * weights)
    return float(slope), float(floor)
