"""Classic methods that need no training, as a user can run them: told nothing.

Each takes an image in grey levels, of shape (Y, X) or (Y, X, C), and returns another.
The noise level that they need is the one that `white_noise_level` finds.
"""

from collections.abc import Callable

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from skimage.restoration import (
    denoise_nl_means,
    denoise_tv_chambolle,
    denoise_wavelet,
)

from napari_mpi.engine.noise.level import white_noise_level
from napari_mpi.engine.noise.model import _box, _by_level, _finest, _line

Image = np.ndarray
Method = Callable[[Image], Image]
RANGE = 255.0
_SMOOTHING = 2.0  # pixels; where it is flat is looked for without the noise
LEAST_GAIN = 0.05  # grey levels; below, noise does not grow with intensity


def noise_level(noisy: Image) -> float:
    """Return the standard deviation of white noise, the mean of all colours."""
    planes = np.moveaxis(np.atleast_3d(noisy), -1, 0)
    return float(np.mean([white_noise_level(plane) for plane in planes]))


def non_local_means(noisy: Image) -> Image:
    """Return non-local means, told the noise level."""
    sigma = noise_level(noisy)
    result: Image = denoise_nl_means(
        noisy,
        h=0.6 * sigma,
        sigma=sigma,
        patch_size=5,
        patch_distance=6,
        channel_axis=_colours(noisy),
    )
    return result


def total_variation(noisy: Image) -> Image:
    """Return what has least variation, by a weight that goes with the noise level."""
    result: Image = denoise_tv_chambolle(
        noisy, weight=noise_level(noisy), channel_axis=_colours(noisy)
    )
    return result


def wavelet(noisy: Image) -> Image:
    """Return wavelets shrunk level by level (BayesShrink), colours as YCbCr."""
    axis = _colours(noisy)
    result: Image = denoise_wavelet(
        noisy / RANGE,
        sigma=noise_level(noisy) / RANGE,
        channel_axis=axis,
        convert2ycbcr=axis is not None,
        rescale_sigma=True,
    )
    return result * RANGE


def bm3d(noisy: Image) -> Image:
    """Return BM3D of grey or colour, told the noise level."""
    return _bm3d(noisy, noise_level(noisy))


def bm3d_stabilised(noisy: Image) -> Image:
    """Return BM3D of what has noise alike at all intensities, transformed back.

    The generalised Anscombe transform and the closed form of its exact unbiased
    inverse (Mäkitalo and Foi 2013, IEEE TIP 22:91), for noise as `noise_line` finds it.
    """
    gain, floor, darkest = noise_line(noisy)
    if gain < LEAST_GAIN:
        return bm3d(noisy)
    read = floor / gain**2  # variance of read noise, in photons squared
    photons = (noisy - darkest) / gain
    stable = 2 * np.sqrt(np.maximum(photons + 3 / 8 + read, 0))
    cleaned = _bm3d(stable, 1.0, span=float(np.ptp(stable)))
    return gain * unbiased_inverse(cleaned, read) + darkest


def unbiased_inverse(stable: Image, read: float) -> Image:
    """Return the photons whose stabilised mean this is, none fewer than 0."""
    d = np.maximum(stable, 2 * np.sqrt(3 / 8 + read))
    root = np.sqrt(3 / 2)
    photons = d**2 / 4 + root / 4 / d - 11 / 8 / d**2 + 5 / 8 * root / d**3 - 1 / 8
    return np.maximum(photons - read, 0)


def noise_line(noisy: Image) -> tuple[float, float, float]:
    """Return the noise variance as a line: slope, value at the darkest, the darkest.

    Second differences leave little but noise where the image is flattest; a line goes
    through their mean squares, level by level of intensity.
    """
    planes = np.moveaxis(np.atleast_3d(noisy.astype(np.float32)), -1, 0)
    blurred = gaussian_filter(planes, (0, _SMOOTHING, _SMOOTHING))
    image, smooth = (torch.tensor(array)[:, None] for array in (planes, blurred))
    level = _box(smooth)
    structure = _box(smooth.square()) - level.square()
    columns = (level, structure, _finest(image, 1).square())
    levels, variances = _by_level(*(column.flatten().numpy() for column in columns))
    slope, floor = _line(levels - levels[0], variances)
    return slope, floor, float(levels[0])


def _bm3d(noisy: Image, sigma: float, span: float = RANGE) -> Image:
    """Return BM3D, which compares blocks by limits for a range of 0 to 1."""
    from bm3d import bm3d as grey  # not needed by the other methods
    from bm3d import bm3d_rgb

    method = grey if _colours(noisy) is None else bm3d_rgb
    return np.asarray(method(noisy / span, sigma / span)).reshape(noisy.shape) * span


def _colours(noisy: Image) -> int | None:
    return -1 if noisy.ndim == 3 else None
