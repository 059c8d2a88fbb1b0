"""Denoising of an n-D image: axes, intensities and filling, plane by plane."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_mpi.engine.denoising.plane_by_plane import denoise_planes
from napari_mpi.engine.denoising.snapshot import DenoisingSnapshot
from napari_mpi.engine.denoising.state import DenoisingState
from napari_mpi.engine.denoising.task import LookingAt, Work, effective_config
from napari_mpi.engine.filling.progress import SNAPSHOT_INTERVAL
from napari_mpi.engine.images.arrays import ArrayLike
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.images.intensity import require_intensities, require_usable
from napari_mpi.engine.images.results import result_for, spread_for
from napari_mpi.engine.networks.weights import Weights
from napari_mpi.engine.runtime.devices import (
    describe_device,
    is_full_memory,
    resolve_device,
)
from napari_mpi.engine.runtime.errors import OutOfMemory
from napari_mpi.engine.runtime.jobs import Job
from napari_mpi.engine.settings.filling import FillingConfig


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


def _release(state: DenoisingState, device: torch.device) -> None:
    """Free the device; what is needed to go on waits on the CPU."""
    state.to(torch.device("cpu"))
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _elsewhere(device: torch.device) -> str:
    return "" if device.type == "cpu" else ", or choose the device 'cpu'"
