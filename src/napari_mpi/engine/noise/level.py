"""How strong an image's white noise is, told from the image alone."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from napari_mpi.engine.images.arrays import ArrayLike
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.images.extremes import look_in
from napari_mpi.engine.images.marks import is_void
from napari_mpi.engine.images.tiles import evenly, middle

Array = NDArray[np.generic]

_PLANES, _SIDE = 8, 1024  # looked at in a stack, and pixels of each along an axis
_BLOCK = 16  # pixels along each axis over which differences are averaged
_ENOUGH = 0.25  # share of a block that must be known
_NORM = 6.0  # of the mask of differences: what it multiplies white noise with
_MEAN_OF_NORMAL = math.sqrt(math.pi / 2)  # standard deviation over mean magnitude


def noise_level(image: ArrayLike, layout: ImageAxes) -> float | None:
    """Estimate the standard deviation of the white noise in an image.

    The middles of up to eight planes are looked at, by `white_noise_level`, and the
    median of what is found in their channels taken.

    Parameters
    ----------
    image : ArrayLike
        The image, which may be read a part at a time.
    layout : ImageAxes
        Its axes.

    Returns
    -------
    float or None
        In the image's units; None for planes of fewer than 3 pixels a side.
    """
    if min(layout.plane_shape) < 3:
        return None
    window = middle(layout.plane_shape, _SIDE)
    found = []
    for index in evenly(layout.planes(), _PLANES):
        part = np.asarray(image[layout.part(index, window)])
        channels = layout.channels_first(part)
        marks = look_in(channels).rule.marks(channels)
        void = None if marks is None else is_void(marks)
        if void is None or not void.all():
            found += [white_noise_level(plane, void) for plane in channels]
    return float(np.median(found)) if found else 0.0


def white_noise_level(plane: Array, void: NDArray[np.bool_] | None = None) -> float:
    """Estimate the standard deviation of a plane's white noise.

    Second differences along both axes leave little of structure, and of white noise
    six times as much (Immerkær 1996, Fast noise variance estimation). Their mean
    magnitude is taken over blocks of 16 x 16 pixels, and the median of the blocks, so
    that those with edges don't count. Noise that neighbours share is underestimated,
    and where noise grows with intensity it is that of the usual intensity.

    Parameters
    ----------
    plane : NDArray
        Shape (Y, X), of at least 3 x 3 pixels.
    void : NDArray, optional
        Of the same shape: pixels that hold no measurement.

    Returns
    -------
    float
        In the plane's units; 0 where nothing is measured.
    """
    values = plane.astype(np.float64)
    left = np.abs(np.diff(np.diff(values, n=2, axis=0), n=2, axis=1))
    known = np.ones(left.shape)
    if void is not None and void.any():
        known[binary_dilation(void, np.ones((3, 3)))[1:-1, 1:-1]] = 0
        left = np.where(known, left, 0)
    rows, columns = left.shape
    height, width = min(_BLOCK, rows), min(_BLOCK, columns)
    sums, counts = (
        part[: rows // height * height, : columns // width * width]
        .reshape(rows // height, height, columns // width, width)
        .mean(axis=(1, 3))
        for part in (left, known)
    )
    if not counts.any():
        return 0.0
    enough = counts >= min(_ENOUGH, counts.max())
    usual = float(np.median(sums[enough] / counts[enough]))
    return usual * _MEAN_OF_NORMAL / _NORM
