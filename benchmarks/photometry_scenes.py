"""Scenes of known brightness, and what is measured on images of them.

Light is in shares of the brightest a scene has. A measurement takes images (N, Y, X)
of one scene, one for each seed of the noise, and the clean one (Y, X).
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.optimize import curve_fit
from scipy.special import erf

Array = NDArray[np.float64]
Values = dict[str, float]

SIDE = 192  # pixels
GROUND = 0.02  # light between the things
WIDTH = 5.0  # pixels, full width at half maximum of a bead
CLASSES = (1.0, 0.5, 0.25, 0.1)  # brightness of beads over the ground
APERTURE = 8  # pixels: radius that holds 99.9 % of a bead
STEPS = 8  # of the stair, ground and full light included
PERIODS = (4, 6, 8, 12)  # pixels, of line patterns
STRENGTHS = (0.4, 0.1)  # of line patterns, above and below their mean
REGION = 24  # pixels: side of the squares whose means are compared
PER_SIGMA = 2 * np.sqrt(2 * np.log(2))


@dataclass(frozen=True)
class Scene:
    """What is imaged, and how it is measured.

    Parameters
    ----------
    name : str
        Its name in the table.
    light : NDArray
        Shape (Z, Y, X) or (Y, X), 0..1.
    measured : callable
        Maps images of the last plane, and the clean one, to values by name.
    """

    name: str
    light: Array
    measured: Callable[[Array, Array], Values]

    @property
    def axes(self) -> str:
        return "ZYX"[-self.light.ndim :]


def scenes() -> Iterator[Scene]:
    """Yield every scene."""
    yield Scene("beads", beads(), bead_values)
    yield Scene("ramp and stair", wedge(), wedge_values)
    yield Scene("dim beside bright", pair(), pair_values)
    yield Scene("line patterns", patterns(), pattern_values)
    yield Scene("slanted edge", slanted_edge(), edge_values)
    yield Scene("empty plane", np.zeros((SIDE, SIDE)), empty_values)
    stack = np.stack([beads(), np.zeros((SIDE, SIDE))])
    yield Scene("empty plane of a stack", stack, empty_values)


def centres() -> Iterator[tuple[float, float, float]]:
    """Yield row, column and brightness of every bead, at all fractions of a pixel."""
    for number in range(25):
        row, column = divmod(number, 5)
        fractions = (0.37 * number) % 1, (0.61 * number) % 1
        steps = zip((row, column), fractions, strict=True)
        place = (24 + 35 * step + fraction for step, fraction in steps)
        yield *place, CLASSES[(row + 2 * column) % len(CLASSES)]


def away(row: float, column: float) -> Array:
    """Return the squared distance of every pixel from a place."""
    y, x = np.mgrid[:SIDE, :SIDE]
    return (y - row) ** 2 + (x - column) ** 2


def beads() -> Array:
    """Return Gaussian spots of several classes of brightness."""
    light = np.full((SIDE, SIDE), GROUND)
    for row, column, peak in centres():
        sigma = WIDTH / PER_SIGMA
        spot = np.exp(-away(row, column) / (2 * sigma**2))
        light += (1 - GROUND) * peak * spot
    return light


def bead_values(images: Array, clean: Array) -> Values:
    """Return the errors of brightness and peak by class, and the width."""
    found: dict[tuple[str, float], list[Array]] = {}
    for row, column, peak in centres():
        distance = away(row, column)
        for kind, radius in (("brightness", APERTURE), ("peak", 1.5)):
            inside = distance < radius**2
            truth = (clean[inside] - GROUND).sum()
            sums = (images[:, inside] - GROUND).sum(axis=1)
            found.setdefault((kind, peak), []).append(100 * (sums / truth - 1))
    values = {
        f"{kind} of beads of {peak:g}, error in %": float(np.mean(found[kind, peak]))
        for kind in ("brightness", "peak")
        for peak in CLASSES
    }
    values["scatter of single beads of 1, %"] = float(np.std(found["brightness", 1.0]))
    true = bead_width(clean, 1.0)
    for peak in (1.0, 0.25):
        broader = 100 * (bead_width(images.mean(axis=0), peak) / true - 1)
        values[f"width of beads of {peak:g}, broader by %"] = broader
    return values


def bead_width(image: Array, peak: float) -> float:
    """Return the full width at half maximum of a Gaussian fit to a class of beads."""
    squares, values = [], []
    for row, column, brightness in centres():
        if brightness == peak:
            distance = away(row, column)
            inside = distance < APERTURE**2
            squares.append(distance[inside])
            values.append(image[inside])

    def bell(square: Array, height: float, sigma: float, ground: float) -> Array:
        return ground + height * np.exp(-square / (2 * sigma**2))

    start = (peak, WIDTH / PER_SIGMA, GROUND)
    fitted, _ = curve_fit(bell, np.concatenate(squares), np.concatenate(values), start)
    return float(abs(fitted[1]) * PER_SIGMA)


def wedge() -> Array:
    """Return a ramp above, and a stair below."""
    ramp = np.linspace(0, 1, SIDE)
    stair = np.repeat(np.linspace(0, 1, STEPS), SIDE // STEPS)
    return np.concatenate([np.tile(row, (SIDE // 2, 1)) for row in (ramp, stair)])


def wedge_values(images: Array, clean: Array) -> Values:
    """Return how straight a line the means of regions form with the true ones."""
    values, step = {}, SIDE // STEPS
    for name, top in (("ramp", 0), ("stair", SIDE // 2)):
        parts = [
            (..., slice(top + 6, top + SIDE // 2 - 6), slice(left + 4, left + step - 4))
            for left in range(0, SIDE, step)
        ]
        true = np.array([clean[part].mean() for part in parts])
        found = np.array([images[part].mean(axis=(1, 2)) for part in parts]).T
        lines = [np.polynomial.polynomial.polyfit(true, one, 1) for one in found]
        fits = [intercept + slope * true for intercept, slope in lines]
        unexplained = [
            ((one - fit) ** 2).sum() / ((one - one.mean()) ** 2).sum()
            for one, fit in zip(found, fits, strict=True)
        ]
        values[f"{name}: R2 of linearity"] = 1 - float(np.mean(unexplained))
        values[f"{name}: slope"] = float(np.mean([slope for _, slope in lines]))
        worst = 100 * np.abs(found.mean(axis=0) - true).max()
        values[f"{name}: worst region, % of full scale"] = float(worst)
    return values


def pair() -> Array:
    """Return a bright disc, a dim one and dim threads beside it, a little blurred."""
    light = np.full((SIDE, SIDE), GROUND)
    light += 0.05 * (dim_disc() | threads())
    light[away(96, 56) < 40**2] = 1
    return gaussian_filter(light, 1.2)


def dim_disc() -> NDArray[np.bool_]:
    return away(60, 120) < 18**2


def threads() -> NDArray[np.bool_]:
    """Return threads 3 pixels wide, 12 apart, from 6 pixels beside the disc on."""
    y, x = np.mgrid[:SIDE, :SIDE]
    return (x > 102) & (x < 180) & (y > 96) & (y < 168) & ((y - 96) % 12 < 3)


def pair_values(images: Array, clean: Array) -> Values:
    """Return what becomes of the dim things' brightness and contrast."""
    ground = (away(60, 120) > 24**2) & (away(60, 120) < 30**2) & (away(96, 56) > 54**2)
    ground &= np.mgrid[:SIDE, :SIDE][0] < 92
    things = {
        "disc": (away(60, 120) < 14**2, ground),
        "threads": (threads(), np.roll(threads(), 6, axis=0)),
    }
    values = {}
    for name, (inside, beside) in things.items():
        error = images[:, inside].mean() - clean[inside].mean()
        values[f"dim {name}, error in % of full scale"] = float(100 * error)
        contrast, true = (
            image[..., inside].mean() - image[..., beside].mean()
            for image in (images, clean)
        )
        values[f"dim {name}, contrast kept, %"] = float(100 * contrast / true)
    return values


def patterns() -> Array:
    """Return sine waves across: by period from left to right, weak ones below."""
    light = np.full((SIDE, SIDE), 0.5)
    for where, wave, strength in waves():
        light[where] += strength * wave[where]
    light[:4], light[-4:] = 0, 1  # so that full scale is that of the other scenes
    return light


def waves() -> Iterator[tuple[tuple[slice, slice], Array, float]]:
    """Yield place, wave (-1..1) and strength of every line pattern."""
    y, x = np.mgrid[:SIDE, :SIDE]
    breadth = SIDE // len(PERIODS)
    for column, period in enumerate(PERIODS):
        # Neither along a row of pixels nor along a diagonal.
        wave = np.sin(2 * np.pi * (x * np.cos(0.4) + y * np.sin(0.4)) / period)
        columns = slice(column * breadth, (column + 1) * breadth)
        for row, strength in enumerate(STRENGTHS):
            yield (slice(8 + 88 * row, 96 + 88 * row), columns), wave, strength


def pattern_values(images: Array, clean: Array) -> Values:
    """Return the modulation that is left of each line pattern."""
    values = {}
    inside = (slice(6, -6), slice(6, -6))
    periods = np.repeat(PERIODS, len(STRENGTHS))
    for (where, wave, strength), period in zip(waves(), periods, strict=True):
        basis = wave[where][inside] - wave[where][inside].mean()
        found, true = (
            (image[..., *where][..., *inside] * basis).sum(axis=(-2, -1)).mean()
            for image in (images, clean)
        )
        name = f"lines {period} pixels apart, +-{strength:g}: modulation kept, %"
        values[name] = float(100 * found / true)
    return values


def slanted_edge() -> Array:
    """Return an edge of 3 pixels' width at half maximum, at an angle of 5 degrees."""
    return GROUND + (1 - GROUND) * (
        0.5 + 0.5 * erf(across() / (3 / PER_SIGMA) / 2**0.5)
    )


def across() -> Array:
    """Return every pixel's distance from the slanted edge, in pixels."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2 + 0.5
    return x * np.cos(np.radians(5)) + y * np.sin(np.radians(5))


def edge_values(images: Array, clean: Array) -> Values:
    """Return by how much 10 and 90 % of the edge lie farther apart."""
    longer = 100 * (rise(images.mean(axis=0)) / rise(clean) - 1)
    return {"rise from 10 to 90 %, longer by %": longer}


def rise(image: Array) -> float:
    """Return the distance from 10 to 90 % of an edge, in pixels."""
    edges = np.arange(-6, 6.01, 0.5)
    profile = [
        image[(across() >= low) & (across() < high)].mean()
        for low, high in itertools.pairwise(edges)
    ]
    middles = (edges[:-1] + edges[1:]) / 2
    low, high = image[across() < -8].mean(), image[across() > 8].mean()
    share = np.maximum.accumulate((np.array(profile) - low) / (high - low))
    return float(np.interp(0.9, share, middles) - np.interp(0.1, share, middles))


def empty_values(images: Array, clean: Array) -> Values:
    """Return what is found where nothing is, in shares of full scale."""
    left = images - clean
    bumps = gaussian_filter(left, (0, 2, 2)) - left.mean(axis=(1, 2), keepdims=True)
    return {
        "spread, % of full scale": float(100 * left.std(axis=(1, 2)).mean()),
        "largest bump, % of full scale": float(
            100 * np.abs(bumps).max(axis=(1, 2)).mean()
        ),
    }


def change_values(changes: Array) -> Values:
    """Return means, and what neighbours have in common, of changes (N, Y, X).

    A noisy image is right on average, so that the mean of what denoising changes is its
    bias, and far less in doubt than the difference to the truth.
    """
    count = SIDE // REGION
    mean = changes.mean(axis=0)
    regions = mean.reshape(count, REGION, count, REGION).mean(axis=(1, 3))
    centred = changes - changes.mean(axis=(1, 2), keepdims=True)
    power = (centred**2).mean()
    across_, down = (
        (np.delete(centred, 0, axis) * np.delete(centred, -1, axis)).mean() / power
        for axis in (2, 1)
    )
    return {
        "mean, changed by % of full scale": float(100 * mean.mean()),
        "worst region, changed by % of full scale": float(
            100 * regions.flat[np.abs(regions).argmax()]
        ),
        "correlation of neighbours, across": float(across_),
        "correlation of neighbours, down": float(down),
    }
