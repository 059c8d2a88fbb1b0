"""What filling tells of itself on the way, without getting in the way."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_mpi.engine.filling.passes import passes_of
from napari_mpi.engine.filling.state import FillingState
from napari_mpi.engine.runtime.cuda import CopyOut
from napari_mpi.engine.runtime.errors import DivergenceError
from napari_mpi.engine.settings.filling import FillingConfig

SNAPSHOT_INTERVAL = 0.1
"""Seconds between snapshots: a cancel is seen within 0.2 s, or after one iteration."""

_PREVIEW_SHARE = 0.02  # of the time, that previews may take at the most
_LONGEST_WAIT = 2.0  # seconds between previews, however long they take


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far the work has come.

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
    """

    iteration: int
    iterations: int
    stage: str
    adapts: bool
    fraction: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FillingSnapshot(Standing):
    """What iterative filling has reached; for the other fields see `Standing`.

    Parameters
    ----------
    losses : tuple of float
        Masked loss of every iteration since the last snapshot with an ensemble; empty
        without one.
    ensemble : NDArray, optional
        Shape (N, C, Y, X), float32, a read-only copy of the denoised image so far; None
        where it is too soon after the last, since copies take time too.
    """

    losses: tuple[float, ...] = ()
    ensemble: NDArray[np.float32] | None = field(default=None, repr=False)


class Reporter:
    """Makes snapshots when they are due.

    Parameters
    ----------
    interval : float
        Least time between two snapshots in seconds; 0 gives one with an ensemble per
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
        self._pending: tuple[Standing, _Copy | CopyOut] | None = None

    def note(self, loss: Tensor) -> None:
        """Keep the loss of one iteration until it is told."""
        self._losses.append(loss)

    def poll(
        self, standing: Standing, image: Callable[[], Tensor], *, now: bool = False
    ) -> Iterator[FillingSnapshot]:
        """Yield a snapshot if one is due.

        Parameters
        ----------
        standing : Standing
            How far it has come.
        image : callable
            Returns the denoised image so far, in memory that nothing will write to.
        now : bool
            Whether a snapshot with an ensemble is wanted at once.

        Raises
        ------
        DivergenceError
            If a loss is not finite.
        """
        started = time.monotonic()
        if now or (self._pending is None and started - self._shown >= self._wait):
            self._pending = (standing, _copy((image(), *self._stacked_losses())))
        if self._pending is not None and (now or self._pending[1].is_there):
            yield self._whole(*self._pending)
            self._pending = None
            self._told = self._shown = time.monotonic()
            # What was done with it counts too: it took the same processor's time.
            cost = (self._shown - started) / _PREVIEW_SHARE
            self._wait = max(self._interval, min(cost, _LONGEST_WAIT))
            self._wait = self._wait if self._interval else 0.0
        elif started - self._told >= self._interval:
            yield FillingSnapshot(**asdict(standing))
            self._told = time.monotonic()

    def _stacked_losses(self) -> tuple[Tensor, ...]:
        kept, self._losses = self._losses, []
        return (torch.stack(kept),) if kept else ()

    def _whole(self, standing: Standing, copy: "_Copy | CopyOut") -> FillingSnapshot:
        image, *stacked = copy.take()
        losses = tuple(value for part in stacked for value in part.tolist())
        if not np.isfinite(losses).all():
            raise DivergenceError(
                "the masked loss is no longer a number at iteration"
                f" {standing.iteration}: lower the learning rate, which is"
                f" {self._learning_rate:g}"
            )
        ensemble = image.numpy()
        ensemble.flags.writeable = False
        return FillingSnapshot(**asdict(standing), losses=losses, ensemble=ensemble)


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


def standing_of(
    state: FillingState, noisy: Tensor, config: FillingConfig, passed: float = 0.0
) -> Standing:
    """Return how far it is, by the pixels predicted and still to predict."""
    height, width = noisy.shape[-2:]
    crop = [min(config.crop or side, side) for side in (height, width)]
    iterations = config.iterations * _STEP_COST * crop[0] * crop[1]
    alone = config.passes and not state.pooled  # else the passes are another's
    passes = passes_of(config) * height * width if alone else 0
    done = iterations * state.iteration / config.iterations
    if passed:
        done = iterations + passed * passes
    return Standing(
        iteration=state.iteration,
        iterations=config.iterations,
        stage=_stage(state, config, passed),
        adapts=state.adapts,
        fraction=done / (iterations + passes),
    )


def _stage(state: FillingState, config: FillingConfig, passed: float) -> str:
    if passed == 0:
        limit = "up to " if config.stop else ""
        return f"iteration {state.iteration} of {limit}{config.iterations}"
    done = f"{state.iteration} iteration{'s' * (state.iteration != 1)}"
    return done if passed == 1 else f"{done}, last passes"
