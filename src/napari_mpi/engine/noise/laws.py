"""Laws of noise: what makes a noisy image of a clean one, with known moments."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_mpi.engine.settings.fields import Limits, require_number

Real = NDArray[np.floating]
Noisy = NDArray[np.float64]


class NoiseLaw(Protocol):
    """How a noisy image comes of a clean one; the same seed gives the same noise."""

    def noisy(self, clean: Real, *, rng: np.random.Generator) -> Noisy:
        """Return a noisy image.

        Parameters
        ----------
        clean : NDArray
            Shape (Y, X) or (Y, X, C), in grey levels, none negative.
        rng : numpy.random.Generator
            Source of the randomness.
        """

    def variance(self, clean: Real) -> Noisy:
        """Return the variance of every pixel of `noisy`, in grey levels squared."""


@dataclass(frozen=True, slots=True)
class Gaussian:
    """``y = x + n``, n normal of standard deviation ``sigma``, alike everywhere.

    Parameters
    ----------
    sigma : float
        Grey levels, above 0.
    """

    sigma: float

    def __post_init__(self) -> None:
        require_number("sigma", self.sigma, Limits(above=0, below=math.inf))

    def noisy(self, clean: Real, *, rng: np.random.Generator) -> Noisy:
        """See `NoiseLaw`."""
        return clean + rng.normal(0, self.sigma, clean.shape)

    def variance(self, clean: Real) -> Noisy:
        """See `NoiseLaw`."""
        return np.full(clean.shape, self.sigma**2)


@dataclass(frozen=True, slots=True)
class Poisson:
    """``y = gain * Poisson(x / gain)``: photons, counted without further noise.

    Parameters
    ----------
    gain : float
        Grey levels per photon, above 0.
    """

    gain: float

    def __post_init__(self) -> None:
        require_number("gain", self.gain, Limits(above=0, below=math.inf))

    def noisy(self, clean: Real, *, rng: np.random.Generator) -> Noisy:
        """See `NoiseLaw`."""
        return np.asarray(self.gain * rng.poisson(clean / self.gain), np.float64)

    def variance(self, clean: Real) -> Noisy:
        """See `NoiseLaw`."""
        return np.asarray(self.gain * clean, np.float64)


@dataclass(frozen=True, slots=True)
class PoissonGaussian:
    """``y = gain * Poisson(x / gain) + n``: a camera, n its read noise.

    Parameters
    ----------
    gain : float
        Grey levels per photon, above 0.
    read_noise : float
        Standard deviation of n, in grey levels, above 0.
    """

    gain: float
    read_noise: float

    def noisy(self, clean: Real, *, rng: np.random.Generator) -> Noisy:
        """See `NoiseLaw`."""
        counted = Poisson(self.gain).noisy(clean, rng=rng)
        return Gaussian(self.read_noise).noisy(counted, rng=rng)

    def variance(self, clean: Real) -> Noisy:
        """See `NoiseLaw`."""
        return Poisson(self.gain).variance(clean) + self.read_noise**2


@dataclass(frozen=True, slots=True)
class SignalDependentGaussian:
    """``y = x + n(x)``, n normal of variance ``slope * x + offset``.

    The noise level function that camera noise is often approximated by (Foi et al.
    2008, IEEE TIP 17:1737).

    Parameters
    ----------
    slope : float
        Grey levels, 0 or more.
    offset : float
        Grey levels squared, 0 or more.
    """

    slope: float
    offset: float

    def __post_init__(self) -> None:
        require_number("slope", self.slope, Limits(low=0, below=math.inf))
        require_number("offset", self.offset, Limits(low=0, below=math.inf))

    def noisy(self, clean: Real, *, rng: np.random.Generator) -> Noisy:
        """See `NoiseLaw`."""
        return clean + rng.normal(size=clean.shape) * np.sqrt(self.variance(clean))

    def variance(self, clean: Real) -> Noisy:
        """See `NoiseLaw`."""
        return np.asarray(self.slope * clean + self.offset, np.float64)


@dataclass(frozen=True, slots=True)
class Speckle:
    """``y = x * (1 + n)``, n normal of standard deviation ``contrast``.

    Parameters
    ----------
    contrast : float
        Standard deviation over mean, above 0.
    """

    contrast: float

    def __post_init__(self) -> None:
        require_number("contrast", self.contrast, Limits(above=0, below=math.inf))

    def noisy(self, clean: Real, *, rng: np.random.Generator) -> Noisy:
        """See `NoiseLaw`."""
        return clean * (1 + rng.normal(0, self.contrast, clean.shape))

    def variance(self, clean: Real) -> Noisy:
        """See `NoiseLaw`."""
        return np.asarray((self.contrast * clean) ** 2, np.float64)


@dataclass(frozen=True, slots=True)
class SaltAndPepper:
    """Every pixel is, with a probability of ``share``, ``low`` or ``high`` instead.

    Both come equally often.

    Parameters
    ----------
    share : float
        Above 0, below 1.
    low, high : float
        Grey levels.
    """

    share: float
    low: float = 0.0
    high: float = 255.0

    def __post_init__(self) -> None:
        require_number("share", self.share, Limits(above=0, below=1))

    def noisy(self, clean: Real, *, rng: np.random.Generator) -> Noisy:
        """See `NoiseLaw`."""
        drawn = rng.random(clean.shape)
        image = np.array(clean, np.float64)
        image[drawn < self.share] = self.high
        image[drawn < self.share / 2] = self.low
        return image

    def variance(self, clean: Real) -> Noisy:
        """See `NoiseLaw`; about the mean, which is shifted too."""
        values = np.stack([clean, np.full(clean.shape, self.low),
                           np.full(clean.shape, self.high)])  # fmt: skip
        weights = np.array([1 - self.share, self.share / 2, self.share / 2])
        mean = np.tensordot(weights, values, 1)
        spread: Noisy = np.tensordot(weights, values**2, 1) - mean**2
        return spread


@dataclass(frozen=True, slots=True)
class CorrelatedGaussian:
    """``y = x + n``, n normal of standard deviation ``sigma``, blurred in space.

    White noise blurred by a Gaussian, its variance restored: neighbours at a distance d
    have a correlation of ``exp(-d**2 / (4 * blur**2))``, but for the pixels' own size.

    Parameters
    ----------
    sigma : float
        Grey levels, above 0.
    blur : float
        Standard deviation of the blur, in pixels, above 0.
    """

    sigma: float
    blur: float

    def __post_init__(self) -> None:
        require_number("sigma", self.sigma, Limits(above=0, below=math.inf))
        require_number("blur", self.blur, Limits(above=0, below=math.inf))

    def noisy(self, clean: Real, *, rng: np.random.Generator) -> Noisy:
        """See `NoiseLaw`."""
        sizes = (self.blur, self.blur, 0)[: clean.ndim]  # colours are not mixed
        white = rng.normal(size=clean.shape)
        noise = gaussian_filter(white, sizes, mode="wrap")
        return np.asarray(clean + self.sigma * noise / self._kept, np.float64)

    def variance(self, clean: Real) -> Noisy:
        """See `NoiseLaw`."""
        return np.full(clean.shape, self.sigma**2)

    @property
    def _kept(self) -> float:
        """What blurring leaves of the standard deviation of white noise."""
        reach = int(8 * self.blur) + 2
        line = np.zeros(2 * reach + 1)
        line[reach] = 1
        along = gaussian_filter(line, self.blur, mode="wrap")
        return float((along**2).sum())


@dataclass(frozen=True, slots=True)
class Mixture:
    """One law after the other, each on what the one before has left.

    Parameters
    ----------
    laws : sequence of NoiseLaw
        In order; only the first may count photons, since noise makes values negative.
    """

    laws: Sequence[NoiseLaw]

    def noisy(self, clean: Real, *, rng: np.random.Generator) -> Noisy:
        """See `NoiseLaw`."""
        image = np.array(clean, np.float64)
        for law in self.laws:
            image = law.noisy(image, rng=rng)
        return image

    def variance(self, clean: Real) -> Noisy:
        """Return the sum of the laws' own: what small noises amount to."""
        total: Noisy = np.sum([law.variance(clean) for law in self.laws], axis=0)
        return total


def blind_mixture(rng: np.random.Generator) -> Mixture:
    """Draw a mixture that nobody could have prepared for.

    Photons of 0.2 to 5 grey levels each, drawn evenly in the logarithm; speckle of a
    contrast of 0 to 10 %; Gaussian noise of 2 to 20 grey levels, white or blurred by
    0.4 to 0.8 pixels with equal chances; up to one pixel in a hundred black or white.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the randomness.
    """
    gain = 0.2 * 25 ** rng.random()
    contrast, sigma = rng.uniform(1e-3, 0.1), rng.uniform(2, 20)
    blur, share = rng.uniform(0.4, 0.8), rng.uniform(1e-4, 0.01)
    last = Gaussian(sigma) if rng.random() < 0.5 else CorrelatedGaussian(sigma, blur)
    return Mixture((Poisson(gain), Speckle(contrast), last, SaltAndPepper(share)))
