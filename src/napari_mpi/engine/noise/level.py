"""How strong an image's white noise is, told from the image alone."""

import math

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.images.arrays import ArrayLike
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.images.tiles import evenly, middle

Array = NDArray[np.generic]

_PLANES, _SIDE = 8, 1024  # looked at in a stack, and pixels of each along an axis
_BLOCK = 16  # pixels along each axis over which differences are averaged
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
        found += [white_noise_level(plane) for plane in layout.channels_first(part)]
    return float(np.median(found))


def white_noise_level(plane: Array) -> float:
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

    Returns
    -------
    float
        In the plane's units.
    """
    values = plane.astype(np.float64)
    left = np.abs(np.diff(np.diff(values, n=2, axis=0), n=2, axis=1))
    rows, columns = left.shape
    height, width = min(_BLOCK, rows), min(_BLOCK, columns)
    whole = left[: rows // height * height, : columns // width * width]
    blocks = whole.reshape(rows // height, height, columns // width, width)
    return float(np.median(blocks.mean(axis=(1, 3)))) * _MEAN_OF_NORMAL / _NORM
