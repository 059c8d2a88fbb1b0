"""Iterative filling, the paper's algorithm 2: adapt on one image, keep the hidden."""

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from napari_mpi.engine.config import FillingConfig
from napari_mpi.engine.errors import ConfigError, DivergenceError
from napari_mpi.engine.jobs import Job
from napari_mpi.engine.masks import random_masks
from napari_mpi.engine.networks import FillingNetwork
from napari_mpi.engine.noise import neighbour_correlation, smoothed

SNAPSHOT_INTERVAL = 0.1
"""Seconds between snapshots: a cancel is seen within 0.2 s, or after one iteration."""


CORRELATED = 0.4
"""Correlation between neighbours from which on the guard takes noise for correlated.

Of what a first fill by our weights leaves, neighbours have at most 0.07 in common
where the noise is independent (Baboon, sigma 5), and 0.56 in WideField_BPAE_G
(`benchmarks/correlation.py`); weaker weights leave more structure."""


@dataclass(frozen=True, slots=True)
class FillingSnapshot:
    """What iterative filling has reached.

    Parameters
    ----------
    iteration : int
        Iterations done, 1 to ``iterations``.
    iterations : int
        Iterations to do.
    losses : tuple of float
        Masked loss of every iteration since the snapshot before.
    adapts : bool
        Whether the network is adapted; not with a learning rate of 0, and not where
        the guard found correlated noise.
    ensemble : NDArray
        Shape (N, C, Y, X), float32, a read-only copy of the denoised image so far.
    """

    iteration: int
    iterations: int
    losses: tuple[float, ...]
    adapts: bool
    ensemble: NDArray[np.float32] = field(repr=False)


class FillingState:
    """All that iterative filling carries from one iteration to the next.

    Give the same state to `iterative_filling` again, with more iterations in the
    config, and it goes on exactly where it stopped.

    Parameters
    ----------
    noisy : Tensor
        Shape (N, C, Y, X), float32.
    network : FillingNetwork
        On the device of ``noisy``; adapted in place.
    config : FillingConfig
        Learning rate, ensemble start and seed are read from it.
    """

    def __init__(
        self, noisy: Tensor, network: FillingNetwork, config: FillingConfig
    ) -> None:
        self.iteration = 0
        self.adapts = config.learning_rate > 0
        self.network = network
        self.optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
        self.rng = torch.Generator(noisy.device).manual_seed(config.seed)
        self.ensemble = noisy.clone()
        counted = config.ensemble_start != "noisy"
        self.fills = torch.zeros_like(noisy) if counted else None

    def to(self, device: torch.device | str) -> None:
        """Move network, optimiser and ensemble; the masks' generator stays."""
        self.network.to(device)
        self.ensemble = self.ensemble.to(device)
        self.fills = None if self.fills is None else self.fills.to(device)
        for moments in self.optimizer.state.values():
            for name, value in moments.items():
                # Adam keeps its step count on the CPU whatever the device.
                if isinstance(value, Tensor) and value.ndim:
                    moments[name] = value.to(device)


def iterative_filling(
    noisy: Tensor,
    network: FillingNetwork,
    config: FillingConfig,
    *,
    masks: Iterable[Tensor] | None = None,
    state: FillingState | None = None,
    snapshot_interval: float = SNAPSHOT_INTERVAL,
) -> Job[FillingSnapshot, Tensor]:
    """Denoise one image by filling randomly hidden pixels again and again.

    Each iteration hides pixels, predicts them, moves the ensemble towards what was
    predicted for the hidden pixels, and takes one step of Adam on the squared error
    at those pixels (Ma et al. 2024, arXiv 2401.14966, section 3.2). With a learning
    rate of 0 nothing is adapted.

    Parameters
    ----------
    noisy : Tensor
        Shape (N, C, Y, X), float32, intensities about 0..1.
    network : FillingNetwork
        On the device of ``noisy``; adapted in place, in train mode, since its batch
        normalisation uses the image's own statistics.
    config : FillingConfig
        The paper's settings.
    masks : iterable of Tensor, optional
        Boolean masks, True = hidden, shape (N, C or 1, Y, X) or without N, one per
        iteration, in place of the random draw.
    state : FillingState, optional
        Where to start and where to leave what was reached; a fresh start if None.
    snapshot_interval : float
        Least time between two snapshots in seconds; 0 gives one per iteration.

    Yields
    ------
    FillingSnapshot
        At least the one of the last iteration, which equals the result.

    Returns
    -------
    Tensor
        Shape (N, C, Y, X), the ensemble: the denoised image.

    Raises
    ------
    ConfigError
        If there are fewer masks than iterations, or a mask does not fit.
    DivergenceError
        If the loss is no longer finite.
    """
    state = state or FillingState(noisy, network, config)
    draws = _drawn(noisy, config, state.rng) if masks is None else iter(masks)
    network.train()
    losses: list[Tensor] = []
    reported = time.monotonic()
    while state.iteration < config.iterations:
        masked = _next_mask(draws, noisy, state.iteration)
        filled, loss = _adapt(state, noisy, masked, config)
        _move_ensemble(state, filled, masked, config)
        state.iteration += 1
        losses.append(loss)
        now = time.monotonic()
        if now - reported >= snapshot_interval or state.iteration == config.iterations:
            yield _snapshot(state, noisy, config, losses)
            losses, reported = [], time.monotonic()
    return _result(state, noisy, config)


def _result(state: FillingState, noisy: Tensor, config: FillingConfig) -> Tensor:
    """Return what the ensemble amounts to."""
    if not config.keep_means:
        return state.ensemble
    return state.ensemble + smoothed(noisy - state.ensemble)


def _drawn(
    noisy: Tensor, config: FillingConfig, rng: torch.Generator
) -> Iterator[Tensor]:
    images, channels, height, width = noisy.shape
    planes = 1 if config.shared_mask else channels
    return random_masks((images, planes, height, width), config.mask_ratio, rng=rng)


def _next_mask(draws: Iterator[Tensor], noisy: Tensor, iteration: int) -> Tensor:
    masked = next(draws, None)
    if masked is None:
        raise ConfigError(
            f"the masks ran out after {iteration} iterations: give one mask per"
            " iteration"
        )
    masked = masked if masked.ndim == noisy.ndim else masked[None]
    if masked.shape[-2:] != noisy.shape[-2:] or masked.dtype != torch.bool:
        raise ConfigError(
            f"a mask of shape {tuple(masked.shape)} and type {masked.dtype} does not"
            f" fit the image of shape {tuple(noisy.shape)}: give booleans, True ="
            " hidden"
        )
    return masked.to(noisy.device)


def _adapt(
    state: FillingState, noisy: Tensor, masked: Tensor, config: FillingConfig
) -> tuple[Tensor, Tensor]:
    """One optimiser step; returns the prediction before it, and its masked loss."""
    with torch.set_grad_enabled(state.adapts):
        filled = _fill(state.network, noisy, masked, config.pixel_unshuffle)
        # The mean runs over all entries, hidden or not, as in the authors' loss.
        loss = (filled - noisy).masked_fill(~masked, 0).square().mean()
    if config.guard and state.adapts and state.iteration == 0:
        left = noisy - filled.detach()
        state.adapts = neighbour_correlation(left, config.pixel_unshuffle) < CORRELATED
    if state.adapts:
        state.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        state.optimizer.step()
    return filled.detach(), loss.detach()


def _fill(
    network: FillingNetwork, noisy: Tensor, masked: Tensor, factor: int
) -> Tensor:
    """Predict the image, as it is or taken apart into ``factor**2`` sub-images."""
    if factor == 1:
        return network(noisy, masked)  # type: ignore[no-any-return]
    height, width = noisy.shape[-2:]
    parts = network(_taken_apart(noisy, factor), _taken_apart(masked, factor))
    return _put_together(parts, factor)[..., :height, :width]


def _taken_apart(planes: Tensor, factor: int) -> Tensor:
    """(N, C, Y, X) -> (N * factor**2, C, Y / factor, X / factor), sizes rounded up."""
    _, channels, height, width = planes.shape
    bottom, right = -height % factor, -width % factor
    padded = F.pad(planes.float(), (0, right, 0, bottom), mode="replicate")
    parts = F.pixel_unshuffle(padded, factor)
    rows, columns = parts.shape[-2:]
    parts = parts.reshape(-1, channels, factor**2, rows, columns).transpose(1, 2)
    return parts.reshape(-1, channels, rows, columns).to(planes.dtype)


def _put_together(parts: Tensor, factor: int) -> Tensor:
    """Undo `_taken_apart`, but for the rounding up."""
    channels, rows, columns = parts.shape[1:]
    images = parts.reshape(-1, factor**2, channels, rows, columns).transpose(1, 2)
    return F.pixel_shuffle(
        images.reshape(-1, channels * factor**2, rows, columns), factor
    )


def _move_ensemble(
    state: FillingState, filled: Tensor, masked: Tensor, config: FillingConfig
) -> None:
    """Move the ensemble towards the prediction; of hidden pixels only, as a rule."""
    decay = config.ema_decay
    masked = masked if config.ensemble_of == "hidden" else torch.ones_like(masked)
    rate: Tensor = torch.full((), 1.0 - decay, device=filled.device)
    if state.fills is not None:
        state.fills += masked
        if config.ensemble_start == "first-fill":
            rate = torch.where(state.fills <= 1, 1.0, rate)
        elif decay > 0:  # the weights of the fills so far sum to 1 - decay**fills
            rate = rate / -torch.expm1(state.fills.clamp(min=1) * math.log(decay))
    moved = torch.lerp(state.ensemble, filled, rate.expand_as(filled))
    state.ensemble = torch.where(masked, moved, state.ensemble)


def _snapshot(
    state: FillingState, noisy: Tensor, config: FillingConfig, losses: list[Tensor]
) -> FillingSnapshot:
    values = torch.stack(losses).tolist()  # the one synchronisation with a GPU
    if not np.isfinite(values).all():
        raise DivergenceError(
            f"the masked loss is no longer a number at iteration {state.iteration}:"
            f" lower the learning rate, which is {config.learning_rate:g}"
        )
    ensemble = _result(state, noisy, config).to("cpu", copy=True).numpy()
    ensemble.flags.writeable = False
    return FillingSnapshot(
        state.iteration, config.iterations, tuple(values), state.adapts, ensemble
    )
