"""Denoising of an n-D image: axes, intensities and filling, plane by plane."""

import dataclasses
import importlib.metadata
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_mpi.engine.axes import ImageAxes, Index
from napari_mpi.engine.config import FillingConfig
from napari_mpi.engine.device import describe_device, is_full_memory, resolve_device
from napari_mpi.engine.errors import ConfigError, OutOfMemory
from napari_mpi.engine.filling import FillingState, iterative_filling
from napari_mpi.engine.intensity import IntensityMap, measure, require_usable
from napari_mpi.engine.jobs import Job
from napari_mpi.engine.precision import resolve_precision
from napari_mpi.engine.reporting import (
    SNAPSHOT_INTERVAL,
    FillingSnapshot,
    Standing,
)
from napari_mpi.engine.weights import Weights

Array = NDArray[np.generic]


@dataclass(frozen=True, slots=True, kw_only=True)
class DenoisingSnapshot(Standing):
    """What denoising has reached: the plane at work as it is now.

    Parameters
    ----------
    plane, planes : int
        Number of the plane at work, from 0, and how many there are; ``fraction`` counts
        them all, the other fields of `Standing` are about this one.
    losses : tuple of float
        Masked losses since the last snapshot with an image, in network units squared.
    index : tuple
        Where ``image`` belongs in the result: ``result[index]``.
    image : NDArray, optional
        The plane denoised so far, in the source's type, units and order; read-only.
        None where it is too soon after the last, since previews take time too.
    """

    plane: int
    planes: int
    losses: tuple[float, ...]
    index: Index
    image: Array | None = field(repr=False)


@dataclass(slots=True)
class DenoisingState:
    """What `denoise` has reached, kept by whoever may want to go on from there.

    Parameters
    ----------
    result : NDArray, optional
        The image so far: denoised planes, then the source's own. None before the start.
    plane : int
        Number of the plane at work; its predecessors are done.
    iteration : int
        Iterations done on that plane.
    adapted : bool
        Whether the network was adapted to every plane so far.
    merged : bool
        Whether the pixels' own values were merged into every plane so far.
    filling : FillingState, optional
        What filling that plane needs to go on, on the CPU once the job is closed.
    """

    result: Array | None = field(default=None, repr=False)
    plane: int = 0
    iteration: int = 0
    adapted: bool = True
    merged: bool = True
    filling: FillingState | None = field(default=None, repr=False)


def denoise(
    image: Array,
    axes: str,
    *,
    weights: Weights,
    config: FillingConfig,
    device: str | torch.device = "auto",
    state: DenoisingState | None = None,
    snapshot_interval: float = SNAPSHOT_INTERVAL,
) -> Job[DenoisingSnapshot, Array]:
    """Denoise an image of any axes that hold Y and X.

    Colours S are denoised together, every other plane by itself from the same weights
    and seed. Intensities are mapped once per channel C, over all its planes.

    Parameters
    ----------
    image : NDArray
        Integers or finite reals; it is not changed.
    axes : str
        One letter per dimension, such as 'YX', 'TZCYX' or 'YXS'.
    weights : Weights
        Where the network starts from, see `load_weights`.
    config : FillingConfig
        A preset or settings of one's own; see `effective_config`.
    device : str or torch.device
        'auto', 'cpu', 'cuda', 'cuda:1', 'mps'.
    state : DenoisingState, optional
        Filled as the work goes on; given again, with more iterations in the config
        perhaps, the work goes on exactly where it stood when the job was closed.
    snapshot_interval : float
        Least time between two snapshots in seconds.

    Yields
    ------
    DenoisingSnapshot
        For each plane that is not constant at least one with its final image.

    Returns
    -------
    NDArray
        Of the image's shape and type. Constant channels come back as they are.

    Raises
    ------
    AxesError, ConfigError, DeviceError, ImageError
        If image, axes, settings and device don't fit; before any work is done.
    OutOfMemory
        If the device cannot hold the network's features for one plane.
    """
    image = np.asanyarray(image)  # a masked array stays one, and is refused
    require_usable(image)
    layout = ImageAxes(axes, image.shape)
    target = device if isinstance(device, torch.device) else resolve_device(device)
    config = effective_config(config, layout, weights, target)
    state = state if state is not None else DenoisingState()
    if state.result is None:
        state.result = image.copy()
    work = _Work(image, layout, weights, config, target, state, snapshot_interval)
    full = False
    try:
        yield from _denoise_items(work)
    except (MemoryError, RuntimeError) as error:
        if not is_full_memory(error):
            raise
        full = True
    finally:
        _release(state, target)
    if full:
        # Raised only here: the caught error keeps the frames that hold the memory.
        raise OutOfMemory(
            f"{describe_device(target)} has not enough memory for this image:"
            f" denoise a smaller part of it, close other programs{_elsewhere(target)}"
        )
    return state.result


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
    The precision 'auto' becomes the one that the device is faster with.

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
    return dataclasses.replace(
        config,
        shared_mask=shared or config.shared_mask,
        precision=resolve_precision(config.precision, device),
    )


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


def reached(state: DenoisingState) -> dict[str, Any]:
    """Return how far a result has come, as JSON values."""
    return {
        "plane": state.plane,
        "iteration": state.iteration,
        "adapted": state.adapted,
        "merged": state.merged and state.filling is not None and state.filling.merged,
    }


@dataclass(frozen=True, slots=True)
class _Work:
    """What one call of `denoise` was given, checked."""

    image: Array
    layout: ImageAxes
    weights: Weights
    config: FillingConfig
    device: torch.device
    state: DenoisingState
    snapshot_interval: float


@dataclass(frozen=True, slots=True)
class _Place:
    """One plane: where it lies in the image, and how its intensities are mapped."""

    layout: ImageAxes
    intensities: IntensityMap
    index: Index
    number: int
    planes: int

    def noisy(self, image: Array, channels: int) -> torch.Tensor:
        """Return the plane as (N, channels, Y, X) in network units.

        One channel takes the colours as images of their own; three take a grey plane
        three times.
        """
        plane = torch.from_numpy(
            self.intensities.to_network(self.layout.channels_first(image[self.index]))
        )
        if channels == 1:
            return plane[:, None]
        return plane.expand(channels, -1, -1)[None].contiguous()

    def restored(self, ensemble: NDArray[np.float32], dtype: np.dtype[Any]) -> Array:
        """Map an ensemble back to the plane's type, units and order of axes."""
        count, channels = ensemble.shape[:2]
        colours = ensemble.reshape(count * channels, *ensemble.shape[2:])
        if not self.layout.is_colour:
            colours = colours.mean(axis=0, keepdims=True)
        plane = self.intensities.from_network(colours, dtype)
        return self.layout.from_channels_first(plane)


def _denoise_items(work: _Work) -> Iterator[DenoisingSnapshot]:
    """Denoise item by item and plane by plane, from the plane that the state is at."""
    layout, number, planes = work.layout, 0, len(work.layout.planes())
    for item in layout.items():
        values = measure(layout.channels_first(work.image[index]) for index in item)
        for index in item:
            if number >= work.state.plane and not values.is_flat:
                place = _Place(layout, values, index, number, planes)
                yield from _denoise_plane(work, place)
            number += 1


def _denoise_plane(work: _Work, place: _Place) -> Iterator[DenoisingSnapshot]:
    """Fill one plane, and put every snapshot of it into the result."""
    state, config, weights = work.state, work.config, work.weights
    noisy = place.noisy(work.image, weights.network.channels).to(work.device)
    if state.filling is None or state.plane != place.number:
        network = weights.to_network(work.device)
        state.filling = FillingState(noisy, network, config)
        state.plane, state.iteration = place.number, 0
    state.filling.to(work.device)
    job = iterative_filling(
        noisy,
        state.filling.network,
        config,
        state=state.filling,
        snapshot_interval=work.snapshot_interval,
    )
    assert state.result is not None
    with closing(job):
        for filling in job:
            plane = None
            if filling.ensemble is not None:
                plane = place.restored(filling.ensemble, work.image.dtype)
                plane.flags.writeable = False
                state.result[place.index] = plane
            state.iteration = filling.iteration
            state.adapted = state.adapted and filling.adapts
            if filling.fraction == 1:
                state.merged = state.merged and state.filling.merged
            yield _snapshot(place, filling, plane)


def _snapshot(
    place: _Place, filling: FillingSnapshot, plane: Array | None
) -> DenoisingSnapshot:
    return DenoisingSnapshot(
        plane=place.number,
        planes=place.planes,
        iteration=filling.iteration,
        iterations=filling.iterations,
        stage=filling.stage,
        adapts=filling.adapts,
        fraction=(place.number + filling.fraction) / place.planes,
        losses=filling.losses,
        index=place.index,
        image=plane,
    )


def _release(state: DenoisingState, device: torch.device) -> None:
    """Free the device; what is needed to go on waits on the CPU."""
    if state.filling is not None:
        state.filling.to("cpu")
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _elsewhere(device: torch.device) -> str:
    return "" if device.type == "cpu" else ", or choose the device 'cpu'"
