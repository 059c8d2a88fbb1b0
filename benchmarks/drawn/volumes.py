"""Volumes that nobody has taken: leaves, cells, tissue, threads and membranes in depth.

Most are made of smooth random fields: where one is near zero is a membrane, where two
are near zero at once is a thread, and what lies between levels is tissue.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Volume = NDArray[np.float32]
SHAPE = (14, 256, 256)  # planes, rows, columns


def volume(rng: np.random.Generator) -> Volume:
    """Draw a volume of any kind, ZYX, 0..1, blurred as by a microscope in half."""
    kinds = (leaves, cells, tissue, threads, membranes)
    drawn = kinds[rng.integers(len(kinds))](rng)
    if rng.random() < 0.5:
        across = rng.uniform(0.3, 1.2)
        drawn = ndimage.gaussian_filter(
            drawn, (across * rng.uniform(0, 2), across, across)
        )
    low, high = np.percentile(drawn, (0.02, 99.98))
    return np.clip((drawn - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)


def field(rng: np.random.Generator, size: float, depth: float) -> Volume:
    """Draw a field of mean 0 and variance 1 that is smooth over ``size`` pixels.

    ``depth`` is how many pixels along Y or X a step from plane to plane is long.
    """
    noise = np.fft.rfftn(rng.normal(size=SHAPE))
    along = np.fft.fftfreq(SHAPE[0]) / depth
    down, right = np.fft.fftfreq(SHAPE[1]), np.fft.rfftfreq(SHAPE[2])
    squared = along[:, None, None] ** 2 + down[:, None] ** 2 + right**2
    kept = np.exp(-2 * squared * (np.pi * size) ** 2)
    drawn = np.fft.irfftn(noise * kept, SHAPE)
    return ((drawn - drawn.mean()) / drawn.std()).astype(np.float32)


def rough(rng: np.random.Generator, depth: float) -> Volume:
    """Draw a texture with detail of every size."""
    return sum(field(rng, size, depth) * size for size in (1, 2, 4, 8)) / 15


def leaves(rng: np.random.Generator) -> Volume:
    """Draw ellipsoids that cover each other, each with a shade and a grain."""
    depth = rng.uniform(1, 6)
    drawn = np.full(SHAPE, rng.random(), np.float32)
    grain = rough(rng, depth) * rng.uniform(0, 0.3)
    for _ in range(int(rng.integers(100, 700))):
        _paint(drawn, rng, depth, 4 * rng.random() ** -0.7, rng.random())
    return drawn * (1 + grain)


def cells(rng: np.random.Generator) -> Volume:
    """Draw bright ellipsoids on a dark ground, with structure inside."""
    depth, size = rng.uniform(2, 6), rng.uniform(8, 25)
    drawn = np.full(SHAPE, rng.uniform(0, 0.1), np.float32)
    for _ in range(int(rng.integers(20, 150))):
        _paint(drawn, rng, depth, size * rng.uniform(0.6, 1.4), rng.uniform(0.3, 1))
    inside = np.exp(rough(rng, depth) * rng.uniform(0.2, 1.2))
    return ndimage.gaussian_filter(drawn, (0, 0.7, 0.7)) * inside


def _paint(
    drawn: Volume, rng: np.random.Generator, depth: float, size: float, shade: float
) -> None:
    """Paint an ellipsoid at a random place."""
    middle = rng.uniform(0, 1, 3) * SHAPE
    radii = np.minimum(size * rng.uniform(0.5, 1.5, 3), 120) / (depth, 1, 1)
    first = np.maximum(np.floor(middle - radii), 0).astype(int)
    last = np.minimum(np.ceil(middle + radii) + 1, SHAPE).astype(int)
    if (last <= first).any():
        return
    box = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
    places = np.ogrid[box]
    distance = sum(
        ((place - at) / max(radius, 0.5)) ** 2
        for place, at, radius in zip(places, middle, radii, strict=True)
    )
    drawn[box][distance < 1] = shade


def tissue(rng: np.random.Generator) -> Volume:
    """Draw what lies between levels of a field, each with its shade."""
    depth = rng.uniform(1, 6)
    levels = field(rng, rng.uniform(3, 16), depth) + rough(rng, depth) * rng.uniform(
        0, 0.5
    )
    shades = rng.random(int(rng.integers(3, 9))).astype(np.float32)
    drawn = shades[
        np.clip((levels * 1.2 + len(shades) / 2).astype(int), 0, len(shades) - 1)
    ]
    bright = 1 + rng.uniform(0, 0.4) * field(rng, 40, depth)
    return drawn * bright * (1 + rough(rng, depth) * rng.uniform(0, 0.15))


def threads(rng: np.random.Generator) -> Volume:
    """Draw curves along which two fields are zero, of several networks."""
    depth = rng.uniform(2, 6)
    drawn = np.zeros(SHAPE, np.float32)
    for _ in range(int(rng.integers(1, 4))):
        size = rng.uniform(4, 20)
        one, other = field(rng, size, depth), field(rng, size, depth)
        width = rng.uniform(0.6, 3) / size
        drawn += rng.uniform(0.3, 1) * np.exp(-(one**2 + other**2) / width**2)
    return drawn * np.exp(0.5 * field(rng, 10, depth)) + rng.uniform(0, 0.1)


def membranes(rng: np.random.Generator) -> Volume:
    """Draw surfaces on which a field is zero."""
    depth, size = rng.uniform(1, 5), rng.uniform(5, 20)
    width = rng.uniform(0.6, 2.5) / size
    drawn = np.exp(-((field(rng, size, depth) / width) ** 2))
    return drawn * np.exp(0.4 * field(rng, 8, depth)) + rng.uniform(0, 0.2) * (
        1 + rough(rng, depth)
    )
