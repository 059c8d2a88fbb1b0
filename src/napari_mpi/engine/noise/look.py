"""A look at an image's noise, by the network that ships, before anything is chosen."""

import dataclasses
import functools
import itertools
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_mpi.engine.images.marks import Mark
from napari_mpi.engine.networks.filling_network import FillingNetwork
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.networks.subimages import fill
from napari_mpi.engine.networks.weights import Weights
from napari_mpi.engine.noise.correlation import REPEATED, repeated_share
from napari_mpi.engine.noise.findings import NoiseFindings
from napari_mpi.engine.noise.hot_pixels import hot_pixels_of, without_hot_pixels
from napari_mpi.engine.noise.level import white_noise_level
from napari_mpi.engine.noise.model import estimate_noise

_BLOCK = 16  # pixels along each axis, of which the flattest are judged
_FLATTEST = 0.1  # share of the blocks
_BRIGHT_GROUND = 0.5  # of the network's range, beyond which a background is bright
_BRIGHT = 0.95  # share of the pixels that are darker than what is called bright
_GAPS = 0.25  # share of a block's pixels that may be no measurement, or cut off
_FEWEST, _ENOUGH = 16, 24  # blocks that can tell something, and that tell enough
LEAST_SIDE = 4 * _BLOCK
"""Rows and columns that an image must have to be judged."""


def look_at_noise(
    windows: Tensor,
    unit: float,
    *,
    opponents: bool = False,
    marks: Tensor | None = None,
) -> NoiseFindings | None:
    """Tell what the noise in windows of an image is like.

    The shipped network for grey images looks at them twice: as they are, and taken
    apart into every other pixel. Neighbours in a part are two pixels apart, so that
    little of their noise can be predicted, and the second look leaves all of it, beside
    detail. What neighbours have in common of that in the flattest blocks of the first
    look, where there is least detail, tells how correlated the noise is.

    Parameters
    ----------
    windows : Tensor
        Shape (N, C, Y, X), float32, in network units, C the colours.
    unit : float
        Intensity of noise in the image that is 1 in network units.
    opponents : bool
        Whether C are the opponents of colours, not colours; then the mean is judged.
    marks : Tensor, optional
        Shape (N, 1, Y, X), see `Mark`; what is no measurement is filled in smoothly.

    Returns
    -------
    NoiseFindings or None
        None where the image is too small, or has no noise, to tell.
    """
    if min(windows.shape[-2:]) < LEAST_SIDE:
        return None
    # Made anew, so that a GPU's memory is free again when it has looked.
    network = _weights().to_network(windows.device).eval()
    images = windows.shape[1] if opponents else 1
    grey = windows.reshape(-1, 1, *windows.shape[-2:])
    if marks is None:
        marks = torch.zeros_like(windows[:, :1], dtype=torch.uint8)
    marks = marks.repeat_interleave(windows.shape[1], dim=0)
    void = marks >= Mark.CONSTANT if bool(marks.any()) else None
    hot = _share_of_hot(grey, images, marks if void is not None else None)
    grey = without_hot_pixels(
        grey,
        lambda noisy, masked: _see(network, noisy, masked),
        images=images,
        void=void,
    )
    level = _level(grey.reshape(windows.shape), void)
    # Of opponents only the mean of the colours looks as grey images do.
    grey, marks, colours = grey[::images], marks[::images], windows.shape[1] // images
    seen, apart = _see(network, grey), _see_apart(network, grey)
    if void is not None:  # what differs there tells nothing
        gaps = marks >= Mark.CONSTANT
        seen, apart = torch.where(gaps, grey, seen), torch.where(gaps, grey, apart)
    whole, left, guide = (
        _blocks(image, colours) for image in (grey, grey - apart, seen)
    )
    flat = _flattest(whole, guide, _cut(marks > Mark.MEASURED, colours))
    if flat is None:
        return None
    found = NoiseFindings(
        level=unit * level,
        strength=float(whole[flat].std()),
        signal_dependence=_signal_dependence(grey, seen, marks),
        correlation=_neighbours(left[flat]),
        detail=_ratio(seen - apart, grey - apart),
        colours=_between_colours(left[flat]),
        hot=hot,
        is_structured=repeated_share(grey - seen) >= REPEATED,
    )
    if not found.is_correlated:
        return found
    # The finest detail, by which the level is told else, holds little of such noise.
    return dataclasses.replace(found, level=unit * found.strength)


@functools.cache
def _weights() -> Weights:
    return load_weights("grey")


def _see(
    network: FillingNetwork,
    noisy: Tensor,
    masked: Tensor | None = None,
    factor: int = 1,
) -> Tensor:
    """Predict, with nothing hidden if there is no mask."""
    if masked is None:
        masked = torch.zeros_like(noisy, dtype=torch.bool)
    with torch.no_grad():
        return fill(network, noisy, masked, factor)


def _see_apart(network: FillingNetwork, grey: Tensor) -> Tensor:
    """Predict images taken apart, those with a bright background inverted.

    Taken apart, dark details on a bright background are as fine as the noise, and the
    network, which has seen most often what shines in the dark, takes them for that.
    """
    bright = grey.flatten(1).median(dim=1).values.reshape(-1, 1, 1, 1) > _BRIGHT_GROUND
    apart = _see(network, torch.where(bright, 1 - grey, grey), factor=2)
    return torch.where(bright, 1 - apart, apart)


def _share_of_hot(grey: Tensor, images: int, marks: Tensor | None) -> float:
    if marks is None:
        return float(hot_pixels_of(grey, images=images).float().mean())
    far = marks == Mark.HOT
    hot = far | hot_pixels_of(grey, images=images, void=marks >= Mark.CONSTANT)
    return float(hot[far | (marks < Mark.CONSTANT)].float().mean())


def _level(windows: Tensor, void: Tensor | None) -> float:
    """Return the usual level of the windows, over colours the root mean square."""
    planes = windows.flatten(0, 1).cpu().numpy()
    voids = itertools.repeat(None) if void is None else void[:, 0].cpu().numpy()
    pairs = zip(planes, voids, strict=False)
    levels = np.reshape([white_noise_level(*pair) for pair in pairs], windows.shape[:2])
    usual = np.median(levels, axis=0)
    return float(np.sqrt(np.square(usual).mean()))


def _signal_dependence(grey: Tensor, seen: Tensor, marks: Tensor) -> float:
    marked = marks if bool(marks.any()) else None
    model = estimate_noise(grey, seen, seen, marks=marked)
    known = seen.flatten() if marked is None else seen[marks < Mark.CONSTANT]
    bright = float(model.variance(known.quantile(_BRIGHT)))
    return 1 - min(1.0, model.floor / bright)


def _flattest(
    whole: NDArray[np.float64], guide: NDArray[np.float64], marked: NDArray[np.bool_]
) -> NDArray[np.bool_] | None:
    """Tell the flattest blocks; None where too few have any noise."""
    structure = guide.var(axis=(-2, -1)).sum(axis=1)
    # What is clipped or empty has no noise, and would be the flattest of all.
    has_noise = whole.any(axis=(1, 2, 3))
    gaps = marked.mean(axis=(1, 2, 3))
    if (has_noise & (gaps == 0)).sum() >= _FEWEST:
        has_noise &= gaps == 0
    else:
        has_noise &= gaps <= _GAPS
    count = int(has_noise.sum())
    if count < _FEWEST:
        return None
    share = max(_FLATTEST, min(1.0, _ENOUGH / count))
    flat: NDArray[np.bool_] = has_noise & (
        structure <= np.quantile(structure[has_noise], share)
    )
    return flat


def _blocks(images: Tensor, colours: int) -> NDArray[np.float64]:
    """Cut images, one colour each, into blocks less their means.

    Shape (blocks, colours, side, side).
    """
    blocks = _cut(images.double(), colours)
    centred: NDArray[np.float64] = blocks - blocks.mean(axis=(-2, -1), keepdims=True)
    return centred


def _cut(images: Tensor, colours: int) -> Any:
    """Cut images, one colour each, into blocks (blocks, colours, side, side)."""
    rows, columns = (side // _BLOCK for side in images.shape[-2:])
    whole = images[..., : rows * _BLOCK, : columns * _BLOCK].cpu().numpy()
    cut = whole.reshape(-1, colours, rows, _BLOCK, columns, _BLOCK)
    return cut.transpose(0, 2, 4, 1, 3, 5).reshape(-1, colours, _BLOCK, _BLOCK)


def _neighbours(blocks: NDArray[np.float64]) -> float:
    """Return what neighbours have in common in most blocks, -1..1."""
    within = (1, 2, 3)
    below = (blocks[..., 1:, :] * blocks[..., :-1, :]).mean(axis=within)
    beside = (blocks[..., 1:] * blocks[..., :-1]).mean(axis=within)
    power = np.maximum((blocks**2).mean(axis=within), 1e-20)
    return float(np.median((below + beside) / 2 / power))


def _between_colours(blocks: NDArray[np.float64]) -> float:
    """Return what the colours of a pixel have in common, -1..1; 0 if there is one."""
    count = blocks.shape[1]
    if count == 1:
        return 0.0
    common = np.corrcoef(blocks.transpose(1, 0, 2, 3).reshape(count, -1))
    return float((common.sum() - count) / (count * (count - 1)))


def _ratio(part: Tensor, whole: Tensor) -> float:
    return float(part.square().mean() / whole.square().mean().clamp(min=1e-20))
