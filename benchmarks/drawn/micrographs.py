"""Procedural images like micrographs: cells, threads, membranes, points, slices."""

import numpy as np
from scipy.spatial import Voronoi

from drawn.drawing import (
    LARGE,
    SIDE,
    Labels,
    Plane,
    Points,
    blob,
    coordinates,
    curves,
    drawn,
    field,
    smooth,
    warped,
)


def cells(rng: np.random.Generator) -> Plane:
    """Return nuclei of soft edges with chromatin, nucleoli, and cytoplasm around."""
    radius = 16 * 6 ** rng.random()
    count = int(min(0.5 * (LARGE / (2 * radius)) ** 2, 300) * rng.uniform(0.2, 1.4)) + 3
    centres = rng.uniform(0, LARGE, (count, 2))
    sharp = _nuclei(rng, centres, radius)
    plane = smooth(sharp, rng.uniform(0.5, 1.6))
    if rng.random() < 0.5:  # others lie out of focus
        others = _nuclei(rng, rng.uniform(0, LARGE, (count // 2 + 1, 2)), 1.2 * radius)
        plane = plane + 0.4 * smooth(others, rng.uniform(6, 14))
    if rng.random() < 0.5:
        plane = plane + 0.3 * _cytoplasm(rng, centres, 2.5 * radius)
    plane = _hazy(plane, rng)
    return plane if rng.random() < 0.8 else _stained(plane, rng)


def _nuclei(rng: np.random.Generator, centres: Points, radius: float) -> Plane:
    labels, spots = Labels(), Labels()
    for centre in centres:
        size = radius * rng.uniform(0.7, 1.3)
        labels.fill(blob(rng, centre, size))
        for place in rng.normal(centre, 0.35 * size, (rng.integers(4), 2)):
            spots.fill(blob(rng, place, size * rng.uniform(0.1, 0.25)))
    level = rng.lognormal(0, 0.4, labels.count + 1)
    level[0] = 0
    inside = labels.painted(level)
    chromatin = 1 + rng.uniform(0.05, 0.4) * field(rng, rng.uniform(0.9, 1.5))
    sign = rng.normal(0, 0.5, spots.count + 1)
    sign[0] = 0
    return inside * np.clip(chromatin + spots.painted(sign), 0.05, 3)


def _cytoplasm(rng: np.random.Generator, centres: Points, radius: float) -> Plane:
    labels = Labels()
    for centre in centres:
        labels.fill(blob(rng, centre, radius * rng.uniform(0.7, 1.2)))
    level = rng.lognormal(0, 0.3, labels.count + 1)
    level[0] = 0
    body = smooth(labels.painted(level), rng.uniform(1, 4))
    return body * np.exp(0.4 * field(rng, rng.uniform(0.9, 1.4)))


def _hazy(plane: Plane, rng: np.random.Generator) -> Plane:
    """Add the light of other depths, and an uneven background."""
    haze = rng.uniform(0, 0.5) * smooth(plane, rng.uniform(8, 24))
    background = rng.uniform(0, 0.15) * np.exp(0.5 * field(rng, 2.2))
    return plane + haze + background


def _stained(plane: Plane, rng: np.random.Generator) -> Plane:
    """Return what a stain leaves of bright light, over a fibrous tissue."""
    tissue = np.exp(0.5 * field(rng, 1.3, stretch=4))
    return np.exp(-rng.uniform(0.5, 1.5) * plane - rng.uniform(0.05, 0.3) * tissue)


def threads(rng: np.random.Generator) -> Plane:
    """Return fibres that bend and cross, beaded, some of them out of focus."""
    plane = np.zeros((SIDE, SIDE), np.float32)
    bend, count = 0.003 * 12 ** rng.random(), int(10 * 12 ** rng.random())
    width = rng.uniform(1, 4)
    for layer in range(3):
        lines = curves(rng, count, steps=70, bend=bend)
        widths = np.rint(width * rng.uniform(0.7, 1.5, count)).clip(1).astype(int)
        made = drawn(lines, widths, rng.uniform(0.3, 1.0, count))
        plane = plane + smooth(made, rng.uniform(0.5, 1.0) * (1 + 1.2 * layer))
    beads = np.exp(rng.uniform(0, 0.5) * field(rng, rng.uniform(0.7, 1.2)))
    return _hazy(plane * beads, rng)


def membranes(rng: np.random.Generator) -> Plane:
    """Return a tissue of cells that touch: bright outlines, or dark as in an EM."""
    lines = _outlines(rng, int(30 * 20 ** rng.random()))
    widths = rng.integers(2, 7, len(lines))
    outline = drawn(lines, widths, rng.uniform(0.6, 1.0, len(lines)))
    outline = warped(outline, rng, rng.uniform(4, 20))
    if rng.random() < 0.5:
        inside = rng.uniform(0, 0.15) * np.exp(0.5 * field(rng, 1.0))
        return _hazy(smooth(outline, rng.uniform(0.5, 1.5)) + inside, rng)
    return _electron_micrograph(rng, outline)


def _outlines(rng: np.random.Generator, count: int) -> list[Points]:
    diagram = Voronoi(rng.uniform(-0.2 * LARGE, 1.2 * LARGE, (count, 2)))
    ridges = [ridge for ridge in diagram.ridge_vertices if ridge[0] >= 0]
    # Far corners are at infinity, nearly: PIL wants numbers that it can draw.
    return [diagram.vertices[ridge].clip(-LARGE, 2 * LARGE) for ridge in ridges]


def _electron_micrograph(rng: np.random.Generator, outline: Plane) -> Plane:
    labels = Labels()
    for centre in rng.uniform(0, LARGE, (rng.integers(10, 120), 2)):
        labels.fill(blob(rng, centre, 10 * 6 ** rng.random()))
    chosen = rng.uniform(-0.1, 0.5, labels.count + 1)
    chosen[0] = 0
    organelles = labels.painted(chosen)
    rims = np.abs(organelles - smooth(organelles, 1.5)) * 2
    folds = np.sin(8 * field(rng, 1.8)) * 0.3
    plasma = 0.1 * field(rng, rng.uniform(0.8, 1.1)) + 0.06 * field(rng, 1.6)
    dark = 0.8 * outline + organelles * (1 + folds) + rims
    return smooth(1 + plasma - dark, rng.uniform(0.5, 1.2))


def points(rng: np.random.Generator) -> Plane:
    """Return spots of a few sizes on a dark ground, evenly or in clusters."""
    plane = np.zeros((SIDE, SIDE), np.float32)
    clusters = np.exp(float(rng.choice([0.0, 1.0, 2.0])) * field(rng, 1.6)).ravel()
    chances = np.cumsum(clusters / clusters.sum())
    for _ in range(3):
        count, sigma = int(20 * 60 ** rng.random()), rng.uniform(0.7, 2.5)
        found = np.searchsorted(chances, rng.random(count)).clip(max=SIDE**2 - 1)
        spots = np.zeros(SIDE**2, np.float32)
        np.add.at(spots, found, rng.lognormal(0, 0.7, count).astype(np.float32))
        plane = plane + smooth(spots.reshape(SIDE, SIDE), sigma) * (7 * sigma**2)
    body = float(rng.choice([0.0, 0.2, 0.6])) * np.exp(0.6 * field(rng, 1.8))
    return _hazy(plane + body * np.exp(0.2 * field(rng, 1.1)), rng)


def slices(rng: np.random.Generator) -> Plane:
    """Return a cut through organs, as of a tomograph: smooth parts in a dark ground."""
    labels = Labels()
    middle, size = np.full(2, LARGE / 2), LARGE * rng.uniform(0.3, 0.5)
    for shrink in (1.0, 0.94, 0.9):
        labels.ellipse(middle, size * shrink * np.array([1.0, 0.85]))
    for _ in range(rng.integers(15, 80)):
        place = rng.normal(middle, 0.35 * size)
        labels.fill(blob(rng, place, size * 0.03 * 12 ** rng.random()))
    level = rng.uniform(0.1, 1.0, labels.count + 1)
    level[0] = rng.choice([0.0, 0.05])
    plane = smooth(labels.painted(level), rng.uniform(0.5, 1.5))
    down, right = coordinates(SIDE)
    coil = 1 + rng.uniform(-0.5, 0.5) * (down - 0.5) + rng.uniform(-0.5, 0.5) * right
    grain = 1 + rng.uniform(0, 0.15) * field(rng, rng.uniform(1.1, 1.8))
    return warped(plane * coil * grain, rng, rng.uniform(2, 12))
