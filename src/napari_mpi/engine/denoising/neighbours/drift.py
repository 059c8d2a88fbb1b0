"""How far a plane has drifted against another, in whole pixels."""

import torch
from torch import Tensor

from napari_mpi.engine.images.tiles import middle
from napari_mpi.engine.noise.smoothing import bell, smoothed

Shift = tuple[int, int]
"""Rows and columns."""

_FARTHEST = 24  # pixels, along each axis
_SIDE = 256  # pixels of the middle by which it is found
_SHARPEST = 1.0  # pixels, of the detail that is compared; finer is mostly noise
_CLOSER = 0.9  # of what the planes differ by where they are, that must be left at most


def drift(one: Tensor, other: Tensor, void: Tensor | None = None) -> Shift:
    """Tell where the scene of one plane is found in another.

    The peak of their cross-correlation says so; a drift that brings them no closer
    counts for none.

    Parameters
    ----------
    one, other : Tensor
        Shape (N, C, Y, X): the same window of both.
    void : Tensor, optional
        Shape (N, 1, Y, X), bool: pixels that hold no measurement in one of them.

    Returns
    -------
    tuple of int
        Rows and columns: what is at (y, x) of the one is at (y + rows, x + columns) of
        the other.
    """
    rows, columns = middle((one.shape[-2], one.shape[-1]), _SIDE)
    ours, theirs = (_detail(p[..., rows, columns]) for p in (one, other))
    if void is not None:
        unknown = void[..., rows, columns]
        ours, theirs = (p.masked_fill(unknown, 0) for p in (ours, theirs))
    found = _peak(ours, theirs)
    before, after = (_apart(ours, theirs, shift) for shift in ((0, 0), found))
    return found if after < _CLOSER * before else (0, 0)


def moved(planes: Tensor, shift: Shift) -> Tensor:
    """Bring what has drifted back; what comes in over a border wraps around."""
    return planes.roll((-shift[0], -shift[1]), dims=(-2, -1))


def outside(planes: Tensor, shift: Shift) -> Tensor | None:
    """Return where `moved` has nothing to bring, (1, 1, Y, X); None if nowhere."""
    if shift == (0, 0):
        return None
    missing = torch.zeros(1, 1, *planes.shape[-2:], dtype=torch.bool)
    for axis, step in zip((-2, -1), shift, strict=True):
        size = planes.shape[axis]
        first, last = (size - step, size) if step > 0 else (0, -step)
        places = torch.arange(max(0, first), min(last, size))
        missing.index_fill_(axis, places, True)
    return missing.to(planes.device)


def _detail(plane: Tensor) -> Tensor:
    """Return what a plane shows between fine noise and its light."""
    return bell(plane, _SHARPEST) - smoothed(plane)


def _peak(one: Tensor, other: Tensor) -> Shift:
    spectra = [torch.fft.rfft2(plane * _fading(plane)) for plane in (one, other)]
    cross = (spectra[0].conj() * spectra[1]).sum(dim=(0, 1))
    height, width = one.shape[-2:]
    common = torch.fft.irfft2(cross, s=(height, width))
    down, right = min(_FARTHEST, height // 4), min(_FARTHEST, width // 4)
    near = common.roll((down, right), dims=(0, 1))[: 2 * down + 1, : 2 * right + 1]
    row, column = divmod(int(near.argmax()), near.shape[1])
    return row - down, column - right


def _fading(plane: Tensor) -> Tensor:
    """Return weights that fade out towards the borders, which are no structure."""
    rows, columns = (
        torch.hann_window(side + 2, periodic=False, device=plane.device)[1:-1]
        for side in plane.shape[-2:]
    )
    return torch.outer(rows, columns).to(plane.dtype)


def _apart(one: Tensor, other: Tensor, shift: Shift) -> float:
    """Return the mean square of what they differ by, where both are."""
    difference = (moved(other, shift) - one).square().mean(dim=(0, 1))
    missing = outside(one, shift)
    return float((difference if missing is None else difference[~missing[0, 0]]).mean())
