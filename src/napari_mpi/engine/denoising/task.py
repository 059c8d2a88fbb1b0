"""One call of `denoise`: image, axes, weights, settings, device, checked."""

import dataclasses
import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from napari_mpi.engine.denoising.state import (
    DenoisingState,
    reached,
)
from napari_mpi.engine.filling.spread import SpreadOf
from napari_mpi.engine.images.arrays import ArrayLike
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.networks.weights import Weights
from napari_mpi.engine.runtime.devices import (
    describe_device,
)
from napari_mpi.engine.runtime.errors import ConfigError
from napari_mpi.engine.runtime.precision import resolve_precision
from napari_mpi.engine.settings.filling import FillingConfig

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
    def opponents(self) -> bool:
        """Whether the network sees colours by their opponents."""
        return sees_opponents(self.weights, self.layout)

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


def sees_opponents(weights: Weights, layout: ImageAxes) -> bool:
    """Whether a network for grey is to denoise colours: it sees their opponents."""
    return weights.network.channels == 1 and layout.is_colour


def effective_config(
    config: FillingConfig,
    layout: ImageAxes,
    weights: Weights,
    device: torch.device,
) -> FillingConfig:
    """Return the settings that an image, weights and a device lead to.

    The channels of a grey image all carry the same noise, so they must share one
    mask: otherwise a value that is hidden in one channel stands open in the next, and
    nothing is denoised. Weights that read a single mask plane need a shared mask too.
    The precision 'auto' becomes the one that the device is faster with, unless the
    image's noise is still to choose.

    Raises
    ------
    ConfigError
        If the weights are for a number of channels that the image cannot have.
    """
    channels = weights.network.channels
    if channels not in (1, 3):
        raise ConfigError(
            f"weights {weights.name!r} fill {channels} channels: give weights that"
            " fill 1 (grey) or 3 (colour)"
        )
    shared = not layout.is_colour or weights.network.mask_channels == 1
    # What is still to be chosen may have a precision of its own.
    chosen = config if config.by_noise else with_precision(config, device)
    return dataclasses.replace(chosen, shared_mask=shared or config.shared_mask)


def provenance(
    config: FillingConfig,
    weights: Weights,
    device: torch.device,
    axes: str,
    state: DenoisingState | None = None,
) -> dict[str, Any]:
    """Return what is needed to make a result again, as JSON values."""
    made: dict[str, Any] = {
        "version": importlib.metadata.version("napari-mpi"),
        "method": "Masked Pre-train then Iterative fill, arXiv 2401.14966",
        "axes": axes,
        "settings": dataclasses.asdict(config),
        "weights": {
            **weights.provenance,
            "name": weights.name,
            "sha256": weights.sha256,
        },
        "device": describe_device(device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    if state is not None:
        made["reached"] = reached(state)
    return made


def with_precision(config: FillingConfig, device: torch.device) -> FillingConfig:
    """Return settings whose precision is the one to use on a device."""
    precision = resolve_precision(config.precision, device)
    return dataclasses.replace(config, precision=precision)
