"""Procedural images like photographs: leaves upon leaves, natural spectra, gratings."""

import numpy as np

from drawn.drawing import (
    LARGE,
    SIDE,
    Labels,
    Plane,
    blob,
    coordinates,
    field,
    polygon,
    smooth,
    warped,
)

_SMALLEST, _LARGEST = (4.0, 20.0), 500.0  # radii of leaves, in pixels of LARGE
_COVERED = 3.0  # times, if leaves were beside each other; 5 % of an image stay bare
_MOST = 4000  # leaves: the smallest leave some of the ground bare, for speed
_SHAPED = 32.0  # smaller leaves are ellipses: nobody sees a difference


def dead_leaves(rng: np.random.Generator) -> Plane:
    """Return leaves that hide each other, of sizes as natural scenes have them.

    Densities of radii fall with their cube, which makes an image look alike at every
    scale (Lee, Mumford and Huang 2001). Each leaf has its grey level, its shading and a
    texture of its own strength.
    """
    labels = _leaves(rng)
    count, numbers = labels.count + 1, labels.numbers()
    down, right = coordinates(LARGE)
    shading = [rng.normal(0, 0.25, count).astype(np.float32) for _ in "yx"]
    shaded = shading[0][numbers] * (down - 0.5) + shading[1][numbers] * (right - 0.5)
    plane = labels.painted(rng.beta(1.2, 1.2, count)) + shaded[::2, ::2]
    for exponent in (rng.uniform(0.7, 1.1), rng.uniform(1.1, 1.6)):
        contrast = np.abs(rng.normal(0, 0.08, count)) * (rng.random(count) < 0.6)
        texture = field(rng, exponent, stretch=float(rng.choice([1, 1, 4])))
        plane = plane + labels.painted(contrast) * texture
    return _defocused(plane, rng)


def _leaves(rng: np.random.Generator) -> Labels:
    labels, smallest = Labels(), float(rng.uniform(*_SMALLEST))
    share = 1 - (smallest / _LARGEST) ** 2
    size = 2 * np.pi * smallest**2 * np.log(_LARGEST / smallest) / share  # in the mean
    count = min(int(_COVERED * LARGE**2 / (0.5 * size)), _MOST)
    radii = smallest / np.sqrt(1 - share * rng.random(count))
    centres = rng.uniform(0, LARGE, (count, 2))
    aspects = rng.uniform(0.4, 1.0, (count, 2))
    straight = rng.random(count) < rng.choice([0.0, 0.3, 0.9])
    for number, radius in enumerate(radii):
        centre = centres[number]
        if radius < _SHAPED:
            labels.ellipse(centre, radius * aspects[number])
        else:
            shape = polygon if straight[number] else blob
            labels.fill(shape(rng, centre, radius))
    return labels


def _defocused(plane: Plane, rng: np.random.Generator) -> Plane:
    """Blur parts of an image, as a lens does that is focused elsewhere."""
    if rng.random() < 0.5:
        return plane
    where = 1 / (1 + np.exp(-3 * field(rng, 2.5) - rng.normal()))
    return plane + where * (smooth(plane, rng.uniform(1, 5)) - plane)


def spectrum(rng: np.random.Generator) -> Plane:
    """Return a field of a 1/f spectrum: clouds, ridges, patches, marble, fur."""
    made = field(rng, rng.uniform(0.9, 1.9), stretch=float(rng.choice([1, 1, 3, 10])))
    kind = rng.integers(5)
    if kind == 0:
        return made
    if kind == 1:
        return np.exp(rng.uniform(0.4, 1.0) * made)
    if kind == 2:
        return -np.abs(made)
    if kind == 3:
        return np.tanh(rng.uniform(2, 8) * made) + 0.2 * field(rng, 1.2)
    return np.sin(rng.uniform(2, 6) * made) + 0.3 * field(rng, 1.0)


def gratings(rng: np.random.Generator) -> Plane:
    """Return patches of stripes, bent and of many widths, on a natural spectrum."""
    plane = field(rng, 1.3) * 0.4
    for _ in range(rng.integers(1, 4)):
        where = np.clip(rng.uniform(2, 20) * field(rng, rng.uniform(1.6, 2.5)), 0, 1)
        plane = plane + where * (_stripes(rng) - plane)
    return plane


def _stripes(rng: np.random.Generator) -> Plane:
    down, right = coordinates(SIDE)
    angle, period = rng.uniform(0, np.pi), 4 * 12 ** rng.random()
    place = np.cos(angle) * right + np.sin(angle) * down
    bends = float(rng.choice([0.0, 0.3, 2.0])) * field(rng, 2.3)
    wave = np.sin(2 * np.pi * SIDE / period * place + bends).astype(np.float32)
    return np.tanh(float(rng.choice([0.7, 3.0])) * wave) * rng.uniform(0.4, 1.2)


def layers(rng: np.random.Generator) -> Plane:
    """Return wavy layers of tissue or stone, each with its texture."""
    down, right = coordinates(SIDE)
    angle, count = rng.uniform(0, np.pi), int(rng.integers(4, 30))
    slope = rng.uniform(0.01, 0.06)
    place = np.cos(angle) * right + np.sin(angle) * down + slope * field(rng, 2.2)
    edges = np.sort(rng.uniform(place.min(), place.max(), count))
    levels = rng.beta(0.8, 0.8, count + 1)
    knots = (edges[:, None] + [[-0.002, 0.002]]).ravel()
    plane = np.interp(place, knots, np.repeat(levels, 2)[1:-1]).astype(np.float32)
    contrast = np.interp(place, edges, rng.uniform(0, 0.1, count)).astype(np.float32)
    return plane + contrast * field(rng, rng.uniform(0.8, 1.4), stretch=2)


def bark(rng: np.random.Generator) -> Plane:
    """Return a rough surface under slanting light, warped."""
    height = warped(field(rng, rng.uniform(1.4, 2.0), stretch=3), rng, 12)
    light = np.diff(height, axis=int(rng.integers(2)), append=0)
    return np.clip(light / light.std(), -2.5, 2.5) + 0.5 * height
