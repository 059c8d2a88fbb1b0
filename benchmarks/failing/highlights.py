"""Highlights that are brighter than a camera can tell, and a second, short exposure."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from failing.remedies import UNADAPTED, denoised

Image = NDArray[np.float64]
FULL = 4095.0  # grey levels, where the camera of 12 bits saturates
SATURATED = 5.0  # per cent of the pixels, about
GAIN, READ_NOISE, OFFSET = 10.0, 20.0, 100.0  # grey levels, per photon the first
SHORT = 4  # times shorter is the second exposure
NEAR, GROWN = 3, 2  # pixels around saturated ones: looked at, and replaced too


class Highlights:
    """A scene, a long exposure that saturates and a short one that hardly does.

    Parameters
    ----------
    light : NDArray
        Shape (Y, X), of any unit; scaled so that 5 % of it are too bright.
    seed : int
        Of the noise.
    """

    def __init__(self, light: Image, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.light = light * (FULL - OFFSET) / np.percentile(light, 100 - SATURATED)
        self.clean: Image = self.light + OFFSET
        self.long = camera(self.light, rng)
        self.short = camera(self.light / SHORT, rng)
        self.saturated = self.long >= FULL

    def treatments(self) -> dict[str, Callable[[], Image]]:
        """Return what may be tried, in grey levels of the long exposure."""
        long = self.long
        return {
            "noisy": lambda: long.astype(float),
            "default": lambda: denoised(long),
            "not adapted": lambda: denoised(long, **UNADAPTED),
            "not merged": lambda: denoised(long, merge=False),
            "short exposure": lambda: lengthened(self.short.astype(float)),
            "short exposure, default": lambda: lengthened(denoised(self.short)),
            "both exposures": self.both,
        }

    def both(self) -> Image:
        """Return the long exposure, and the short one where that is saturated."""
        long, short = denoised(self.long), lengthened(denoised(self.short))
        grown = binary_dilation(self.saturated, iterations=GROWN)
        return np.where(grown, short, long)

    def measured(self, image: Image) -> dict[str, float]:
        """Return errors by place, in per cent of full scale, and PSNR outside."""
        error = 100 * (image - self.clean) / FULL
        near = binary_dilation(self.saturated, iterations=NEAR) & ~self.saturated
        # Judged by the truth: by the noisy image, chance would choose the pixels.
        over, below = (
            self.clean > FULL,
            (self.clean > 0.94 * FULL) & (self.clean < FULL),
        )
        return {
            "error where saturated, %": float(error[over].mean()),
            "error in the last 6 % below, %": float(error[below].mean()),
            "spread of errors within 3 pixels, %": float(error[near].std()),
            "all light, %": float(100 * (image - OFFSET).sum() / self.light.sum()),
            "PSNR elsewhere, dB": decibels(error[~near & ~self.saturated]),
            "PSNR, dB": decibels(error),
        }


def camera(light: Image, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Return what a camera makes of light, in grey levels, clipped at both ends."""
    seen = GAIN * rng.poisson(light / GAIN) + rng.normal(0, READ_NOISE, light.shape)
    return np.rint(seen + OFFSET).clip(0, FULL).astype(np.uint16)


def lengthened(image: Image) -> Image:
    """Return a short exposure in the grey levels of the long one."""
    return (image - OFFSET) * SHORT + OFFSET


def decibels(error: NDArray[np.float64]) -> float:
    """Return PSNR of errors in per cent of full scale."""
    return float(10 * np.log10(100**2 / np.mean(error**2)))
