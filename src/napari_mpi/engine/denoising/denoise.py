"""Denoising of an n-D image: axes, intensities and filling, plane by plane."""

from pathlib import Path
from typing import Any

import torch

from napari_mpi.engine.denoising.plane_by_plane import LookingAt, PlaneByPlane
from napari_mpi.engine.denoising.snapshot import DenoisingSnapshot
from napari_mpi.engine.denoising.state import DenoisingState
from napari_mpi.engine.denoising.task import Task
from napari_mpi.engine.images.results import result_for, spread_for
from napari_mpi.engine.runtime.devices import memory_told
from napari_mpi.engine.runtime.jobs import SNAPSHOT_INTERVAL, Job


def denoise(
    task: Task,
    state: DenoisingState | None = None,
    *,
    snapshot_interval: float = SNAPSHOT_INTERVAL,
    looking_at: LookingAt | None = None,
    scratch: Path | None = None,
) -> Job[DenoisingSnapshot, Any]:
    """Denoise an image of any axes that hold Y and X.

    Colours S are denoised together; all planes of a channel C from one adaptation if
    the settings share it, each from scratch otherwise. Intensities are mapped once per
    channel, over all its planes. The image is read plane by plane, and large planes
    tile by tile.

    Parameters
    ----------
    task : Task
        The image and how to denoise it, see `prepare`.
    state : DenoisingState, optional
        Filled as the work goes on; given again, with more iterations in the task
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
    ImageError
        If planes that are read on the way hold values that are not finite.
    DiskError
        If a result that must be on disk finds no room there.
    OutOfMemory
        If the device cannot hold the network's features for one plane, or one tile.
    """
    state = state if state is not None else DenoisingState()
    if state.result is None:
        state.result = result_for(task.image, task.layout, scratch)
    if state.wants_spread and state.spread is None:
        state.spread = spread_for(task.image, task.layout, scratch)
    work = PlaneByPlane(task, state, interval=snapshot_interval, looking_at=looking_at)
    advice = "for this image: denoise a smaller part of it, close other programs"
    try:
        with memory_told(task.device, advice + _elsewhere(task.device)):
            yield from work.snapshots()
    finally:
        _release(state, task.device)
    return state.result


def _release(state: DenoisingState, device: torch.device) -> None:
    """Free the device; what is needed to go on waits on the CPU."""
    state.to(torch.device("cpu"))
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _elsewhere(device: torch.device) -> str:
    return "" if device.type == "cpu" else ", or choose the device 'cpu'"
