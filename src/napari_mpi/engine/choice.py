"""What an item's own noise has chosen: from which parts of it, and what is kept."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_mpi.engine.axes import ImageAxes, Index
from napari_mpi.engine.choosing import choice_in_words, chosen
from napari_mpi.engine.config import FillingConfig, NetworkConfig
from napari_mpi.engine.findings import NoiseFindings
from napari_mpi.engine.intensity import IntensityMap, require_usable
from napari_mpi.engine.lazy import ArrayLike
from napari_mpi.engine.tiles import middle

PLANES = 4
"""Planes of an item, at even distances, whose noise is judged, at the most."""

_SIDE, _ONLY_SIDE = 256, 512  # pixels of each along an axis; of a single one


@dataclass(frozen=True, slots=True)
class Choice:
    """Settings that a channel's own noise has chosen.

    Parameters
    ----------
    found : NoiseFindings, optional
        What its noise is like; None where it could not be told.
    config : FillingConfig
        The settings.
    """

    found: NoiseFindings | None
    config: FillingConfig

    def words(self) -> str:
        """Return what was found, and what follows from it, in words."""
        found = "cannot be told" if self.found is None else self.found.words()
        return f"{found}; {choice_in_words(self.config, self.found)}"


def choose(
    config: FillingConfig, found: NoiseFindings | None, network: NetworkConfig
) -> Choice:
    """Choose settings by what was found, see `chosen`; none if nothing was."""
    if found is None:
        return Choice(None, dataclasses.replace(config, by_noise=False))
    return Choice(found, chosen(config, found, network))


def windows_to_judge(
    image: ArrayLike,
    layout: ImageAxes,
    planes: Sequence[Index],
    intensities: IntensityMap,
) -> Tensor:
    """Cut out what an item's noise is judged by: the middle of up to four planes.

    Parameters
    ----------
    image : ArrayLike
        The image.
    layout : ImageAxes
        Its axes.
    planes : sequence of tuple
        Index of every plane of the item.
    intensities : IntensityMap
        That of the item.

    Returns
    -------
    Tensor
        Shape (N, C, Y, X), float32, in network units.

    Raises
    ------
    ImageError
        If it holds values that are not finite.
    """
    count = min(PLANES, len(planes))
    window = middle(layout.plane_shape, _SIDE if count > 1 else _ONLY_SIDE)
    parts = []
    for n in range(count):
        index = planes[(2 * n + 1) * len(planes) // (2 * count)]
        raw = np.asarray(image[layout.part(index, window)])
        require_usable(raw)
        values = intensities.to_network(layout.channels_first(raw))
        parts.append(torch.from_numpy(np.ascontiguousarray(values)))
    return torch.stack(parts)
