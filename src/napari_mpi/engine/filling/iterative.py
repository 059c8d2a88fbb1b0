"""Iterative filling, the paper's algorithm 2: adapt on one image, keep the hidden."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import torch
from torch import Tensor

from napari_mpi.engine.filling.ensemble import TensorIndex
from napari_mpi.engine.filling.masks import random_masks, shape_of
from napari_mpi.engine.filling.passes import finish
from napari_mpi.engine.filling.progress import (
    Progress,
    Reporter,
    progress_of,
)
from napari_mpi.engine.filling.state import FillingState
from napari_mpi.engine.networks.filling_network import FillingNetwork
from napari_mpi.engine.noise.correlation import (
    REPEATED,
    neighbour_correlation,
    repeated_share,
)
from napari_mpi.engine.noise.model import estimate_noise
from napari_mpi.engine.noise.smoothing import scattered, smoothed
from napari_mpi.engine.runtime.errors import ConfigError
from napari_mpi.engine.runtime.jobs import SNAPSHOT_INTERVAL, Job, aside, beating
from napari_mpi.engine.settings.filling import FillingConfig

CORRELATED = 0.4
"""Correlation between neighbours from which on the guard takes noise for correlated.

Of what a first look by our weights leaves, which hides nothing, neighbours have at most
0.23 in common where the noise is independent (Baboon in colour, sigma 5), and 0.57 in
WideField_BPAE_G (`benchmarks/correlation.py`); weaker weights leave more structure, and
structure that repeats at a distance is excused, see `correlation.REPEATED`. Without
passes the first fill is judged, by the same threshold."""


def iterative_filling(
    noisy: Tensor,
    network: FillingNetwork,
    config: FillingConfig,
    *,
    masks: Iterable[Tensor] | None = None,
    state: FillingState | None = None,
    snapshot_interval: float = SNAPSHOT_INTERVAL,
) -> Job[Progress, Tensor]:
    """Denoise one image by filling randomly hidden pixels again and again.

    Each iteration hides pixels, predicts them, moves the ensemble towards what was
    predicted for the hidden pixels, and takes one step of Adam on the squared error
    at those pixels (Ma et al. 2024, arXiv 2401.14966, section 3.2). With a learning
    rate of 0 nothing is adapted.

    With ``passes`` in the config, iterations only adapt the network, on crops if so
    asked, and the result is predicted thereafter, see `finish`; the ensemble is a
    preview.

    Parameters
    ----------
    noisy : Tensor
        Shape (N, C, Y, X), float32 or float64, intensities about 0..1; all is
        computed in this type, which the network's weights must have.
    network : FillingNetwork
        On the device of ``noisy``; adapted in place, in train mode, since its batch
        normalisation uses the image's own statistics.
    config : FillingConfig
        The paper's settings, or ours.
    masks : iterable of Tensor, optional
        Boolean masks, True = hidden, shape (N, C or 1, Y, X) or without N, one per
        iteration, in place of the random draw; of a crop's size where there are crops.
    state : FillingState, optional
        Where to start and where to leave what was reached; a fresh start if None.
    snapshot_interval : float
        Least time between two snapshots in seconds; 0 gives one per iteration.

    Yields
    ------
    Progress
        At least the last, which equals the result.

    Returns
    -------
    Tensor
        Shape (N, C, Y, X), the denoised image.

    Raises
    ------
    ConfigError
        If there are fewer masks than iterations, or a mask does not fit.
    DivergenceError
        If the loss is no longer finite.
    """
    state = state or FillingState(noisy, network, config)
    state.passed_spread = None  # of a prediction that is no longer shown
    reporter = Reporter(snapshot_interval, config.learning_rate)
    yield from adapting(noisy, config, state=state, reporter=reporter, masks=masks)

    def image() -> Tensor:
        return _preview(state, noisy, config)

    result = image()
    if config.passes:
        passes = finish(
            noisy,
            state.adaptation.predict,
            config,
            spread_of=state.spread_of,
            marks=state.marks,
            averaged=state.averaged,
        )
        for filled in passes:
            if filled.image is None:
                progress = progress_of(state, noisy, config, filled.share)
                yield from reporter.poll(progress, image)
            else:
                result, state.merged = filled.image, filled.merged
        state.passed_spread = filled.spread
    yield from reporter.poll(
        progress_of(state, noisy, config, 1.0), result.clone, now=True
    )
    return result


def adapting(
    noisy: Tensor,
    config: FillingConfig,
    *,
    state: FillingState,
    reporter: Reporter,
    masks: Iterable[Tensor] | None = None,
    preview: Callable[[], Tensor] | None = None,
) -> Iterator[Progress]:
    """Do the iterations of `iterative_filling`, without what follows them.

    Parameters
    ----------
    noisy : Tensor
        Shape (N, C, Y, X), float32: an image, or windows where the state is pooled.
    config : FillingConfig
        The settings.
    state : FillingState
        Where to start and where to leave what was reached.
    reporter : Reporter
        Makes the snapshots.
    masks : iterable of Tensor, optional
        Masks in place of the random draw.
    preview : callable, optional
        Returns what snapshots are to show; the ensemble if None.

    Yields
    ------
    Progress
        When one is due.
    """
    draws = _drawn(noisy, config, state) if masks is None else iter(masks)
    state.network.train()
    if config.passes and not state.looked:
        yield from _look(state, noisy, config)
        progress = progress_of(state, noisy, config)
        first = preview or state.ensemble.image.clone
        yield from reporter.poll(progress, first, now=True)

    def image() -> Tensor:
        return _preview(state, noisy, config)

    while _goes_on(state, noisy, config):
        reporter.note(_iterate(state, noisy, config, draws))
        if state.iteration < config.iterations or config.passes:
            yield from reporter.poll(
                progress_of(state, noisy, config), preview or image
            )


def _look(
    state: FillingState, noisy: Tensor, config: FillingConfig
) -> Job[Progress, None]:
    """Start from what the network sees before it is adapted, and judge the noise."""
    gaps = None if state.void is None else scattered(state.void)
    waiting = progress_of(state, noisy, config)
    work = partial(state.adaptation.predict, noisy, gaps)
    predicted = aside(work, at_once=noisy.device.type != "cpu")  # where it is quick
    seen = yield from beating(predicted, lambda: True, lambda _: waiting)
    state.ensemble.image.copy_(seen)
    left = noisy - seen
    if state.void is not None:
        left = left.masked_fill(state.void, 0)
    # Lines that the network misses look correlated too, and are to be learnt.
    if repeated_share(left) < REPEATED:
        _judge(state, left, config)
    if state.stop is not None:
        models = estimate_noise(noisy, seen, seen, marks=state.marks)
        variance = models.variance(seen)
        if state.void is not None:
            variance = variance[~state.void.expand_as(seen)]
        state.variance = float(variance.mean())
    state.looked = True


def _judge(state: FillingState, left: Tensor, config: FillingConfig) -> None:
    """Don't adapt where neighbours share much of what a prediction leaves."""
    if config.guard and state.adapts:
        state.adapts = neighbour_correlation(left, config.pixel_unshuffle) < CORRELATED


def _goes_on(state: FillingState, noisy: Tensor, config: FillingConfig) -> bool:
    """Whether another iteration is to be done."""
    if config.passes and not state.adapts:
        return False  # the passes fill, and nothing else is left to do
    if state.stop is not None:
        state.stop.allow(config.iterations)
        if state.stop.is_due(state.iteration):
            state.stop.check(state.iteration, state.adaptation, noisy, state.variance)
        if state.stop.has_stopped:
            return False
    return state.iteration < config.iterations


def _iterate(
    state: FillingState, noisy: Tensor, config: FillingConfig, draws: Iterator[Tensor]
) -> Tensor:
    """Do one iteration; return its masked loss."""
    window = _window(noisy, config.crop, state.places, pooled=state.pooled)
    part = noisy[window]
    masked = _next_mask(draws, part, state.iteration)
    scored = masked
    if state.stop is not None:
        held_out = state.stop.held_out[window]
        scored, masked = masked & ~held_out, masked | held_out
    if state.void is not None:
        scored = scored & ~state.void[window]
        masked = masked | scattered(state.void[window])
    if config.guard and not state.looked:
        _judge(state, part - state.adaptation.score(part, masked, scored)[0], config)
        state.looked = True
    advance = state.adaptation.step if state.adapts else state.adaptation.score
    filled, loss = advance(part, masked, scored)
    state.ensemble.move(filled, masked, window)
    if state.fills is not None:
        state.fills.move(filled, masked, window)
    state.iteration += 1
    return loss


def _window(
    noisy: Tensor, crop: int, places: torch.Generator, *, pooled: bool
) -> TensorIndex:
    """Return where one iteration adapts; everywhere without crop and pool."""

    def part(size: int, length: int) -> slice:
        first = int(torch.randint(size - length + 1, (1,), generator=places))
        return slice(first, first + length)

    window: TensorIndex = (part(noisy.shape[0], 1), ...) if pooled else (...,)
    if crop == 0:
        return window
    return (*window, *(part(side, min(crop, side)) for side in noisy.shape[-2:]))


def _preview(state: FillingState, noisy: Tensor, config: FillingConfig) -> Tensor:
    """Return what the ensemble amounts to, in memory of its own."""
    image = state.ensemble.image
    if not config.keep_means:
        return image.clone()
    return image + smoothed(noisy - image, state.void)


def _drawn(
    noisy: Tensor, config: FillingConfig, state: FillingState
) -> Iterator[Tensor]:
    images, planes, *sides = shape_of(noisy, shared=config.shared_mask)
    images = 1 if state.pooled else images
    if config.crop:
        sides = [min(config.crop, side) for side in sides]
    return random_masks((images, planes, *sides), config.mask_ratio, rng=state.rng)


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
