"""An image and how it is to be denoised: all that fits together, before any work."""

import dataclasses
import importlib.metadata
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from napari_mpi.engine.denoising.neighbours.places import stack_axes
from napari_mpi.engine.denoising.sampling.ranges import NoData
from napari_mpi.engine.denoising.state import DenoisingState
from napari_mpi.engine.filling.spread import SpreadOf
from napari_mpi.engine.images.arrays import ArrayLike
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.images.intensity import require_intensities, require_usable
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.networks.weights import Weights
from napari_mpi.engine.runtime.devices import describe_device, resolve_device
from napari_mpi.engine.runtime.errors import ConfigError
from napari_mpi.engine.runtime.precision import resolve_precision
from napari_mpi.engine.settings.filling import FillingConfig

WHOLE = 1024**2
"""Pixels of a plane that is adapted to as a whole where it is the only one."""

_SAMPLE_SIDE = 256  # pixels of a window along each axis, where settings name no crop


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """An image and how it is to be denoised, as `prepare` makes it.

    Parameters
    ----------
    image : NDArray or other array
        What has a shape, a type and numpy's indices.
    layout : ImageAxes
        Its axes, with its shape.
    weights : Weights
        Where the network starts from.
    config : FillingConfig
        The settings that image, weights and device lead to.
    device : torch.device
        Where the work is done.
    tile : int, optional
        Rows and columns of the largest part of a plane that is filled, and adapted to,
        at once; as large as the free memory allows if None. Settings without passes
        take planes as a whole all the same.
    no_data : tuple of (float, float)
        Ranges of values, ends included, that stand for no measurement.
    """

    image: ArrayLike = field(repr=False)
    layout: ImageAxes
    weights: Weights
    config: FillingConfig
    device: torch.device
    tile: int | None = None
    no_data: NoData = ()

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
    def sees_neighbours(self) -> bool:
        """Whether planes may be averaged with those beside them, which there are."""
        return self.config.neighbours != "none" and bool(stack_axes(self.layout))

    @property
    def spread_of(self) -> SpreadOf:
        """Whose spread is meant, where one is wanted."""
        return "channels" if self.layout.is_colour else "mean"

    @property
    def whole(self) -> int:
        """Pixels of a single plane that is adapted to and filled as a whole."""
        return WHOLE if self.tile is None else min(WHOLE, self.tile**2)

    @property
    def sample_side(self) -> int:
        """Rows and columns of the windows that are sampled."""
        return self.config.crop or _SAMPLE_SIDE

    def provenance(self, state: DenoisingState | None = None) -> dict[str, Any]:
        """Return what is needed to make a result again, as JSON values.

        Parameters
        ----------
        state : DenoisingState, optional
            What has been reached, to be told too.
        """
        made: dict[str, Any] = {
            "version": importlib.metadata.version("napari-mpi"),
            "method": "Masked Pre-train then Iterative fill, arXiv 2401.14966",
            "axes": self.layout.letters,
            "settings": dataclasses.asdict(self.config),
            "weights": {
                **self.weights.provenance,
                "name": self.weights.name,
                "sha256": self.weights.sha256,
            },
            "device": describe_device(self.device),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }
        if state is not None:
            made["reached"] = state.reached()
        if self.tile is not None:
            made["tile"] = self.tile
        return made


def prepare(
    image: ArrayLike,
    axes: str,
    *,
    weights: Weights | str,
    config: FillingConfig,
    device: str | torch.device = "auto",
    tile: int | None = None,
    no_data: NoData = (),
) -> Task:
    """Check that an image can be denoised as asked, before any work is done.

    Parameters
    ----------
    image : NDArray or other array
        Integers or reals; it is not changed. What is not finite is left as it is, and
        so are areas of one exact value, see `Mark`. Whatever has a shape, a type and
        numpy's indices will do: dask and zarr arrays are read a plane at a time.
    axes : str
        One letter per dimension, such as 'YX', 'TZCYX' or 'YXS'.
    weights : Weights or str
        Where the network starts from, or what `load_weights` takes.
    config : FillingConfig
        A preset or settings of one's own; see `effective_config`.
    device : str or torch.device
        'auto', 'cpu', 'cuda', 'cuda:1', 'mps'.
    tile : int, optional
        See `Task`.
    no_data : tuple of (float, float)
        See `Task`.

    Raises
    ------
    AxesError, ConfigError, DeviceError, ImageError, WeightsError
        If image, axes, settings, weights and device don't fit.
    """
    image = image if hasattr(image, "shape") else np.asanyarray(image)
    if isinstance(image, np.ndarray):  # a masked array too, which is refused
        require_usable(image)
    require_intensities(np.dtype(image.dtype))
    layout = ImageAxes(axes, tuple(image.shape))
    target = device if isinstance(device, torch.device) else resolve_device(device)
    if isinstance(weights, str):
        weights = load_weights(weights, seed=config.seed)
    return Task(
        image=image,
        layout=layout,
        weights=weights,
        config=effective_config(config, layout, weights, target),
        device=target,
        tile=tile,
        no_data=no_data,
    )


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


def with_precision(config: FillingConfig, device: torch.device) -> FillingConfig:
    """Return settings whose precision is the one to use on a device."""
    precision = resolve_precision(config.precision, device)
    return dataclasses.replace(config, precision=precision)
