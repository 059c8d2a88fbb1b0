"""Dots of a few photons on an almost empty ground, as single molecules are seen."""

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from failing.remedies import UNADAPTED, denoised, psnr

Image = NDArray[np.float64]
SIDE, APART, MARGIN = 128, 14, 8  # pixels
SPOT = 1.2  # pixels: standard deviation of a dot
PHOTONS = (15, 30, 60, 120)  # of a whole dot; a peak has a ninth of them
GROUND, READ_NOISE, OFFSET = 1.0, 1.0, 100.0  # grey levels, one per photon
FRAMES = 8
APERTURE, RING = 4.0, 7.0  # pixels: radii for a dot's light and for its ground
FALSE_ALARMS = 1e-3  # of the pixels that hold nothing


class Dots:
    """A field of dots, and noise of its own for each seed.

    Parameters
    ----------
    seed : int
        Of the noise; the dots are always the same.
    """

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.light = sum(n * spot(place) for place, n in dots())
        self.clean: Image = OFFSET + GROUND + self.light

    @cached_property
    def frames(self) -> Image:
        """What the camera sees, FRAMES times (N, Y, X), in whole numbers."""
        size = (FRAMES, *self.light.shape)
        seen = self.rng.poisson(self.light + GROUND, size)
        return np.rint(OFFSET + seen + self.rng.normal(0, READ_NOISE, size)).clip(0)

    def treatments(self) -> dict[str, Callable[[], Image]]:
        """Return what may be tried on one frame, then on all of them."""
        one, mean = self.frames[0], self.frames.mean(axis=0)
        return {
            "noisy": lambda: one,
            "default": lambda: denoised(one.astype(np.uint16)),
            "as float32": lambda: denoised(one),
            "not adapted": lambda: denoised(one, **UNADAPTED),
            "not merged": lambda: denoised(one, merge=False),
            "unshuffle 2": lambda: denoised(one, pixel_unshuffle=2),
            "square roots": lambda: of_roots(one),
            "mean of 8 frames": lambda: mean,
            "mean of 8 frames, then default": lambda: denoised(mean),
            "default on each frame, then mean": (
                lambda: denoised(self.frames, "TYX").mean(axis=0)
            ),
        }

    def measured(self, image: Image) -> dict[str, float]:
        """Return the light kept and the share found of every class of dots."""
        light = [100 * light_of(image, place) / n for place, n in dots()]
        seen = found(image)
        values = {"PSNR, dB": psnr(image, self.clean, float(np.ptp(self.clean)))}
        for count in PHOTONS:
            of = [n == count for _, n in dots()]
            values[f"light kept, {count} photons, %"] = float(np.mean(light, where=of))
            values[f"found, {count} photons, %"] = 100 * float(np.mean(seen, where=of))
        return values


def of_roots(noisy: Image) -> Image:
    """Denoise square roots, whose noise is alike everywhere, and square the result."""
    level = 3 / 8 + READ_NOISE**2 - OFFSET
    roots = 2 * np.sqrt((noisy + level).clip(0))
    return (denoised(roots) / 2) ** 2 - level + 1 / 4  # what squaring a mean lacks


def dots() -> list[tuple[NDArray[np.float64], int]]:
    """Return row and column of every dot, and its photons."""
    rng, grid = np.random.default_rng(9), np.arange(MARGIN, SIDE - MARGIN, APART)
    places = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
    moved = places + rng.uniform(-2, 2, places.shape)
    return [(place, PHOTONS[at % 4]) for at, place in enumerate(rng.permutation(moved))]


def away(place: NDArray[np.float64]) -> Image:
    """Return every pixel's distance from a place."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return np.hypot(rows - place[0], columns - place[1])


def spot(place: NDArray[np.float64]) -> Image:
    """Return a dot of one photon."""
    bell = np.exp(-(away(place) ** 2) / (2 * SPOT**2))
    return np.asarray(bell / bell.sum())


def light_of(image: Image, place: NDArray[np.float64]) -> float:
    """Return the sum over a circle, the mean of the ring around it taken off."""
    distance = away(place)
    inside = distance < APERTURE
    ring = (distance >= APERTURE) & (distance < RING)
    return float((image[inside] - image[ring].mean()).sum())


def found(image: Image) -> list[bool]:
    """Return which dots stand out of what empty places show, at equal false alarms.

    Looked for in the image blurred by a dot's own shape, which is the best way to find
    one in independent noise.
    """
    shaped = gaussian_filter(image, SPOT)
    nearest = np.min([away(place) for place, _ in dots()], axis=0)
    limit = np.quantile(shaped[nearest > 5], 1 - FALSE_ALARMS)
    return [bool(shaped[away(place) < SPOT].max() > limit) for place, _ in dots()]
