"""What pre-training does to clean crops: it darkens them, adds noise, hides pixels."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_mpi.engine.settings.pretraining import PretrainingConfig

_GAMMA = 2.5  # the strongest darkening is the crop to this power, ...
_DIMMEST = 0.25  # ... with this share of its brightness
_READ_NOISE = 0.2  # of Poisson-Gaussian noise, at most; as a share of its shot noise
_WEAKEST = 1 / 250  # shot noise, as a share of the strongest
_BLUR = (0.4, 1.2)  # pixels; of noise that is correlated between neighbours
_BLUR_RADIUS = 3


@dataclass(frozen=True, slots=True)
class Batch:
    """Crops as the network gets them, and what it should make of them.

    Parameters
    ----------
    clean, noisy : Tensor
        Shape (N, C, Y, X), float32.
    masked : Tensor
        Shape (N, C or 1, Y, X), bool; True = hidden.
    """

    clean: Tensor
    noisy: Tensor
    masked: Tensor


def corrupt(crops: Tensor, config: PretrainingConfig, *, rng: torch.Generator) -> Batch:
    """Draw everything that pre-training leaves to chance, but for the crops.

    Dimmed crops are raised to a power of 1 to 2.5 and multiplied by 0.25 to 1, since
    fluorescence is dark with bright spots. Gaussian noise has a standard deviation
    drawn evenly from 0 to ``noise_level``. Poisson-Gaussian noise has a variance of
    ``gain * clean + read_noise**2`` with a gain such that white gets at most about
    twice ``noise_level``, down to a 250th of that, evenly in the logarithm. Correlated
    noise is Gaussian noise blurred by 0.4 to 1.2 pixels, its strength restored.

    Parameters
    ----------
    crops : Tensor
        Shape (N, C, Y, X), float32, 0..1, on the device of ``rng``.
    config : PretrainingConfig
        What is drawn.
    rng : torch.Generator
        Source of the randomness.
    """
    clean = _dimmed(crops, config, rng)
    noisy = clean if config.input_noise == "none" else _noisy(clean, config, rng)
    return Batch(clean, noisy, _masks(crops, config, rng))


def _each(crops: Tensor, rng: torch.Generator, low: float, high: float) -> Tensor:
    """Draw one number per crop, evenly."""
    drawn = torch.rand((len(crops), 1, 1, 1), generator=rng, device=rng.device)
    return low + (high - low) * drawn


def _dimmed(crops: Tensor, config: PretrainingConfig, rng: torch.Generator) -> Tensor:
    if config.dimmed_share == 0:
        return crops
    gamma = _each(crops, rng, 1, _GAMMA)
    brightness = _DIMMEST ** _each(crops, rng, 0, 1)
    chosen = _each(crops, rng, 0, 1) < config.dimmed_share
    return torch.where(chosen, crops.clamp(min=0) ** gamma * brightness, crops)


def _noisy(clean: Tensor, config: PretrainingConfig, rng: torch.Generator) -> Tensor:
    share = {"gaussian": 0.0, "poisson-gaussian": 1.0}.get(config.input_noise, 0.5)
    is_poisson = _each(clean, rng, 0, 1) < share
    is_correlated = _each(clean, rng, 0, 1) < config.correlated_share
    noise = torch.randn(clean.shape, generator=rng, device=rng.device)
    if config.correlated_share > 0:
        blurred = _blurred(noise, _each(clean, rng, *_BLUR))
        noise = torch.where(is_correlated, blurred, noise)
    gaussian = clean + noise * _each(clean, rng, 0, config.noise_level)
    strongest = 5 * config.noise_level**2
    gain = strongest * _WEAKEST ** _each(clean, rng, 0, 1)
    read = _READ_NOISE * _WEAKEST ** (_each(clean, rng, 0, 1) / 2) * strongest**0.5 / 2
    light = clean.clamp(min=0)
    photons = torch.poisson(light / gain, generator=rng)
    counted = photons * gain + noise * read
    smooth = light + noise * (gain * light + read**2).sqrt()
    poisson = torch.where(is_correlated, smooth, counted)
    return torch.where(is_poisson, poisson, gaussian)


def _blurred(noise: Tensor, sigma: Tensor) -> Tensor:
    """Blur each crop by a Gaussian of its own; its variance stays 1."""
    crops, channels = noise.shape[:2]
    steps = torch.arange(-_BLUR_RADIUS, _BLUR_RADIUS + 1, device=noise.device)
    kernel = torch.exp(-(steps**2) / (2 * sigma.reshape(-1, 1) ** 2))
    kernel = kernel / kernel.norm(dim=1, keepdim=True)
    kernel = kernel.repeat_interleave(channels, dim=0)[:, None]
    planes = noise.reshape(1, crops * channels, *noise.shape[2:])
    for shape, pad in (((1, -1), (0, _BLUR_RADIUS)), ((-1, 1), (_BLUR_RADIUS, 0))):
        taps = kernel.reshape(crops * channels, 1, *shape)
        planes = F.conv2d(planes, taps, padding=pad, groups=crops * channels)
    return planes.reshape(noise.shape)


def _masks(crops: Tensor, config: PretrainingConfig, rng: torch.Generator) -> Tensor:
    count, channels, height, width = crops.shape
    planes = 1 if config.shared_mask else channels
    ratio = _each(crops, rng, config.mask_ratio_low, config.mask_ratio_high)
    if config.unmasked_share > 0:
        unmasked = _each(crops, rng, 0, 1) < config.unmasked_share
        ratio = torch.where(unmasked, 0.0, ratio)
    drawn = torch.rand((count, planes, height, width), generator=rng, device=rng.device)
    return drawn < ratio
