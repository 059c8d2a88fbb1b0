"""The planes of an image, one after the other: sampled, adapted to, filled."""

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_mpi.engine.agenda import Agenda
from napari_mpi.engine.axes import ImageAxes, Index
from napari_mpi.engine.choice import choose, windows_to_judge
from napari_mpi.engine.config import FillingConfig
from napari_mpi.engine.denoising_state import (
    DenoisingSnapshot,
    DenoisingState,
)
from napari_mpi.engine.filling import FillingState, iterative_filling
from napari_mpi.engine.finishing import passes_of
from napari_mpi.engine.hot_pixels import without_hot_pixels
from napari_mpi.engine.lazy import ArrayLike
from napari_mpi.engine.noise_look import look_at_noise
from napari_mpi.engine.plane_filling import SharedAdaptation
from napari_mpi.engine.planes import Plane
from napari_mpi.engine.reporting import SNAPSHOT_INTERVAL, Reporter, Standing
from napari_mpi.engine.sampling import Sample, take_sample
from napari_mpi.engine.spread import SpreadOf
from napari_mpi.engine.tiles import Window, middle
from napari_mpi.engine.weights import Weights

LookingAt = Callable[[], Mapping[str, int] | None]

WHOLE = 1024**2
"""Pixels of a plane that is adapted to as a whole where it is the only one."""

_PREVIEW = 512  # pixels along each axis, of the middle that is shown while adapting
_STEP_COST = 3  # predictions that one iteration takes as long as
_SAMPLE_SIDE = 256  # pixels of a window along each axis, where settings name no crop


@dataclass(slots=True, kw_only=True)
class Work:
    """One call of `denoise`: what it was given, checked; see there.

    ``done`` counts the planes that are done.
    """

    image: ArrayLike = field(repr=False)
    layout: ImageAxes
    weights: Weights
    config: FillingConfig
    device: torch.device
    state: DenoisingState
    interval: float
    looking_at: LookingAt | None
    tile: int | None = None
    done: int = 0

    @property
    def channels(self) -> int:
        """Image channels that the network fills."""
        return self.weights.network.channels

    @property
    def shares(self) -> bool:
        """Whether planes share an adaptation: those of a channel, if it has several."""
        return self.config.share and self.layout.plane_count > self.layout.channel_count

    @property
    def spread_of(self) -> SpreadOf | None:
        """Whose spread is wanted, if any."""
        if not self.state.wants_spread:
            return None
        return "channels" if self.layout.is_colour else "mean"

    @property
    def whole(self) -> int:
        """Pixels of a single plane that is adapted to and filled as a whole."""
        return WHOLE if self.tile is None else min(WHOLE, self.tile**2)

    @property
    def sample_side(self) -> int:
        """Rows and columns of the windows that are sampled."""
        return self.config.crop or _SAMPLE_SIDE


def denoise_planes(work: Work) -> Iterator[DenoisingSnapshot]:
    """Denoise plane after plane, the one that is looked at first.

    Parameters
    ----------
    work : Work
        What to do.

    Yields
    ------
    DenoisingSnapshot
        As `denoise` does.
    """
    layout, state, asked = work.layout, work.state, work.config.iterations
    items, planes = layout.items(), layout.planes()
    waiting = [n for n in range(len(planes)) if state.done.get(n, 0) < asked]
    work.done = len(planes) - len(waiting)
    agenda = Agenda(layout, waiting)
    while (number := agenda.next(work.looking_at and work.looking_at())) is not None:
        item = number // len(items[0])
        if item not in state.samples:
            state.samples[item] = yield from _sample_item(work, items[item], number)
        sample = state.samples[item]
        if not sample.intensities.is_flat:
            plane = Plane(layout, sample.intensities, planes[number], number)
            group = item if work.shares else None
            config = _config_of(work, item, items[item], sample)
            fitted = dataclasses.replace(work, config=config)
            yield from _denoise_plane(fitted, plane, sample, group)
        elif state.wants_spread:
            state.spread[layout.index_without_colours(planes[number])] = 0
        state.done[number] = asked
        work.done += 1


def _denoise_plane(
    work: Work, plane: Plane, sample: Sample, group: int | None
) -> Iterator[DenoisingSnapshot]:
    """Denoise a plane by itself, or with the others of a group."""
    small = math.prod(work.layout.plane_shape) <= work.whole
    if group is None and (small or not work.config.passes):
        yield from _fill_alone(work, plane)
        return
    key = plane.number if group is None else group
    if key not in work.state.shared:
        if group is None:
            sample = yield from _sample_plane(work, plane)
            work.state.shared.clear()
        work.state.shared[key] = SharedAdaptation(
            sample, work.weights, work.config, work.device, largest=work.tile
        )
    shared = work.state.shared[key]
    shared.to(work.device)
    work.state.plane = plane.number
    yield from _adapt(work, shared, plane)
    yield from _fill(work, shared, plane)


def _fill_alone(work: Work, plane: Plane) -> Iterator[DenoisingSnapshot]:
    """Fill a plane from its own pixels alone, all at once."""
    state = work.state
    noisy = plane.read(work.image, work.channels).to(work.device)
    if work.config.hot_pixels:
        noisy = without_hot_pixels(noisy, work.weights.to_network(work.device))
    if state.filling is None or state.plane != plane.number:
        network = work.weights.to_network(work.device)
        state.filling = FillingState(
            noisy, network, work.config, spread_of=work.spread_of
        )
        state.plane, state.iteration = plane.number, 0
    state.filling.to(work.device)
    job = iterative_filling(
        noisy,
        state.filling.network,
        work.config,
        state=state.filling,
        snapshot_interval=work.interval,
    )
    with closing(job):
        for filling in job:
            state.iteration = filling.iteration
            state.adapted = state.adapted and filling.adapts
            if filling.fraction == 1:
                state.merged = state.merged and state.filling.merged
            spent = filling.fraction * (_adapt_cost(work) + _fill_cost(work))
            spread = state.filling.spread() if filling.ensemble is not None else None
            yield _told(
                work,
                plane,
                filling,
                spent,
                filling.ensemble,
                spread=None if spread is None else spread.to("cpu").numpy(),
                losses=filling.losses,
                is_done=filling.fraction == 1,
            )


def _adapt(
    work: Work, shared: SharedAdaptation, plane: Plane
) -> Iterator[DenoisingSnapshot]:
    """Do the iterations that are left, and show the middle of a plane meanwhile."""
    window = middle(work.layout.plane_shape, _PREVIEW)

    @functools.cache  # to read it once
    def noisy() -> Tensor:
        return plane.read(work.image, work.channels, window)

    def preview() -> Tensor:
        return shared.predict(noisy())

    state = work.state
    reporter = Reporter(work.interval, work.config.learning_rate)
    with closing(shared.adapt(work.config, reporter, preview)) as job:
        for filling in job:
            state.iteration = filling.iteration
            spent = filling.fraction * _adapt_cost(work)
            yield _told(
                work,
                plane,
                filling,
                spent,
                filling.ensemble,
                window=window,
                losses=filling.losses,
            )
    state.iteration = shared.state.iteration
    state.adapted = state.adapted and shared.state.adapts


def _fill(
    work: Work, shared: SharedAdaptation, plane: Plane
) -> Iterator[DenoisingSnapshot]:
    """Fill a plane with what is shared, tile by tile."""
    done = f"{shared.state.iteration} iteration{'s' * (shared.state.iteration != 1)}"
    filling = shared.fill(plane, work.image, work.config, work.spread_of)
    with closing(filling) as parts:
        for part in parts:
            if part.window is not None:
                work.state.merged = work.state.merged and part.merged
            standing = Standing(
                iteration=shared.state.iteration,
                iterations=work.config.iterations,
                stage=done if part.share == 1 else f"{done}, filling",
                adapts=shared.state.adapts,
                fraction=part.share,
            )
            spent = _adapt_cost(work) + part.share * _fill_cost(work)
            yield _told(
                work,
                plane,
                standing,
                spent,
                part.image,
                spread=part.spread,
                window=part.window,
                is_done=part.share == 1,
            )


# -- choosing ------------------------------------------------------------------------


def _config_of(
    work: Work, item: int, planes: list[Index], sample: Sample
) -> FillingConfig:
    """Return the settings that an item's own noise chooses, if it is to."""
    if not work.config.by_noise:
        return work.config
    known = work.state.choices.get(item)
    if known is None:
        windows = windows_to_judge(work.image, work.layout, planes, sample.intensities)
        found = look_at_noise(windows.to(work.device), sample.intensities.slope)
    else:
        found = known.found
    choice = choose(work.config, found, work.weights.network)
    work.state.choices[item] = choice
    return choice.config


# -- reading ahead -------------------------------------------------------------------


def _sample_item(
    work: Work, item: list[Index], number: int
) -> Generator[DenoisingSnapshot, None, Sample]:
    """Take a sample of an item; of all its planes if the first ones are constant."""
    index = work.layout.planes()[number]
    for thorough in (_is_bounded(work), True):
        job = take_sample(
            work.image,
            work.layout,
            item,
            side=work.sample_side if work.shares else 0,
            seed=work.config.seed,
            thorough=thorough,
        )
        sample = yield from _beating(work, job, number, index)
        if not (sample.intensities.is_flat and sample.intensities.is_sampled):
            break
    return sample


def _sample_plane(
    work: Work, plane: Plane
) -> Generator[DenoisingSnapshot, None, Sample]:
    """Cut windows out of one large plane; its intensities are known."""
    job = take_sample(
        work.image,
        work.layout,
        [plane.index],
        side=work.sample_side,
        seed=work.config.seed,
    )
    found = yield from _beating(work, job, plane.number, plane.index)
    return Sample(plane.intensities, found.windows)


def _beating(
    work: Work, job: Generator[float, None, Sample], number: int, index: Index
) -> Generator[DenoisingSnapshot, None, Sample]:
    """Read on, and let whoever waits cancel a few times a second."""
    told = time.monotonic()
    with closing(job):
        while True:
            try:
                share = next(job)
            except StopIteration as stop:
                sample: Sample = stop.value
                return sample
            if time.monotonic() - told >= max(work.interval, SNAPSHOT_INTERVAL):
                told = time.monotonic()
                yield _reading(work, number, index, share)


def _is_bounded(work: Work) -> bool:
    """Whether predictions end with the range, so that all of it must be known."""
    return work.weights.network.architecture == "skip"


# -- telling -------------------------------------------------------------------------


def _told(
    work: Work,
    plane: Plane,
    standing: Standing,
    spent: float,
    filled: NDArray[np.float32] | None,
    *,
    spread: NDArray[np.float32] | None = None,
    window: Window | None = None,
    losses: tuple[float, ...] = (),
    is_done: bool = False,
) -> DenoisingSnapshot:
    """Put what is filled into the result, and tell of it."""
    index, image = plane.part(window), None
    if filled is not None:
        image = plane.restored(filled, np.dtype(work.image.dtype))
        work.state.result[index] = image
        if work.state.wants_spread:
            _keep_spread(work, plane, index, spread)
    return _snapshot(
        work,
        plane.number,
        standing,
        spent,
        done=work.done + is_done,
        losses=losses,
        index=index,
        image=image,
    )


def _keep_spread(
    work: Work, plane: Plane, index: Index, spread: NDArray[np.float32] | None
) -> None:
    """Put the spread beside the result; not a number where that is a preview."""
    kept, own = work.state.spread, work.layout.index_without_colours(index)
    kept[own] = np.nan if spread is None else plane.deviations(spread, kept.dtype)


def _reading(work: Work, number: int, index: Index, share: float) -> DenoisingSnapshot:
    standing = Standing(
        iteration=0,
        iterations=work.config.iterations,
        stage=f"reading, {share:.0%}",
        adapts=work.config.learning_rate > 0,
        fraction=0.0,
    )
    return _snapshot(
        work, number, standing, 0.0, done=work.done, losses=(), index=index, image=None
    )


def _snapshot(
    work: Work, number: int, standing: Standing, spent: float, **fields: Any
) -> DenoisingSnapshot:
    return DenoisingSnapshot(
        plane=number,
        planes=work.layout.plane_count,
        iteration=standing.iteration,
        iterations=standing.iterations,
        stage=standing.stage,
        adapts=standing.adapts,
        fraction=_fraction(work, number, spent),
        **fields,
    )


def _fraction(work: Work, number: int, spent: float) -> float:
    """Return the share of the whole work that is done, by the pixels predicted."""
    planes, channels = work.layout.plane_count, work.layout.channel_count
    adapt, fill = _adapt_cost(work), _fill_cost(work)
    if not work.shares:
        return min(
            1.0, (work.done * (adapt + fill) + spent) / (planes * (adapt + fill))
        )
    # What the plane's own channel has adapted counts as spent.
    here = number // (planes // channels)
    others = sum(key != here for key in work.state.shared)
    total = channels * adapt + planes * fill
    return min(1.0, (others * adapt + work.done * fill + spent) / total)


def _adapt_cost(work: Work) -> float:
    """Return what one adaptation takes, in pixels predicted."""
    rows, columns = (
        min(work.config.crop or side, side) for side in work.layout.plane_shape
    )
    return float(work.config.iterations * _STEP_COST * rows * columns)


def _fill_cost(work: Work) -> float:
    """Return what filling a plane takes thereafter, in pixels predicted."""
    passes = passes_of(work.config) if work.config.passes else 0
    return float(passes * math.prod(work.layout.plane_shape))
