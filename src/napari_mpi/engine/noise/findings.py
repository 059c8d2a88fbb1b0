"""What an image's own noise is like: the figures, and in words; torch-free."""

import math
from dataclasses import dataclass

SLIGHT, STRONG, WIDE = 0.15, 0.55, 0.8
"""Correlation between neighbours from which on noise is called correlated at all,
strongly, and over several pixels.

In flat parts of photographs under white noise at most 0.10 is found (from a noise level
of 10 of 255 on), 0.22 to 0.27 where it was blurred by half a pixel, 0.35 to 0.44 by
0.6 pixels, 0.49 to 0.65 by 0.8 (`python benchmarks/compare.py findings`)."""

OUTWEIGHED = 0.5
"""Share of what taking an image apart leaves, that is detail, to call noise weak."""

FAINT = 0.02
"""Strength below which it may be a clean image that is looked at."""

COARSE = 0.1
"""Strength from which on half of the pixels are hidden at a time."""

SHARED = 0.4
"""Correlation between colours from which on they are said to share their noise."""

FEW_HOT = 1e-4
"""Share of the pixels that must be hot to be told of."""

_GAUSSIAN, _POISSON = 0.4, 0.55  # most, and least, that goes with the intensity


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseFindings:
    """What was found of the noise in an image, or in one of its channels.

    Parameters
    ----------
    level : float
        Standard deviation at the usual intensity, in the image's units.
    strength : float
        Standard deviation in flat parts, as a share of the range of intensities.
    signal_dependence : float
        Share of the variance, in bright parts, beyond that of the darkest, 0..1: most
        of it for photon noise, none for noise that is the same everywhere.
    correlation : float
        What neighbours have in common of the noise in flat parts, -1..1.
    detail : float
        Of what taking the image apart leaves, the share that a look at it as it is has
        seen: detail, where noise is not correlated. Not negative; above 1 it is noise.
    colours : float
        What colours have in common of the noise, -1..1; 0 for grey images.
    hot : float
        Share of pixels that are hot or dead, 0..1.
    is_structured : bool
        Whether what a first look leaves repeats at a distance, as lines do: then what
        neighbours have in common tells of them, and not of noise.
    """

    level: float
    strength: float
    signal_dependence: float
    correlation: float
    detail: float
    colours: float = 0.0
    hot: float = 0.0
    is_structured: bool = False

    @property
    def is_weak(self) -> bool:
        """Whether noise is so weak that its correlation can't be told from detail.

        Strong correlation can, but where there is next to no noise at all.
        """
        doubtful = self.correlation < STRONG or self.strength < FAINT
        return self.is_structured or (doubtful and self.detail > OUTWEIGHED)

    @property
    def is_strong(self) -> bool:
        """Whether noise is so strong that more pixels should be hidden at a time."""
        return self.strength >= COARSE

    @property
    def is_correlated(self) -> bool:
        """Whether neighbours share enough of their noise to be treated otherwise."""
        return self.correlation >= SLIGHT and not self.is_weak

    @property
    def shares_colours(self) -> bool:
        """Whether a pixel's colours share so much noise that one tells of another."""
        return self.colours >= SHARED and not self.is_weak

    def words(self) -> str:
        """Return what was found, in words."""
        parts = [
            self._space(),
            self._signal(),
            f"about {digits(self.level)} grey levels",
        ]
        if self.shares_colours:
            parts.append("shared by the colours")
        if self.hot >= FEW_HOT:
            parts.append(f"{100 * self.hot:.2g} % hot pixels")
        return ", ".join(parts)

    def in_short(self) -> str:
        """Return what was found, as a person says it who never heard of noise laws."""
        told = f"noise of about {digits(self.level)} grey levels"
        if self.is_correlated:
            return f"{told}, shared by neighbouring pixels"
        if self.is_weak:
            return f"{told} at most, weak beside the detail"
        is_light = self.signal_dependence > _GAUSSIAN
        return told + ", like a camera's" * is_light

    def _space(self) -> str:
        if self.correlation < SLIGHT:
            return "pixel-independent"
        if self.is_weak:
            return "weak against detail, or correlated"
        if self.correlation < STRONG:
            return "slightly correlated"
        return "correlated" + " over several pixels" * (self.correlation >= WIDE)

    def _signal(self) -> str:
        if self.signal_dependence >= _POISSON:
            return "Poisson-like"
        if self.signal_dependence <= _GAUSSIAN:
            return "Gaussian-like"
        return "Poisson-Gaussian"


def digits(value: float) -> str:
    """Return a number with two digits that count, never as a power of ten."""
    if value <= 0 or not math.isfinite(value):
        return "0"
    places = max(0, 1 - math.floor(math.log10(value)))
    return f"{value:.{places}f}"
