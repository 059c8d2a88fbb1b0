"""One call of `denoise`, as whoever works on its planes needs it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch

from napari_mpi.engine.axes import ImageAxes
from napari_mpi.engine.config import FillingConfig
from napari_mpi.engine.denoising_state import DenoisingState
from napari_mpi.engine.lazy import ArrayLike
from napari_mpi.engine.spread import SpreadOf
from napari_mpi.engine.weights import Weights

LookingAt = Callable[[], Mapping[str, int] | None]

WHOLE = 1024**2
"""Pixels of a plane that is adapted to as a whole where it is the only one."""

_SAMPLE_SIDE = 256  # pixels of a window along each axis, where settings name no crop


@dataclass(slots=True, kw_only=True)
class Work:
    """One call of `denoise`: what it was given, checked; see there.

    ``done`` counts the planes that are done.
    """

    image: ArrayLike = field(repr=False)
    layout: ImageAxes
    weights: Weights
    config: FillingConfig
    device: torch.device
    state: DenoisingState
    interval: float
    looking_at: LookingAt | None
    tile: int | None = None
    done: int = 0

    @property
    def channels(self) -> int:
        """Image channels that the network fills."""
        return self.weights.network.channels

    @property
    def shares(self) -> bool:
        """Whether planes share an adaptation: those of a channel, if it has several."""
        return self.config.share and self.layout.plane_count > self.layout.channel_count

    @property
    def spread_of(self) -> SpreadOf | None:
        """Whose spread is wanted, if any."""
        if not self.state.wants_spread:
            return None
        return "channels" if self.layout.is_colour else "mean"

    @property
    def whole(self) -> int:
        """Pixels of a single plane that is adapted to and filled as a whole."""
        return WHOLE if self.tile is None else min(WHOLE, self.tile**2)

    @property
    def sample_side(self) -> int:
        """Rows and columns of the windows that are sampled."""
        return self.config.crop or _SAMPLE_SIDE
