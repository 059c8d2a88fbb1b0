"""Scenes that the method fails on, what may be done instead, and what is measured.

Every clean image is known. Correlated noise and stripes lie on photographs and on a
micrograph, in 256 grey levels; dots and highlights are imaged by a camera that counts
photons.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from cases import DATA, middle, photograph
from failing import dots as failure_dots
from failing import highlights as failure_highlights
from failing.remedies import UNADAPTED, binned, denoised, destriped, psnr, stripes_left
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.noise.laws import CorrelatedGaussian

Image = NDArray[np.float64]
SIDE = 128  # pixels; a crop, so that all scenes take minutes on one core
BLURS = (0.5, 0.7, 1.0, 1.5)  # pixels
SIGMA = 25.0  # grey levels, of correlated noise
STRIPES, WHITE = 10.0, 10.0  # grey levels: standard deviations under stripes
DARK_FRAMES = 100


@dataclass(frozen=True)
class Scene:
    """One noisy image, the ways to treat it, and what is measured of a result."""

    topic: str
    name: str
    seed: int
    clean: Image
    treatments: dict[str, Callable[[], Image]]
    measured: Callable[[Image], dict[str, float]]


def scenes() -> Iterator[Scene]:
    """Yield every scene, with noise of a fixed seed each."""
    yield from correlated()
    yield from striped()
    for seed in range(2):
        dots = failure_dots.Dots(seed)
        yield Scene(
            "sparse", "dots", seed, dots.clean, dots.treatments(), dots.measured
        )
    for seed, name in enumerate(("kodim03", "BPAE")):
        bright = failure_highlights.Highlights(ground_truth(name), seed)
        yield Scene("saturated", name, seed, bright.clean, bright.treatments(),
                    bright.measured)  # fmt: skip


def ground_truth(name: str) -> Image:
    """Return the middle of a photograph or of a micrograph's mean of 50 frames."""
    if name != "BPAE":
        case = photograph(name, grey=True, side=SIDE)
        return case.clean.astype(float)
    path = DATA / "fmd" / "gt" / "Confocal_BPAE_R.png"
    clean = read_image(path).array
    return middle("fmd", name, clean, clean, SIDE).clean.astype(float)


def correlated() -> Iterator[Scene]:
    """Yield noise of several grains on two photographs."""
    for seed, name in enumerate(("House", "kodim03")):
        clean = ground_truth(name)
        for grain in (*(f"blur {blur:g}" for blur in BLURS), "2 x 2 alike"):
            noisy = clean + grains(grain, np.random.default_rng(seed))
            yield Scene("correlated", f"{name}, {grain}", seed, clean,
                        grain_treatments(noisy), decibels(clean))  # fmt: skip


def grains(grain: str, rng: np.random.Generator) -> Image:
    """Return noise that neighbours share."""
    if grain.startswith("blur"):
        law = CorrelatedGaussian(SIGMA, float(grain.split()[1]))
        return law.noisy(np.zeros((SIDE, SIDE)), rng=rng)
    half = rng.normal(0, SIGMA, (SIDE // 2, SIDE // 2))
    return np.kron(half, np.ones((2, 2)))  # upsampled by its nearest neighbours


def grain_treatments(noisy: Image) -> dict[str, Callable[[], Image]]:
    """Return what may be tried against correlated noise."""
    return {
        "noisy": lambda: noisy,
        "default": lambda: denoised(noisy),
        "not adapted": lambda: denoised(noisy, **UNADAPTED),
        "unshuffle 2": lambda: denoised(noisy, pixel_unshuffle=2),
        "unshuffle 2, not adapted": lambda: denoised(
            noisy, pixel_unshuffle=2, **UNADAPTED
        ),
        "unshuffle 4, not adapted": lambda: denoised(
            noisy, pixel_unshuffle=4, **UNADAPTED
        ),
        "binned 2 x 2": lambda: binned(noisy),
        "Gaussian blur": lambda: gaussian_filter(noisy, 2),
    }


def striped() -> Iterator[Scene]:
    """Yield a scanner's rows, an image without stripes, and a camera's columns."""
    for seed, name in enumerate(("House", "kodim03")):
        rng, clean = np.random.default_rng(seed), ground_truth(name)
        rows = rng.normal(0, STRIPES, (SIDE, 1))
        even = clean + rng.normal(0, WHITE, clean.shape)
        yield Scene("stripes", f"{name}, rows", seed, clean,
                    row_treatments(even + rows), levels_measured(clean))  # fmt: skip
        # What it costs to look for stripes where there are none.
        yield Scene("stripes", f"{name}, no stripes", seed, clean,
                    needless(even), levels_measured(clean))  # fmt: skip
    yield columns()


def row_treatments(noisy: Image) -> dict[str, Callable[[], Image]]:
    """Return what may be tried against stripes along rows."""
    return {
        "noisy": lambda: noisy,
        "default": lambda: denoised(noisy),
        "not adapted": lambda: denoised(noisy, **UNADAPTED),
        "not merged": lambda: denoised(noisy, merge=False),
        "unshuffle 2": lambda: denoised(noisy, pixel_unshuffle=2),
        "destriped only": lambda: destriped(noisy),
        "destriped, default": lambda: denoised(destriped(noisy)),
        "default, destriped": lambda: destriped(denoised(noisy)),
    }


def needless(noisy: Image) -> dict[str, Callable[[], Image]]:
    """Return what shows whether taking stripes away does harm."""
    kept = ("noisy", "default", "destriped only", "destriped, default")
    treatments = row_treatments(noisy)
    return {label: treatments[label] for label in kept}


def columns(seed: int = 0) -> Scene:
    """Return fixed pattern noise: every column, and every pixel, has its offset."""
    rng, clean = np.random.default_rng(seed), ground_truth("BPAE")
    pattern = rng.normal(0, STRIPES, (1, SIDE)) + rng.normal(0, 2, (SIDE, SIDE))
    noisy = clean + pattern + rng.normal(0, WHITE, clean.shape)
    dark = pattern + rng.normal(0, WHITE / DARK_FRAMES**0.5, clean.shape)
    # Columns are rows of the image turned over, and remedies are written for rows.
    treatments = {
        label: lambda treat=treat: treat().T
        for label, treat in row_treatments(noisy.T).items()
    }
    treatments["dark frame, default"] = lambda: denoised(noisy - dark)
    found = levels_measured(clean.T)
    return Scene("stripes", "BPAE, columns", seed, clean, treatments,
                 lambda image: found(image.T))  # fmt: skip


def decibels(clean: Image) -> Callable[[Image], dict[str, float]]:
    """Return what measures PSNR of an image of 256 grey levels."""
    return lambda image: {"PSNR, dB": psnr(image.clip(0, 255), clean)}


def levels_measured(clean: Image) -> Callable[[Image], dict[str, float]]:
    """Return what measures an image with stripes."""
    found = decibels(clean)
    return lambda image: {
        **found(image),
        "stripes left, grey levels": stripes_left(image - clean),
    }
