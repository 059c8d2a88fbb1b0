"""Noise that is added to clean crops: of photons, of electronics, of scanning."""

import math

import torch
from torch import Tensor

from napari_mpi.engine.pretraining.corruption.draws import Draws
from napari_mpi.engine.settings.corruption import CorruptionConfig

_READ_NOISE = 0.2  # of Poisson-Gaussian noise, at most; as a share of its shot noise
_WEAKEST = 1 / 250  # as a share of the strongest: beyond, an 8-bit image rounds it off
_BLUR = (0.3, 2.0)  # pixels; noise blurred by less than 0.3 is white
_FEW = 50  # photons; the counts of more are as good as normal, and slow to draw
_STRIPES = (0.002, 0.1)  # standard deviation of offsets, as a share of the range
_DECAY = (0.25, 4.0)  # a stripe falls to 1/e over this many lengths of a line


def noisy(clean: Tensor, config: CorruptionConfig, draws: Draws) -> Tensor:
    """Add Gaussian or Poisson-Gaussian noise, white or correlated.

    Gaussian noise has a standard deviation drawn evenly from 0 to ``noise_level``, for
    ``weak_share`` of the crops evenly in the logarithm instead, down to a 250th.
    Poisson-Gaussian noise has a variance of ``gain * clean + read_noise**2`` with a
    gain such that white gets at most about twice ``noise_level``, down to a 250th of
    that, evenly in the logarithm. Correlated noise is normal noise blurred by 0.3 to 2
    pixels, in all directions or along rows, its variance restored.
    """
    if config.input_noise == "none":
        return clean
    normal, is_correlated = _normal(config, draws)
    gaussian = clean + normal * _strength(config, draws)
    if config.input_noise == "gaussian":
        return gaussian
    share = 1.0 if config.input_noise == "poisson-gaussian" else 0.5
    is_poisson = draws.chosen(share)
    counted = _counted(clean, normal, is_poisson & ~is_correlated, config, draws)
    return torch.where(is_poisson, counted, gaussian)


def _strength(config: CorruptionConfig, draws: Draws) -> Tensor:
    level = config.noise_level
    strength = draws.even(0, level)
    if config.weak_share == 0:
        return strength
    weak = draws.scaled(_WEAKEST * level, level)
    return torch.where(draws.chosen(config.weak_share), weak, strength)


def _counted(
    clean: Tensor,
    normal: Tensor,
    is_white: Tensor,
    config: CorruptionConfig,
    draws: Draws,
) -> Tensor:
    """Add Poisson-Gaussian noise; photons are counted one by one where it is white."""
    strongest = 5 * config.noise_level**2
    gain = draws.scaled(_WEAKEST * strongest, strongest)
    read = _READ_NOISE * draws.scaled(_WEAKEST**0.5, 1) * strongest**0.5 / 2
    light = clean.clamp(min=0)
    expected = light / gain
    is_few = is_white & (expected < _FEW)
    photons = draws.photons(torch.where(is_few, expected, 0))
    many = light + normal * (gain * light + read**2).sqrt()
    return torch.where(is_few, photons * gain + normal * read, many)


def _normal(config: CorruptionConfig, draws: Draws) -> tuple[Tensor, Tensor]:
    """Return noise of variance 1, and in which crops it is correlated."""
    noise, kind = draws.normal(), draws.even()
    is_blurred = kind < config.correlated_share
    along_rows = ~is_blurred & (kind < config.correlated_share + config.row_share)
    is_correlated = is_blurred | along_rows
    if config.correlated_share + config.row_share == 0:
        return noise, is_correlated
    size = draws.even(*_BLUR) * is_correlated
    return blurred(noise, size * is_blurred, size), is_correlated


def blurred(noise: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Blur each crop by a Gaussian of its own; the variance of white noise stays.

    It is done in frequencies, in a circle: two transforms take half the time of two
    convolutions on a CPU, whatever the blur, and borders are like the rest.

    Parameters
    ----------
    noise : Tensor
        Shape (N, C, Y, X).
    down, right : Tensor
        Shape (N, 1, 1, 1); standard deviations in pixels along columns and rows.
    """
    height, width = noise.shape[2:]
    kept_down = _transfer(height, down).reshape(-1, 1, height, 1)
    kept_right = _transfer(width, right).reshape(-1, 1, 1, width)
    spectrum = torch.fft.rfft2(noise)
    kept = kept_down * kept_right[..., : spectrum.shape[-1]]
    result: Tensor = torch.fft.irfft2(spectrum * kept, s=(height, width))
    return result


def _transfer(size: int, blur: Tensor) -> Tensor:
    """Return what a Gaussian leaves of each frequency, mean square 1; (N, size)."""
    frequencies = torch.fft.fftfreq(size, device=blur.device)
    kept = torch.exp(-2 * (math.pi * frequencies * blur.reshape(-1, 1)) ** 2)
    return kept / kept.square().mean(dim=1, keepdim=True).sqrt()


def striped(seen: Tensor, config: CorruptionConfig, draws: Draws) -> Tensor:
    """Add an offset to every line, or to some, of a share of the crops.

    Lines are rows or columns, and half of the crops' stripes fade along them.
    """
    if config.striped_share == 0:
        return seen
    count, channels, height, width = draws.shape
    strength = draws.scaled(*_STRIPES) * draws.chosen(config.striped_share)
    rows = _stripes(draws, (count, channels, height, 1), (1, 1, 1, width))
    columns = _stripes(draws, (count, channels, 1, width), (1, 1, height, 1))
    return seen + strength * torch.where(draws.chosen(0.5), rows, columns)


def _stripes(
    draws: Draws, across: tuple[int, int, int, int], along: tuple[int, int, int, int]
) -> Tensor:
    """Draw offsets of variance 1 at the start of their line, shape of the crops."""
    affected = draws.patterned(draws.uniform(*across)) < draws.scaled(0.05, 2)
    length = draws.scaled(*_DECAY) / draws.chosen(0.5)  # endless in half of them
    places = torch.linspace(0, 1, max(along), device=draws.rng.device).reshape(along)
    places = torch.where(draws.chosen(0.5), places, 1 - places)
    offsets = draws.patterned(draws.normal(*across))
    return offsets * affected * torch.exp(-places / length)
