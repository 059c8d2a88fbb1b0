"""What procedural images are made of: random fields, outlines filled or drawn, blurs.

Outlines are drawn at twice the size and shrunk, so that their edges are smooth.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import fft
from scipy.ndimage import gaussian_filter, map_coordinates

Plane = NDArray[np.float32]
Points = NDArray[np.floating]
SIDE = 512
LENS = 0.7  # pixels: standard deviation of the blur of everything fine
_MEMORY = 12  # steps over which a curve keeps its bend
LARGE = 2 * SIDE  # pixels, of what is drawn before it is shrunk


def field(rng: np.random.Generator, exponent: float, *, stretch: float = 1.0) -> Plane:
    """Return a random field of amplitudes 1/f**exponent, mean 0 and variance 1.

    Stretched ones have structures that are longer in one direction, drawn at random.
    All are blurred by `LENS`: what is as fine as the pixels would teach a network to
    keep noise, and no optics shows it.
    """
    frequencies = _frequencies(rng.uniform(0, np.pi), stretch)
    amplitudes = frequencies ** np.float32(-exponent) * _lens()
    amplitudes[0, 0] = 0
    shape = (*amplitudes.shape, 2)
    white = rng.standard_normal(shape, np.float32).view(np.complex64)[..., 0]
    made = fft.irfft2(white * amplitudes, s=(SIDE, SIDE))
    return (made / made.std()).astype(np.float32)


def _frequencies(angle: float, stretch: float) -> Plane:
    """Return how fast waves are, in waves per image; shape (SIDE, SIDE / 2 + 1)."""
    down, right = _axes()
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    along, across = cosine * right + sine * down, cosine * down - sine * right
    squares = (np.float32(stretch) * along) ** 2 + across**2
    squares[0, 0] = 1
    return np.sqrt(squares)


@cache
def _lens() -> Plane:
    down, right = _axes()
    return np.exp(-2 * (np.pi * LENS / SIDE) ** 2 * (down**2 + right**2))


@cache
def _axes() -> tuple[Plane, Plane]:
    down = fft.fftfreq(SIDE).astype(np.float32)[:, None]
    right = fft.rfftfreq(SIDE).astype(np.float32)[None]
    return down * SIDE, right * SIDE


@cache
def coordinates(side: int) -> tuple[Plane, Plane]:
    """Return rows and columns of a plane, 0..1, shapes (side, 1) and (1, side)."""
    places = (np.arange(side, dtype=np.float32) + 0.5) / side
    return places[:, None], places[None]


def smooth(plane: Plane, sigma: float) -> Plane:
    """Blur a plane; one that is blurred much is shrunk before, for speed."""
    if sigma < 6:
        return gaussian_filter(plane, sigma, truncate=3.0, mode="reflect")
    small = shrunk(shrunk(plane))
    blurred = Image.fromarray(smooth(small, sigma / 4))
    return np.asarray(blurred.resize(plane.shape[::-1], Image.Resampling.BICUBIC))


def shrunk(plane: Plane) -> Plane:
    """Return the means of 2 x 2 pixels."""
    pairs = plane[::2] + plane[1::2]
    return (pairs[:, ::2] + pairs[:, 1::2]) * np.float32(0.25)


def warped(plane: Plane, rng: np.random.Generator, strength: float) -> Plane:
    """Shift pixels by smooth random fields, up to about twice ``strength`` pixels."""
    down, right = (np.arange(SIDE, dtype=np.float32) for _ in range(2))
    places = [
        down[:, None] + strength * field(rng, 2.1),
        right[None] + strength * field(rng, 2.1),
    ]
    return map_coordinates(plane, places, order=1, mode="mirror")


def blob(rng: np.random.Generator, centre: Points, radius: float) -> Points:
    """Return an outline that is round, longish or lobed, shape (points, 2), in x, y."""
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    wobble = sum(
        rng.normal(0, 0.12 / order) * np.cos(order * angles + rng.uniform(0, 6.3))
        for order in (2, 3, 4, 5)
    )
    aspect, turn = rng.uniform(0.55, 1.0), rng.uniform(0, np.pi)
    x, y = np.cos(angles) * (1 + wobble), aspect * np.sin(angles) * (1 + wobble)
    cosine, sine = np.cos(turn), np.sin(turn)
    turned = np.stack([x * cosine - y * sine, x * sine + y * cosine], axis=1)
    return centre + radius * turned


def polygon(rng: np.random.Generator, centre: Points, radius: float) -> Points:
    """Return a shape of 3 to 6 straight edges, as `blob`."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 7)))
    reach = radius * rng.uniform(0.8, 1.4, len(angles))
    return centre + reach[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)


class Labels:
    """A map of numbers: outlines filled one after the other, later ones above."""

    def __init__(self) -> None:
        self.image = Image.new("I", (LARGE, LARGE), 0)
        self.draw = ImageDraw.Draw(self.image)
        self.count = 0

    def fill(self, outline: Points) -> None:
        """Fill an outline, in pixels of `LARGE`, with the next number."""
        self.count += 1
        self.draw.polygon(outline.ravel().tolist(), fill=self.count)

    def ellipse(self, centre: Points, radii: Points) -> None:
        """Fill an upright ellipse with the next number."""
        self.count += 1
        box = (*(centre - radii).tolist(), *(centre + radii).tolist())
        self.draw.ellipse(box, fill=self.count)

    def numbers(self) -> NDArray[np.int32]:
        """Return the map, shape (LARGE, LARGE), 0 where nothing was filled."""
        return np.asarray(self.image)

    def painted(self, values: NDArray[np.floating]) -> Plane:
        """Return a plane with the value of each number, ``values[0]`` for none."""
        return shrunk(values.astype(np.float32)[self.numbers()])


def curves(
    rng: np.random.Generator, count: int, *, steps: int, bend: float, step: float = 16
) -> list[Points]:
    """Return random smooth curves, (points, 2) each, in pixels of `LARGE`."""
    starts = rng.uniform(-0.1 * LARGE, 1.1 * LARGE, (count, 1, 2))
    turns = rng.normal(0, bend, (count, steps + _MEMORY)).cumsum(axis=1)
    turns = turns[:, _MEMORY:] - turns[:, :-_MEMORY]  # of the last steps: no circles
    angles = rng.uniform(0, 2 * np.pi, (count, 1)) + turns.cumsum(axis=1)
    moves = step * np.stack([np.cos(angles), np.sin(angles)], axis=2)
    return list(starts + moves.cumsum(axis=1))


def drawn(lines: list[Points], widths: NDArray[np.int64], levels: Points) -> Plane:
    """Draw lines of levels 0..1; where they cross, the later one is seen."""
    image = Image.new("L", (LARGE, LARGE), 0)
    draw = ImageDraw.Draw(image)
    for line, width, level in zip(lines, widths, levels, strict=True):
        draw.line(line.ravel().tolist(), fill=int(255 * level), width=int(width))
    return shrunk(np.asarray(image).astype(np.float32) / np.float32(255))
