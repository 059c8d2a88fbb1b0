"""Into an array, or into a file: one job for a worker's thread."""

from collections.abc import Callable, Mapping
from typing import Any

from napari_mpi.engine.runtime.jobs import Job
from napari_mpi.widgets.denoise.jobs.asked import Advance, Finished, Prepared, Request
from napari_mpi.widgets.denoise.jobs.in_memory import in_memory


def denoise_job(
    request: Request,
    state: Any = None,
    looking_at: Callable[[], Mapping[str, int] | None] | None = None,
) -> Job[Prepared | Advance | Finished, None]:
    """Do what a run of the Denoise widget asks for.

    Parameters
    ----------
    request, state, looking_at
        See `in_memory`.
    """
    if request.output is None:
        yield from in_memory(request, state, looking_at)
        return
    # torch takes seconds to import: here it does so on the worker's thread.
    from napari_mpi.widgets.denoise.jobs.in_file import in_file

    yield from in_file(request, request.output, state)
