"""What filling tells of itself on the way, without getting in the way."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_mpi.engine.filling.passes import passes_of
from napari_mpi.engine.filling.state import FillingState
from napari_mpi.engine.runtime.cuda import CopyOut
from napari_mpi.engine.runtime.errors import DivergenceError
from napari_mpi.engine.settings.filling import FillingConfig

_PREVIEW_SHARE = 0.02  # of the time, that previews may take at the most
_LONGEST_WAIT = 2.0  # seconds between previews, however long they take


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far filling has come.

    Parameters
    ----------
    iteration : int
        Iterations done on the image at work, 0 to ``iterations``.
    iterations : int
        Iterations to do, at most.
    stage : str
        Where it is, in words.
    adapts : bool
        Whether the network is adapted; not with a learning rate of 0, and not where
        the guard found correlated noise.
    fraction : float
        Share of the whole work that is done, 0..1.
    losses : tuple of float
        Masked loss of every iteration since the last with an image, in network units
        squared; empty without one.
    checks : tuple of (int, float)
        Iteration and estimated mean squared error, in network units squared, of every
        check on pixels that are never learnt from; empty without the stop rule.
    image : NDArray, optional
        Shape (N, C, Y, X), float32, a read-only copy of the denoised image so far; None
        where it is too soon after the last, since copies take time too.
    """

    iteration: int
    iterations: int
    stage: str
    adapts: bool
    fraction: float
    losses: tuple[float, ...] = ()
    checks: tuple[tuple[int, float], ...] = ()
    image: NDArray[Any] | None = field(default=None, repr=False)


class Reporter:
    """Makes snapshots when they are due.

    Parameters
    ----------
    interval : float
        Least time between two snapshots in seconds; 0 gives one with an image per
        iteration.
    learning_rate : float
        To be named where the loss is no longer finite.
    """

    def __init__(self, interval: float, learning_rate: float) -> None:
        self._interval = interval
        self._learning_rate = learning_rate
        self._losses: list[Tensor] = []
        self._told = self._shown = time.monotonic()
        self._wait = interval
        self._pending: tuple[Progress, _Copy | CopyOut] | None = None

    def note(self, loss: Tensor) -> None:
        """Keep the loss of one iteration until it is told."""
        self._losses.append(loss)

    def poll(
        self, progress: Progress, image: Callable[[], Tensor], *, now: bool = False
    ) -> Iterator[Progress]:
        """Yield a snapshot if one is due.

        Parameters
        ----------
        progress : Progress
            How far it has come.
        image : callable
            Returns the denoised image so far, in memory that nothing will write to.
        now : bool
            Whether a snapshot with an image is wanted at once.

        Raises
        ------
        DivergenceError
            If a loss is not finite.
        """
        started = time.monotonic()
        if now or (self._pending is None and started - self._shown >= self._wait):
            self._pending = (progress, _copy((image(), *self._stacked_losses())))
        if self._pending is not None and (now or self._pending[1].is_there):
            yield self._whole(*self._pending)
            self._pending = None
            self._told = self._shown = time.monotonic()
            # What was done with it counts too: it took the same processor's time.
            took = (self._shown - started) / _PREVIEW_SHARE
            self._wait = max(self._interval, min(took, _LONGEST_WAIT))
            self._wait = self._wait if self._interval else 0.0
        elif started - self._told >= self._interval:
            yield progress
            self._told = time.monotonic()

    def _stacked_losses(self) -> tuple[Tensor, ...]:
        kept, self._losses = self._losses, []
        return (torch.stack(kept),) if kept else ()

    def _whole(self, progress: Progress, copy: "_Copy | CopyOut") -> Progress:
        copied, *stacked = copy.take()
        losses = tuple(value for part in stacked for value in part.tolist())
        if not np.isfinite(losses).all():
            raise DivergenceError(
                "the masked loss is no longer a number at iteration"
                f" {progress.iteration}: lower the learning rate, which is"
                f" {self._learning_rate:g}"
            )
        shown = copied.numpy()
        shown.flags.writeable = False
        return replace(progress, losses=losses, image=shown)


class _Copy:
    """What `CopyOut` is for CUDA, elsewhere: there at once."""

    is_there = True

    def __init__(self, values: tuple[Tensor, ...]) -> None:
        self._values = tuple(value.to("cpu") for value in values)

    def take(self) -> tuple[Tensor, ...]:
        return self._values


def _copy(values: tuple[Tensor, ...]) -> "_Copy | CopyOut":
    on_cuda = values[0].device.type == "cuda"
    return CopyOut(values) if on_cuda else _Copy(values)


_STEP_COST = 3  # predictions that one step takes as long as, its gradients included


def cost(
    config: FillingConfig, shape: tuple[int, ...], beside: int = 0
) -> tuple[float, float]:
    """Return what adapting takes, and what the passes take, in pixels predicted.

    Parameters
    ----------
    config : FillingConfig
        The settings.
    shape : tuple of int
        That of the image, which ends with rows and columns.
    beside : int
        Planes beside each on one side, with which it is compared.
    """
    rows, columns = shape[-2:]
    adapt = float(config.iterations * _STEP_COST)
    adapt *= min(config.crop or rows, rows) * min(config.crop or columns, columns)
    if not config.passes:
        return adapt, 0.0
    passes = passes_of(config) + beside
    fill = float(passes * len(config.factors) * rows * columns)
    return adapt if config.learning_rate else 0.0, fill


def progress_of(
    state: FillingState, noisy: Tensor, config: FillingConfig, passed: float = 0.0
) -> Progress:
    """Return how far it is, by the pixels predicted and still to predict."""
    adapt, fill = cost(config, noisy.shape)
    fill = 0.0 if state.pooled else fill  # the passes are another's
    done = adapt * state.iteration / config.iterations
    if passed:
        done = adapt + passed * fill
    return Progress(
        iteration=state.iteration,
        iterations=config.iterations,
        stage=_stage(state, config, passed),
        adapts=state.adapts,
        fraction=done / (adapt + fill) if adapt + fill else 1.0,
        checks=state.stop.checks if state.stop is not None else (),
    )


def _stage(state: FillingState, config: FillingConfig, passed: float) -> str:
    if passed == 0:
        limit = "up to " if config.stop else ""
        return f"iteration {state.iteration} of {limit}{config.iterations}"
    done = f"{state.iteration} iteration{'s' * (state.iteration != 1)}"
    return done if passed == 1 else f"{done}, last passes"
