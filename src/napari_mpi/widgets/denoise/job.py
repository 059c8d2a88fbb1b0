"""What the Denoise widget asks of the engine, as one job for a worker's thread."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_mpi.engine.runtime.jobs import Job
from napari_mpi.engine.settings.method import Method
from napari_mpi.widgets.layers.selection import Selection


@dataclass(frozen=True, slots=True)
class Request:
    """Everything that a run needs, taken from the form when it starts."""

    selection: Selection
    method: Method
    reference: Selection | None = None
    wants_uncertainty: bool = False
    how: str = ""
    """What the name of the result should say of the settings."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """The first thing that a run tells: where and how it will work.

    Parameters
    ----------
    image : NDArray or LazyArray
        What the result starts from, see `result_for`.
    device : str
        The device's real name.
    notices : tuple of str
        What a person should know before waiting.
    made : dict
        Provenance of the result.
    state : DenoisingState
        Holds the result while the work goes on, and when it has ended.
    """

    image: Any = field(repr=False)
    device: str
    notices: tuple[str, ...]
    made: dict[str, Any] = field(repr=False)
    state: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class Advance:
    """A snapshot of the work, and how close it comes to the reference, if any."""

    snapshot: Any
    psnr: float | None


@dataclass(frozen=True, slots=True)
class Finished:
    """The last thing that a complete run tells.

    Parameters
    ----------
    quality : str, optional
        PSNR and SSIM of the result, in words; None without a reference.
    before : float, optional
        PSNR of the source in dB.
    after : float, optional
        PSNR of the result in dB.
    """

    quality: str | None = None
    before: float | None = None
    after: float | None = None


def denoise_job(
    request: Request,
    state: Any = None,
    looking_at: Callable[[], Mapping[str, int] | None] | None = None,
) -> Job[Prepared | Advance | Finished, None]:
    """Load weights, read the pixels, denoise.

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
    from napari_mpi.engine.networks.catalogue import RANDOM_START
    from napari_mpi.engine.runtime.devices import describe_device, notices

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
    told = notices(method.device, task.device)
    if task.weights.name == RANDOM_START:
        told.append("the weights 'none' start at random: slower and less sharp")
    yield Prepared(
        state.result,
        describe_device(task.device),
        tuple(told),
        task.provenance(),
        state,
    )
    reference = request.reference.lazy() if request.reference else None
    # Before the work: what cannot be a reference is told at once.
    span = None if reference is None else data_range_of(reference, layout)
    job = denoising.denoise(task, state, looking_at=looking_at)
    try:
        for snapshot in job:
            yield Advance(snapshot, _psnr(snapshot, reference, span))
    finally:
        job.close()
    void_of = state.void_in(task.image, layout)
    yield _finished(state.result, task.image, reference, layout, void_of)


def _psnr(snapshot: Any, reference: Any, span: float | None) -> float | None:
    import numpy as np
    from skimage.metrics import peak_signal_noise_ratio

    if reference is None or snapshot.image is None:
        return None
    clean = np.asarray(reference[snapshot.index]).astype(float)
    image = snapshot.image.astype(float)
    known = np.isfinite(clean) & np.isfinite(image)
    if not known.any():
        return None
    psnr = peak_signal_noise_ratio(clean[known], image[known], data_range=span)
    return float(psnr)


def _finished(
    result: Any, source: Any, reference: Any, layout: Any, void_of: Any
) -> Finished:
    from napari_mpi.engine.images.quality import quality

    if reference is None:
        return Finished()
    before, after = (
        quality(image, reference, layout, void_of=void_of) for image in (source, result)
    )
    return Finished(str(after), before.psnr, after.psnr)
