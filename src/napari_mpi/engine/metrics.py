"""PSNR and SSIM against a clean reference, by scikit-image, for a data range."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from napari_mpi.engine.axes import ImageAxes
from napari_mpi.engine.errors import ImageError
from napari_mpi.engine.intensity import require_usable

Array = NDArray[np.generic]
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


def data_range_of(reference: Array, axes: ImageAxes) -> float:
    """Return 255 for 8-bit references, the span of their values for others.

    Raises
    ------
    ImageError
        If the reference is constant, or not made of finite numbers.
    """
    require_usable(reference)
    planes = [reference[plane] for plane in axes.planes()]  # without opacity
    lowest = min(float(plane.min()) for plane in planes)
    highest = max(float(plane.max()) for plane in planes)
    if not highest > lowest:
        raise ImageError("the reference is constant: PSNR and SSIM need structure")
    return 255.0 if reference.dtype == np.uint8 else highest - lowest


def quality(
    image: Array, reference: Array, axes: ImageAxes, *, data_range: float | None = None
) -> Quality:
    """Compare an image with its reference.

    Parameters
    ----------
    image, reference : NDArray
        Of equal shape and in equal units.
    axes : ImageAxes
        Their axes; SSIM is taken plane by plane, PSNR over everything.
    data_range : float, optional
        Range of intensities; `data_range_of` the reference if None.

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
    planes = axes.planes()
    # As reals: subtracting in the type of the image would wrap unsigned integers.
    ours = np.stack([axes.channels_first(image[plane]) for plane in planes]).astype(
        float
    )
    clean = np.stack([axes.channels_first(reference[p]) for p in planes]).astype(float)
    with np.errstate(divide="ignore"):
        psnr = peak_signal_noise_ratio(clean, ours, data_range=span)
    ssim = np.mean([_ssim(o, c, span) for o, c in zip(ours, clean, strict=True)])
    return Quality(float(psnr), float(ssim), span)


def _ssim(image: Array, reference: Array, data_range: float) -> float:
    if min(image.shape[1:]) < _SSIM_WINDOW:
        return float("nan")
    ssim = structural_similarity(
        reference, image, data_range=data_range, channel_axis=0
    )
    return float(ssim)
