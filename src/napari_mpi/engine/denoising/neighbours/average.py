"""The mean of a plane and those beside it, each counted where it agrees."""

from collections.abc import Sequence

import torch
from torch import Tensor

from napari_mpi.engine.denoising.neighbours.agreement import Agreement
from napari_mpi.engine.denoising.noisy import Noisy
from napari_mpi.engine.filling.merging import Averaged, NoiseModels, variance_of
from napari_mpi.engine.noise.smoothing import bell, smoothed

_NEAR = 1.5  # pixels, over which the intensity is looked at


def averaged(
    plane: Noisy,
    agreements: Sequence[Agreement],
    models: NoiseModels,
    instead: Tensor | None = None,
) -> Noisy:
    """Average a plane with those beside it.

    Parameters
    ----------
    plane : Noisy
        A window of it.
    agreements : sequence of Agreement
        Of the same window, one for each plane beside it; at least one.
    models : tuple of tuple of NoiseModel
        Noise by image and channel.
    instead : Tensor, optional
        Shape (N, C, Y, X): what counts for the plane's own values.

    Returns
    -------
    Noisy
        The mean, with what the plane was before.
    """
    own = plane.image
    added = torch.zeros_like(own) if instead is None else instead - own
    total = torch.ones_like(own)
    for found in agreements:
        added += found.weight * found.noise
        total += found.weight
    added /= total
    void = plane.void
    # What averaging has taken away of the noise is what the mean differs by.
    before = variance_of(models, bell(own, _NEAR))
    left = before - smoothed(added.square(), void)
    variance = torch.maximum(left, before / total)
    return Noisy(own + added, plane.marks, Averaged(own, variance))
