"""Noise with known statistics, for samples, tests and benchmarks."""

import numpy as np
from numpy.typing import NDArray


def poisson_gaussian(
    clean: NDArray[np.floating],
    *,
    gain: float,
    read_noise: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return a noisy measurement of a clean image, as a camera makes it.

    Each pixel is ``gain * Poisson(clean / gain) + Normal(0, read_noise)``: its mean is
    the clean value, its variance ``gain * clean + read_noise**2``.

    Parameters
    ----------
    clean : NDArray
        Intensities in grey levels, none negative.
    gain : float
        Grey levels per photon, above 0.
    read_noise : float
        Standard deviation of the signal-independent part, in grey levels.
    rng : numpy.random.Generator
        Source of the randomness.
    """
    photons = rng.poisson(clean / gain)
    noisy: NDArray[np.float64] = gain * photons + rng.normal(0, read_noise, clean.shape)
    return noisy
