"""What the Pre-train widget asks of the engine, as one job for a worker's thread."""

import dataclasses
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_mpi.engine.networks.catalogue import checkpoint_path
from napari_mpi.engine.runtime.errors import DivergenceError
from napari_mpi.engine.runtime.jobs import Job
from napari_mpi.engine.settings.recipes import Recipe

_TRIED, _TRIAL = 1000, 5.0  # steps, and seconds, at most, by which the pace is measured
_LEAST = 10  # iterations, however little time there is


@dataclass(frozen=True, slots=True)
class PretrainRequest:
    """Everything that a run needs, taken from the form when it starts.

    Parameters
    ----------
    folder : Path
        Of the images.
    recipe : Recipe
        Network and settings; those of the checkpoint count where one is resumed.
    weights_path : Path
        Where the weights go.
    device : str
        As `resolve_device` takes it.
    seconds : float, optional
        How long to train; the recipe's iterations if None, or if it is resumed.
    resume : bool
        Whether to go on from the checkpoint.
    cancelled : threading.Event
        Set before the job is closed if nothing is to be kept.
    """

    folder: Path
    recipe: Recipe
    weights_path: Path
    device: str
    resume: bool = False
    seconds: float | None = None
    cancelled: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def checkpoint(self) -> Path:
        """Where what is needed to go on is kept."""
        return checkpoint_path(self.weights_path)


@dataclass(frozen=True, slots=True)
class Measuring:
    """Told while a few steps are timed, which are not kept."""


@dataclass(frozen=True, slots=True)
class Begun:
    """Told when the images have been read: where and on what it will work.

    Parameters
    ----------
    device : str
        The device's real name.
    notices : tuple of str
        What a person should know before waiting.
    images : str
        The number of images and files, in words.
    left_out : tuple of (str, str)
        Name and reason of every file that is not used.
    iterations : int
        Steps to do in all.
    losses, held_out : list
        What a run that is gone on with has reached.
    """

    device: str
    notices: tuple[str, ...]
    images: str
    left_out: tuple[tuple[str, str], ...]
    iterations: int
    losses: list[float] = field(repr=False)
    held_out: list[tuple[int, float]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Saved:
    """Told when the weights are written; the last of a complete run."""

    name: str


def pretrain_job(request: PretrainRequest) -> Job[Any, None]:
    """Read the images, pre-train, write the weights.

    Closed before its end it keeps what was reached, as weights and as a checkpoint to
    go on from, unless the request was cancelled.

    Yields
    ------
    ReadingSnapshot, Begun, PretrainingSnapshot, Saved
        In this order.
    """
    # torch takes seconds to import: here it does so on the worker's thread.
    from napari_mpi.engine.pretraining import pretrain
    from napari_mpi.engine.pretraining import state as pretraining_state
    from napari_mpi.engine.pretraining.images import read_training_images

    state = (
        pretraining_state.read_checkpoint(request.checkpoint)
        if request.resume
        else pretraining_state.start_pretraining(
            request.recipe.network, request.recipe.pretraining
        )
    )
    side = state.config.crop_size
    images = yield from read_training_images(request.folder, smallest_side=side)
    if request.seconds is not None and not request.resume:
        config = yield from _in_time(request, images)
        state = pretraining_state.start_pretraining(request.recipe.network, config)
    yield _begun(request, images, state)
    job = pretrain.pretrain(
        images,
        state.network_config,
        state.config,
        name=request.weights_path.stem,
        device=request.device,
        state=state,
        checkpoint=request.checkpoint,
        snapshot_interval=pretrain.SNAPSHOT_INTERVAL,
    )
    with _keeping(request, images, state), closing(job):
        yield from job
    yield Saved(request.weights_path.stem)


def _in_time(request: PretrainRequest, images: Any) -> Job[Measuring, Any]:
    """Return the recipe's settings with as many iterations as there is time for."""
    from napari_mpi.engine.pretraining.pretrain import pretrain

    assert request.seconds is not None
    recipe, began, first = request.recipe, time.monotonic(), 0.0
    trial = dataclasses.replace(recipe.pretraining, iterations=_TRIED, warmup=0)
    job = pretrain(
        images, recipe.network, trial, device=request.device, snapshot_interval=0.0
    )
    done = 0
    with closing(job):
        for snapshot in job:
            yield Measuring()
            now = time.monotonic() - began
            # The first step also prepares the device, and looks at held-out images.
            first, done = (first or now), snapshot.iteration - 1
            if done and now - first > _TRIAL:
                break
    pace = done / max(time.monotonic() - began - first, 1e-6)
    count = max(_LEAST, round(request.seconds * pace))
    warmup = min(recipe.pretraining.warmup, count // 2)
    return dataclasses.replace(recipe.pretraining, iterations=count, warmup=warmup)


def _begun(request: PretrainRequest, images: Any, state: Any) -> Begun:
    from napari_mpi.engine.runtime.devices import (
        describe_device,
        fallback_notice,
        resolve_device,
    )

    device = resolve_device(request.device)
    notices = [fallback_notice(request.device, device)]
    if images.files == 1:
        notices.append("one file only: the held-out PSNR is measured on it too")
    if images.left_out:
        name, reason = images.left_out[0]
        more = f", and {len(images.left_out) - 1} more" * (len(images.left_out) > 1)
        notices.append(f"left out {name}: {reason}{more}")
    return Begun(
        describe_device(device),
        tuple(notice for notice in notices if notice),
        f"{len(images.images)} images in {images.files} files",
        images.left_out,
        state.config.iterations,
        list(state.losses),
        list(state.held_out),
    )


@contextmanager
def _keeping(request: PretrainRequest, images: Any, state: Any) -> Iterator[None]:
    """Write weights, and a checkpoint unless all is done, however the block ends."""
    try:
        yield
    except GeneratorExit:
        if not request.cancelled.is_set() and state.step:
            _save(request, images, state)
            state.write(request.checkpoint)
        elif not request.resume:
            request.checkpoint.unlink(missing_ok=True)
        raise
    except DivergenceError:
        if state.step:
            _save(request, images, state)
        raise
    _save(request, images, state)
    request.checkpoint.unlink(missing_ok=True)


def _save(request: PretrainRequest, images: Any, state: Any) -> None:
    from napari_mpi.engine.networks.weight_files import save_weights
    from napari_mpi.engine.pretraining.pretrain import pretrained_weights

    name = request.weights_path.stem
    weights = pretrained_weights(state, images, name=name)
    save_weights(weights, request.weights_path)
