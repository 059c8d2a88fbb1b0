"""Denoising of an n-D image: axes, intensities and filling, plane by plane."""

import dataclasses
import importlib.metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_mpi.engine.axes import ImageAxes
from napari_mpi.engine.config import FillingConfig
from napari_mpi.engine.denoising_state import (
    DenoisingSnapshot,
    DenoisingState,
    noise_in_words,
    notes_on,
    reached,
)
from napari_mpi.engine.device import describe_device, is_full_memory, resolve_device
from napari_mpi.engine.errors import ConfigError, DiskError, OutOfMemory
from napari_mpi.engine.growing import GrowingResult, is_small
from napari_mpi.engine.intensity import (
    exact_float,
    require_intensities,
    require_usable,
)
from napari_mpi.engine.jobs import Job
from napari_mpi.engine.lazy import ArrayLike
from napari_mpi.engine.plane_work import denoise_planes
from napari_mpi.engine.precision import with_precision
from napari_mpi.engine.reporting import SNAPSHOT_INTERVAL
from napari_mpi.engine.weights import Weights
from napari_mpi.engine.work import LookingAt, Work

__all__ = [
    "DenoisingSnapshot",
    "DenoisingState",
    "denoise",
    "effective_config",
    "noise_in_words",
    "notes_on",
    "provenance",
    "reached",
    "result_for",
    "spread_for",
]


def denoise(
    image: ArrayLike,
    axes: str,
    *,
    weights: Weights,
    config: FillingConfig,
    device: str | torch.device = "auto",
    state: DenoisingState | None = None,
    snapshot_interval: float = SNAPSHOT_INTERVAL,
    looking_at: LookingAt | None = None,
    scratch: Path | None = None,
    tile: int | None = None,
) -> Job[DenoisingSnapshot, Any]:
    """Denoise an image of any axes that hold Y and X.

    Colours S are denoised together; all planes of a channel C from one adaptation if
    the settings share it, each from scratch otherwise. Intensities are mapped once per
    channel, over all its planes. The image is read plane by plane, and large planes
    tile by tile.

    Parameters
    ----------
    image : NDArray or other array
        Integers or finite reals; it is not changed. Whatever has a shape, a type and
        numpy's indices will do: dask and zarr arrays are read a plane at a time.
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
        It takes the spread of the fills too, if that is wanted.
    snapshot_interval : float
        Least time between two snapshots in seconds.
    looking_at : callable, optional
        Tells, whenever a plane is done, which one a person looks at, as a number for
        each of `ImageAxes.stack_letters`: it comes next, or its nearest neighbour.
    scratch : Path, optional
        Folder on whose disk a result grows that is not numpy's; that of temporary files
        if None.
    tile : int, optional
        Rows and columns of the largest part of a plane that is filled, and adapted to,
        at once; as large as the free memory allows if None. Settings without passes
        take planes as a whole all the same.

    Yields
    ------
    DenoisingSnapshot
        For each plane that is not constant at least one with its final image, tile by
        tile if it is large.

    Returns
    -------
    NDArray or GrowingResult
        Of the image's shape and type: a numpy array for a numpy array of at most a
        quarter of the memory, an array on disk for others. Constant channels come back
        as they are.

    Raises
    ------
    AxesError, ConfigError, DeviceError, ImageError
        If image, axes, settings and device don't fit; before any work is done, but for
        values that are not finite in planes that are read later.
    DiskError
        If a result that must be on disk finds no room there.
    OutOfMemory
        If the device cannot hold the network's features for one plane, or one tile.
    """
    image = image if hasattr(image, "shape") else np.asanyarray(image)
    if isinstance(image, np.ndarray):  # a masked array too, which is refused
        require_usable(image)
    require_intensities(np.dtype(image.dtype))
    layout = ImageAxes(axes, tuple(image.shape))
    target = device if isinstance(device, torch.device) else resolve_device(device)
    config = effective_config(config, layout, weights, target)
    state = state if state is not None else DenoisingState()
    if state.result is None:
        state.result = result_for(image, layout, scratch)
    if state.wants_spread and state.spread is None:
        state.spread = spread_for(image, layout, scratch)
    work = Work(
        image=image,
        layout=layout,
        weights=weights,
        config=config,
        device=target,
        state=state,
        interval=snapshot_interval,
        looking_at=looking_at,
        tile=tile,
    )
    full = False
    try:
        yield from denoise_planes(work)
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


def result_for(image: ArrayLike, layout: ImageAxes, scratch: Path | None = None) -> Any:
    """Return what a result starts from: an array that holds its source.

    Parameters
    ----------
    image : ArrayLike
        The source.
    layout : ImageAxes
        Its axes.
    scratch : Path, optional
        Folder on whose disk a `GrowingResult` is; that of temporary files if None.

    Returns
    -------
    NDArray or GrowingResult
        A copy in memory of a numpy array that takes at most a quarter of it; for all
        others an array on disk, for which nothing is read yet.

    Raises
    ------
    DiskError
        If there is no room for it.
    """
    if isinstance(image, np.ndarray) and is_small(image):
        return np.array(image)
    try:
        return GrowingResult(image, layout, scratch)
    except OSError as error:
        raise DiskError(
            f"the result does not fit on the disk of {error.filename}"
            f" ({error.strerror}): make room, or denoise a smaller part"
        ) from error


def spread_for(image: ArrayLike, layout: ImageAxes, scratch: Path | None = None) -> Any:
    """Return what the spread starts from: not a number anywhere.

    Parameters
    ----------
    image : ArrayLike
        The source.
    layout : ImageAxes
        Its axes.
    scratch : Path, optional
        As for `result_for`.

    Returns
    -------
    NDArray or GrowingResult
        Of the source's shape without colours S; float32, float64 for a source that
        float32 cannot hold.
    """
    own = layout.without_colours
    unknown = np.array(np.nan, exact_float(np.dtype(image.dtype)))
    return result_for(np.broadcast_to(unknown, own.shape), own, scratch)


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


def _release(state: DenoisingState, device: torch.device) -> None:
    """Free the device; what is needed to go on waits on the CPU."""
    state.to(torch.device("cpu"))
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _elsewhere(device: torch.device) -> str:
    return "" if device.type == "cpu" else ", or choose the device 'cpu'"
