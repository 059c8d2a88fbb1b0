"""A layer, or a part of it, that is denoised into an array."""

from collections.abc import Callable, Mapping
from typing import Any

from napari_mpi.engine.runtime.jobs import Job
from napari_mpi.widgets.denoise.jobs.asked import Advance, Finished, Prepared, Request
from napari_mpi.widgets.denoise.jobs.prepared import prepared
from napari_mpi.widgets.denoise.jobs.quality import finished, psnr_of


def in_memory(
    request: Request,
    state: Any = None,
    looking_at: Callable[[], Mapping[str, int] | None] | None = None,
) -> Job[Prepared | Advance | Finished, None]:
    """Load weights, read the pixels, denoise; the result is an array.

    Parameters
    ----------
    request : Request
        What to do.
    state : DenoisingState, optional
        Where to go on from; a fresh one if None.
    looking_at : callable, optional
        Tells which plane of the selection a person looks at, as the number within the
        part for each axis outside of the planes; None if it is none of them. It may be
        called on the worker's thread.
    """
    # torch takes seconds to import: here it does so on the worker's thread.
    from napari_mpi.engine.denoising import denoise as denoising
    from napari_mpi.engine.denoising.state import DenoisingState
    from napari_mpi.engine.denoising.task import prepare
    from napari_mpi.engine.images.quality import data_range_of
    from napari_mpi.engine.images.results import result_for

    if state is None:
        state = DenoisingState(wants_spread=request.wants_uncertainty)
    method = request.method
    task = prepare(
        request.selection.lazy(),
        request.selection.axes,
        weights=method.weights,
        config=method.config,
        device=method.device,
    )
    layout = task.layout
    if state.result is None:
        state.result = result_for(task.image, layout)
    yield prepared(state, method, task)
    reference = request.reference.lazy() if request.reference else None
    # Before the work: what cannot be a reference is told at once.
    span = None if reference is None else data_range_of(reference, layout)
    job = denoising.denoise(task, state, looking_at=looking_at)
    try:
        for snapshot in job:
            yield Advance(snapshot, psnr_of(snapshot, reference, span))
    finally:
        job.close()
    void_of = state.void_in(task.image, layout)
    yield finished(state.result, task.image, reference, layout, void_of)
