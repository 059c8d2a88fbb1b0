"""What two planes of a stack share: their structure, once what has changed is known.

The difference of two planes holds what has changed between them, and the noise of both.
A network that fills images tells the two apart: what it predicts of the difference is
the change, what it leaves is noise. The other plane less the change is the same picture
as the one, with noise of its own.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_mpi.engine.denoising.neighbours.drift import Shift, drift, moved, outside
from napari_mpi.engine.denoising.noisy import Noisy
from napari_mpi.engine.filling.merging import NoiseModels, Predict, variance_of
from napari_mpi.engine.noise.smoothing import bell, scattered, smoothed

_NOISE = 0.1  # of the difference, as the network sees it: what it was trained on
_HALF = 0.45  # of the network's range, that the largest difference may take
_ALIKE = 0.5  # correlation, from which on one plane is the other in another light
_NEAR, _AROUND = 1.5, 2.0  # pixels, over which intensity and change are looked at
_DOUBT = 4.0  # by how much the texture of a change counts against the plane
_MANY = 10_000  # means, of which a median is known well enough
_SPOTS = (1, 2, 4)  # pixels: deviations of bells, as wide as things that change
_CHANCE, _MEDIAN = 2.5, 0.6745  # standard deviations, and what half of noise is within
_FAR = 4.0  # standard deviations, beyond which a value is no noise but a stray ray


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the noise of another plane can add to a plane.

    Parameters
    ----------
    noise : Tensor
        Shape (N, C, Y, X), in network units: noise of the other less that of the one.
    trust : Tensor
        Of the same shape, 0..1: 0 where one of them holds no measurement, little where
        much has changed.
    balance : Tensor
        Of the same shape: variance of the one's noise by that of the other's.
    gain : Tensor
        Shape (N, C, 1, 1): contrast of the other by that of the one.
    shift : tuple of int
        How far the other has drifted, see `drift`.
    """

    noise: Tensor
    trust: Tensor
    balance: Tensor
    gain: Tensor
    shift: Shift = (0, 0)

    @property
    def weight(self) -> Tensor:
        """How much the other plane counts, 0..1; less, too, if it has more noise."""
        return self.trust * self.balance.clamp(max=1)

    def reversed(self) -> "Agreement":
        """Return the same, seen from the other plane."""
        back = (-self.shift[0], -self.shift[1])
        noise, trust, balance = (
            moved(part, back) for part in (self.noise, self.trust, self.balance)
        )
        missing = outside(trust, back)
        if missing is not None:
            trust = trust.masked_fill(missing, 0)
        gain = self.gain
        return Agreement(-gain * noise, trust, 1 / balance, 1 / gain, back)

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        return self.noise.nbytes + self.trust.nbytes + self.balance.nbytes


def agreement(
    one: Noisy,
    other: Noisy,
    predict: Predict,
    models: NoiseModels,
    masked: Tensor | None = None,
) -> Agreement:
    """Tell what two planes share.

    Parameters
    ----------
    one, other : Noisy
        The same window of both.
    predict : callable
        Maps noisy image and mask (None: nothing is hidden) to a prediction.
    models : tuple of tuple of NoiseModel
        Noise by image and channel.
    masked : Tensor, optional
        Shape (N, C or 1, Y, X), bool: pixels of the one that nothing may be told from.
    """
    shift = drift(one.image, other.image, _either(one.void, other.void))
    there = moved(other.image, shift)
    void = None if other.void is None else moved(other.void, shift)
    void = _either(_either(one.void, void), _spread(outside(there, shift), there))
    matched, gain = _in_the_light_of(one.image, there, void)
    difference = matched - one.image
    if void is not None:
        difference = difference.masked_fill(void, 0)
    ours = variance_of(models, bell(one.image, _NEAR))
    # Its noise has been scaled with it.
    theirs = variance_of(models, bell(there, _NEAR)) / gain.square()
    deviation = (ours + theirs).sqrt()
    change = _predicted(difference / deviation, predict, _hidden(masked, void))
    change = change * deviation
    noise = (difference - change).clamp(-_FAR * deviation, _FAR * deviation)
    trust = _trust(change, noise, _either(void, masked))
    trust = trust * _is_noise(noise / deviation)
    if void is not None:
        trust = trust.masked_fill(void, 0)
    return Agreement(noise, trust, ours / theirs, gain, shift)


def _in_the_light_of(
    one: Tensor, other: Tensor, void: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Bring a plane to the mean and the contrast of another, if it is the same scene.

    So bleaching, or a lamp that flickers, is no change of the scene.
    """
    pair = [smoothed(plane, void) for plane in (one, other)]
    middles = [plane.mean(dim=(-2, -1), keepdim=True) for plane in pair]
    ours, theirs = (p - m for p, m in zip(pair, middles, strict=True))
    power, their_power, common = (
        product.mean(dim=(-2, -1), keepdim=True)
        for product in (ours.square(), theirs.square(), ours * theirs)
    )
    least = torch.finfo(one.dtype).tiny
    alike = common / (power * their_power).sqrt().clamp(min=least)
    gain = (their_power / power.clamp(min=least)).sqrt()
    gain = torch.where(alike > _ALIKE, gain, 1.0)
    matched = (other - middles[1]) / gain + middles[0]
    return torch.where(alike > _ALIKE, matched, other), gain


def _predicted(difference: Tensor, predict: Predict, hidden: Tensor | None) -> Tensor:
    """Predict a difference whose noise has variance 1, within the network's range."""
    largest = difference.abs().amax(dim=(1, 2, 3), keepdim=True)
    step = (_HALF / largest.clamp(min=1e-6)).clamp(max=_NOISE)
    return (predict(difference * step + 0.5, hidden) - 0.5) / step


def _trust(change: Tensor, noise: Tensor, uncounted: Tensor | None) -> Tensor:
    """Return how far the change is to be trusted: less, the more texture it has.

    What is smooth has been predicted well; of what is not, much was noise, or is lost.
    """
    texture = change - smoothed(change)
    power = bell(texture.square(), _AROUND)
    return 1 / (1 + _DOUBT * power / _mean_square(noise, uncounted))


def _is_noise(left: Tensor) -> Tensor:
    """Return how far what is left may pass for noise, 0..1, variance 1 expected.

    Where means over a few pixels are larger than chance makes them, the network has
    taken a change for noise: a small thing that came or went.
    """
    rows, columns = left.shape[-2:]
    trust = torch.ones_like(left)
    for width in _SPOTS:
        # Nothing finer than the bell is left, so coarse pixels do.
        outwards = (0, -columns % width, 0, -rows % width)
        padded = F.pad(left, outwards, mode="replicate")
        means = bell(F.avg_pool2d(padded, width), 1.0)
        some = means.flatten(1)[:, :: max(1, means[0].numel() // _MANY)]
        usual = some.abs().median(dim=1).values / _MEDIAN
        usual = usual.clamp(min=(4 * math.pi * width**2) ** -0.5)
        excess = (means / usual[:, None, None, None]).square() - _CHANCE**2
        # The bell reaches as far again as the spot that is to be left out.
        doubt = bell(excess.clamp(min=0), 1.0)
        if width > 1:
            doubt = F.interpolate(doubt, scale_factor=float(width), mode="bilinear")
        trust = trust / (1 + doubt[..., :rows, :columns])
    return trust


def _mean_square(noise: Tensor, uncounted: Tensor | None) -> Tensor:
    square = noise.square()
    if uncounted is not None and uncounted.shape[1] != noise.shape[1]:
        uncounted = uncounted.expand(-1, noise.shape[1], -1, -1)
    if uncounted is None:
        return smoothed(square).clamp(min=1e-12)
    flat = (-1, 1, *noise.shape[-2:])
    mean = smoothed(square.reshape(flat), uncounted.reshape(flat))
    return mean.reshape(noise.shape).clamp(min=1e-12)


def _hidden(masked: Tensor | None, void: Tensor | None) -> Tensor | None:
    """Return what is hidden of a difference: single pixels that say nothing, too."""
    return _either(masked, None if void is None else scattered(void))


def _spread(missing: Tensor | None, planes: Tensor) -> Tensor | None:
    """Return it for every image of a batch."""
    return None if missing is None else missing.expand(len(planes), -1, -1, -1)


def _either(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    if one is None or other is None:
        return other if one is None else one
    return one | other
