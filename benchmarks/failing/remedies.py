"""What a user can do before and after denoising, and how far off a result is."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, zoom

from napari_mpi import denoise

Image = NDArray[np.float64]
SLOW = 6.0  # pixels: brightness that changes more slowly is no stripe
UNADAPTED = {"learning_rate": 0.0, "merge": False}
"""Settings that leave the network as it comes, and its prediction as it is."""

_DONE: dict[tuple[object, ...], NDArray[np.generic]] = {}


def denoised(noisy: NDArray[np.generic], axes: str = "YX", **settings: Any) -> Image:
    """Denoise as a user does who chooses nothing, or blind and these settings.

    Reals go in as float32; whole numbers stay what they are, and so does the result.
    """
    given = noisy.astype(np.float32) if noisy.dtype.kind == "f" else noisy
    # Some remedies begin with what another has denoised: that is done once.
    key = (given.tobytes(), given.shape, axes, *sorted(settings.items()))
    if key not in _DONE:
        preset = "blind-auto" if settings else "auto"
        _DONE[key] = denoise(
            given, axes, preset=preset, device="cpu", seed=0, **settings
        )
    return np.asarray(_DONE[key], np.float64)


def binned(noisy: Image) -> Image:
    """Denoise means of 2 x 2 pixels, and enlarge the result again."""
    rows, columns = noisy.shape
    blocks = noisy.reshape(rows // 2, 2, columns // 2, 2).mean((1, 3))
    enlarged: Image = zoom(denoised(blocks), 2, mode="nearest", grid_mode=True)
    return enlarged


def destriped(image: Image) -> Image:
    """Take from every row the median of what sets it off from the rows around it."""
    sharp = image - gaussian_filter1d(image, SLOW, axis=0)
    return np.asarray(image - np.median(sharp, axis=1, keepdims=True))


def stripes_left(error: Image) -> float:
    """Return the standard deviation of the rows' mean errors, slow changes aside."""
    rows = error.mean(axis=1)
    return float(np.std(rows - gaussian_filter1d(rows, SLOW)))


def psnr(image: Image, clean: Image, span: float = 255.0) -> float:
    """Return the peak signal-to-noise ratio in dB."""
    return float(10 * np.log10(span**2 / np.mean((image - clean) ** 2)))
