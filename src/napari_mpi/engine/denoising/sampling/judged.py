"""What the noise of an item is judged by."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.denoising.noisy import Noisy, as_noisy, together
from napari_mpi.engine.denoising.sampling.take import Sample
from napari_mpi.engine.images.arrays import ArrayLike
from napari_mpi.engine.images.axes import ImageAxes, Index
from napari_mpi.engine.images.tiles import evenly, middle

Array = NDArray[np.generic]

PLANES = 4
"""Planes of an item, at even distances, whose noise is judged, at the most."""

_KNOWN = 0.25  # share of a window's pixels that must hold a measurement
_SIDE, _ONLY_SIDE = 256, 512  # pixels of each along an axis; of a single one


def windows_to_judge(
    image: ArrayLike,
    layout: ImageAxes,
    planes: Sequence[Index],
    sample: Sample,
) -> Noisy:
    """Cut out what an item's noise is judged by: the middle of up to four planes.

    Parameters
    ----------
    image : ArrayLike
        The image.
    layout : ImageAxes
        Its axes.
    planes : sequence of tuple
        Index of every plane of the item.
    sample : Sample
        What was found in the item; windows of it, where the middles hold hardly a
        measurement.

    Returns
    -------
    Noisy
        Of shape (N, C, Y, X) and (N, 1, Y, X).
    """
    window = middle(layout.plane_shape, _SIDE if len(planes) > 1 else _ONLY_SIDE)
    parts = []
    usual = [p for n, p in enumerate(planes) if n not in sample.flashes]
    for index in evenly(usual, PLANES):
        raw = np.asarray(image[layout.part(index, window)])
        parts.append(_judged(layout.channels_first(raw), sample))
    known = [part for part in parts if _share(part) >= _KNOWN]
    if not known:  # the middle is empty
        known = [
            _judged(cut.values, sample) for cut in sample.windows[:PLANES]
        ] or parts
    return together(known)


def _judged(values: Array, sample: Sample) -> Noisy:
    """Return a window as one image (1, C, Y, X), whatever C stands for."""
    noisy = as_noisy(values, sample.intensities, sample.rule, 1)
    marks = None if noisy.marks is None else noisy.marks[:1]
    return Noisy(noisy.image.transpose(0, 1), marks)


def _share(part: Noisy) -> float:
    """Return the share of a window's pixels that hold a measurement."""
    return 1.0 if part.void is None else 1 - float(part.void.float().mean())
