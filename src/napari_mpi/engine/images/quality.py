"""PSNR and SSIM against a clean reference, by scikit-image, for a data range."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import mean_squared_error, structural_similarity

from napari_mpi.engine.images.arrays import ArrayLike
from napari_mpi.engine.images.axes import ImageAxes, Index
from napari_mpi.engine.images.intensity import require_intensities, require_usable
from napari_mpi.engine.runtime.errors import ImageError

Array = NDArray[np.generic]
VoidOf = Callable[[int, Index], NDArray[np.bool_] | None]
_SSIM_WINDOW = 7


@dataclass(frozen=True, slots=True)
class Quality:
    """How close an image comes to its clean reference.

    Parameters
    ----------
    psnr : float
        Peak signal-to-noise ratio in dB; infinite for equal images.
    ssim : float
        Structural similarity, at most 1, mean over all planes; NaN for planes
        smaller than its window of 7 x 7 pixels.
    data_range : float
        The range of intensities that both are relative to.
    """

    psnr: float
    ssim: float
    data_range: float

    def __str__(self) -> str:
        return f"{self.psnr:.2f} dB, SSIM {self.ssim:.3f}"


def data_range_of(reference: ArrayLike, axes: ImageAxes) -> float:
    """Return 255 for 8-bit references, the span of their finite values for others.

    Raises
    ------
    ImageError
        If the reference is constant, or not made of numbers.
    """
    if isinstance(reference, np.ndarray):
        require_usable(reference)
    require_intensities(np.dtype(reference.dtype))
    lowest, highest = np.inf, -np.inf
    for index in axes.planes():  # without opacity
        plane = np.asarray(reference[index])
        known = plane[np.isfinite(plane)]
        if known.size:
            lowest = min(lowest, float(known.min()))
            highest = max(highest, float(known.max()))
    if not highest > lowest:
        raise ImageError("the reference is constant: PSNR and SSIM need structure")
    return 255.0 if reference.dtype == np.uint8 else highest - lowest


def quality(
    image: ArrayLike,
    reference: ArrayLike,
    axes: ImageAxes,
    *,
    data_range: float | None = None,
    void_of: VoidOf | None = None,
) -> Quality:
    """Compare an image with its reference, plane by plane.

    Parameters
    ----------
    image, reference : ArrayLike
        Of equal shape and in equal units; what is not finite in one of them does not
        count.
    axes : ImageAxes
        Their axes; SSIM is taken plane by plane, PSNR over everything.
    data_range : float, optional
        Range of intensities; `data_range_of` the reference if None.
    void_of : callable, optional
        Maps number and index of a plane to what of it holds no measurement, and does
        not count either: shape (Y, X), bool; or None.

    Raises
    ------
    ImageError
        If the shapes differ, or the reference is constant.
    """
    if image.shape != reference.shape:
        raise ImageError(
            f"the reference has shape {reference.shape} but the image {image.shape}:"
            " choose one of equal shape"
        )
    span = data_range_of(reference, axes) if data_range is None else data_range
    errors, similarities, counts = [], [], []
    for number, index in enumerate(axes.planes()):
        ours, clean = (
            # As reals: subtracting in the type of the image would wrap integers.
            axes.channels_first(np.asarray(whole[index])).astype(float)
            for whole in (image, reference)
        )
        void = None if void_of is None else void_of(number, index)
        known = _known(ours, clean, void)
        if not known.any():
            continue
        counts.append(int(known.sum()))
        ours, clean = (np.where(known, part, 0.0) for part in (ours, clean))
        errors.append(mean_squared_error(clean[:, known], ours[:, known]))
        similarities.append(_ssim(ours, clean, span, known))
    error = float(np.average(errors, weights=counts)) if counts else math.nan
    psnr = 10 * math.log10(span**2 / error) if error else math.inf
    return Quality(psnr, float(np.mean(similarities)) if counts else math.nan, span)


def _known(
    ours: Array, clean: Array, void: NDArray[np.bool_] | None
) -> NDArray[np.bool_]:
    """Return the pixels (Y, X) at which both can be compared."""
    finite = np.isfinite(ours).all(axis=0) & np.isfinite(clean).all(axis=0)
    return np.asarray(finite if void is None else finite & ~void)


def _ssim(
    image: Array, reference: Array, data_range: float, known: NDArray[np.bool_]
) -> float:
    if min(image.shape[1:]) < _SSIM_WINDOW:
        return float("nan")
    mean, whole = structural_similarity(
        reference, image, data_range=data_range, channel_axis=0, full=True
    )
    return float(mean if known.all() else whole[:, known].mean())
