"""Hot and dead pixels: single ones that stand far out of their neighbourhood."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import median_filter
from torch import Tensor

from napari_mpi.engine.images.colours import opponents

Predict = Callable[[Tensor, Tensor | None], Tensor]

_RING = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=bool)
_SURROUNDINGS = 7  # pixels along each axis, over which the usual deviation is told
_FAR = 8.0  # standard deviations; of white noise not one pixel in 10**14 is
_FELT = 0.25  # share of what a pixel stands out, that light next to it would have
_ALONE = 1  # neighbours that may stand out as much by chance
_NORMAL = 1.4826  # standard deviation by median magnitude


def hot_pixels(
    plane: NDArray[np.floating], void: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_]:
    """Find pixels that stand far out, with hardly a neighbour that does.

    A pixel is compared with the median of its eight neighbours. It is hot, or dead,
    where the difference is more than eight times the usual one of its surroundings,
    and not two of its neighbours have a quarter of it: optics spread the light of a
    point over more than one pixel. Where points are sharper than that, they would be
    taken for hot. In images of few photons, most of whose pixels equal their
    neighbours, none is.

    Parameters
    ----------
    plane : NDArray
        Shape (Y, X).
    void : NDArray, optional
        Of the same shape: pixels that hold no measurement, and are none of both.

    Returns
    -------
    NDArray
        Of the same shape, True = hot or dead.
    """
    values = plane.astype(np.float32)
    out = values - median_filter(values, footprint=_RING)
    if void is not None:
        out[void] = 0
    known = out if void is None or void.all() else out[~void]
    usual = float(np.median(np.abs(known)))
    if usual == 0:
        return np.zeros(values.shape, dtype=bool)
    near = median_filter(np.abs(out), size=_SURROUNDINGS)
    limit = _FAR * _NORMAL * np.maximum(near, usual)
    found = np.zeros(values.shape, dtype=bool)
    for sign in (1, -1):
        rows, columns = np.nonzero(sign * out > limit)
        around = _neighbours(sign * out, rows, columns)
        felt = around > _FELT * sign * out[rows, columns, None]
        found[rows, columns] |= felt.sum(axis=1) <= _ALONE
    return found


def hot_pixels_of(
    noisy: Tensor, *, images: int = 1, void: Tensor | None = None
) -> Tensor:
    """Find hot and dead pixels, see `hot_pixels`.

    Parameters
    ----------
    noisy : Tensor
        Shape (planes * images, C, Y, X).
    images : int
        How many images one plane is, the opponents of its colours: a pixel stands out
        most in its own colour.
    void : Tensor, optional
        Shape (planes * images, 1, Y, X), bool: pixels that hold no measurement.

    Returns
    -------
    Tensor
        Of the same shape, bool, of the colours in place of their opponents.
    """
    turn = torch.from_numpy(opponents(images)).to(noisy)
    planes = noisy.reshape(-1, images, noisy[0].numel())
    colours = (turn.T @ planes).reshape(-1, *noisy.shape[2:]).cpu().numpy()
    voids: Any = itertools.repeat(None)
    if void is not None:
        voids = void.expand_as(noisy).reshape(colours.shape).cpu().numpy()
    pairs = zip(colours, voids, strict=False)
    found = torch.from_numpy(np.stack([hot_pixels(*pair) for pair in pairs]))
    return found.reshape(noisy.shape).to(noisy.device)


def without_hot_pixels(
    noisy: Tensor, predict: Predict, *, images: int = 1, void: Tensor | None = None
) -> Tensor:
    """Fill hot and dead pixels from their neighbours, as hidden pixels are.

    Parameters
    ----------
    noisy : Tensor
        Shape (planes * images, C, Y, X), float32.
    predict : callable
        Maps image and mask to a prediction.
    images : int
        How many images one plane is, the opponents of its colours: a pixel that is hot
        in one colour is so in all of them.
    void : Tensor, optional
        As for `hot_pixels_of`.
    """
    hot = hot_pixels_of(noisy, images=images, void=void)
    if not hot.any():
        return noisy
    if images > 1:
        of_plane = hot.reshape(-1, images, *hot.shape[1:]).any(dim=1)
        hot = of_plane.repeat_interleave(images, dim=0)
    # A network may read a single mask plane: what is hot in one colour hides all.
    with torch.no_grad():
        filled = predict(noisy, hot.any(dim=1, keepdim=True))
    return torch.where(hot, filled, noisy)


def _neighbours(
    values: NDArray[np.float32], rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Return the eight neighbours of some pixels, shape (pixels, 8)."""
    padded = np.pad(values, 1)
    steps = np.argwhere(_RING)
    around: NDArray[np.float32] = padded[
        rows[:, None] + steps[:, 0], columns[:, None] + steps[:, 1]
    ]
    return around
