"""Filling an image as it is, or taken apart into sub-images of every other pixel."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

Network = Callable[[Tensor, Tensor], Tensor]


def fill(network: Network, noisy: Tensor, masked: Tensor, factor: int = 1) -> Tensor:
    """Predict an image, as it is or taken apart into ``factor**2`` sub-images.

    Neighbours in a sub-image are ``factor`` pixels apart in the image, so that they
    share less of a correlated noise (Ma et al. 2024, section 4, strongly correlated
    noise). The sub-images are one batch.

    Parameters
    ----------
    network : callable
        A `FillingNetwork`, or what predicts as it does.
    noisy : Tensor
        Shape (N, C, Y, X), float32 or float64.
    masked : Tensor
        Shape (N, C or 1, Y, X), bool; True = hidden.
    factor : int
        Side of the blocks that are taken apart, at least 1.

    Returns
    -------
    Tensor
        Shape (N, C, Y, X), the prediction for every pixel.
    """
    if factor == 1:
        return network(noisy, masked)
    height, width = noisy.shape[-2:]
    parts = network(_taken_apart(noisy, factor), _taken_apart(masked, factor))
    return _put_together(parts, factor)[..., :height, :width]


def _taken_apart(planes: Tensor, factor: int) -> Tensor:
    """(N, C, Y, X) -> (N * factor**2, C, Y / factor, X / factor), sizes rounded up."""
    _, channels, height, width = planes.shape
    bottom, right = -height % factor, -width % factor
    values = planes if planes.is_floating_point() else planes.float()  # masks
    padded = F.pad(values, (0, right, 0, bottom), mode="replicate")
    parts = F.pixel_unshuffle(padded, factor)
    rows, columns = parts.shape[-2:]
    parts = parts.reshape(-1, channels, factor**2, rows, columns).transpose(1, 2)
    return parts.reshape(-1, channels, rows, columns).to(planes.dtype)


def _put_together(parts: Tensor, factor: int) -> Tensor:
    """Undo `_taken_apart`, but for the rounding up."""
    channels, rows, columns = parts.shape[1:]
    images = parts.reshape(-1, factor**2, channels, rows, columns).transpose(1, 2)
    return F.pixel_shuffle(
        images.reshape(-1, channels * factor**2, rows, columns), factor
    )
