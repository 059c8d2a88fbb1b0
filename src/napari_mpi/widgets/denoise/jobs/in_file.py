"""A layer that is denoised into an OME-Zarr, from which another run can go on."""

from functools import partial
from pathlib import Path
from typing import Any

from napari_mpi.engine.denoising.file import open_image
from napari_mpi.engine.denoising.regions.volume import Volume
from napari_mpi.engine.denoising.state import DenoisingState
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.files.sources import require_apart
from napari_mpi.engine.images.quality import data_range_of
from napari_mpi.engine.runtime.jobs import Job, beating
from napari_mpi.engine.runtime.leftovers import sweep
from napari_mpi.widgets.denoise.jobs.asked import Advance, Finished, Prepared, Request
from napari_mpi.widgets.denoise.jobs.prepared import prepared
from napari_mpi.widgets.denoise.jobs.quality import finished


def in_file(
    request: Request, output: Path, state: Any = None
) -> Job[Prepared | Advance | Finished, None]:
    """Denoise a layer region by region; the result is a file all the while.

    Parameters
    ----------
    request : Request
        What to do.
    output : Path
        The OME-Zarr; what an earlier run has done of it is not done again.
    state : DenoisingState, optional
        That of an earlier run.
    """
    selection, method = request.selection, request.method
    image = request.source.image(selection.lazy(), selection.axes)
    if request.source.path is not None:
        require_apart(output, request.source.path)
    sweep(output.parent)
    image, task = open_image(image, output, method)
    volume = Volume(image, task, output)
    state = state or DenoisingState()
    state.result = volume.growing
    yield prepared(state, method, task)
    reference = request.reference.lazy() if request.reference else None
    if reference is not None:  # what cannot be one is told before the work
        data_range_of(reference, task.layout)
    tell = partial(Advance, psnr=None)
    written = yield from beating(volume.denoise(), lambda: True, tell)
    for name in ("channels", "done", "adapted", "merged", "iteration", "kept"):
        setattr(state, name, getattr(written.state, name))
    state.result = read_image(output, lazy=True).array
    void_of = state.void_in(task.image, task.layout)
    yield finished(state.result, task.image, reference, task.layout, void_of)
