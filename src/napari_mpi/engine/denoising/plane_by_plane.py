"""The planes of an image, one after the other: sampled, adapted to, filled."""

import dataclasses
import functools
import math
import time
from collections.abc import Generator, Iterator
from contextlib import closing

from torch import Tensor

from napari_mpi.engine.denoising.planes import Agenda, Plane
from napari_mpi.engine.denoising.sampling import Sample, take_sample, windows_to_judge
from napari_mpi.engine.denoising.shared_adaptation import SharedAdaptation
from napari_mpi.engine.denoising.snapshot import (
    DenoisingSnapshot,
    adapt_cost,
    fill_cost,
    reading,
    told,
)
from napari_mpi.engine.denoising.task import Work, with_precision
from napari_mpi.engine.filling.iterative import iterative_filling
from napari_mpi.engine.filling.progress import SNAPSHOT_INTERVAL, Reporter, Standing
from napari_mpi.engine.filling.state import FillingState
from napari_mpi.engine.images.axes import Index
from napari_mpi.engine.images.tiles import middle
from napari_mpi.engine.noise.choice import choose
from napari_mpi.engine.noise.hot_pixels import without_hot_pixels
from napari_mpi.engine.noise.look import look_at_noise
from napari_mpi.engine.settings.filling import FillingConfig

_PREVIEW = 512  # pixels along each axis, of the middle that is shown while adapting


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
        network = work.weights.to_network(work.device)
        noisy = without_hot_pixels(noisy, network, images=len(noisy))
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
            spent = filling.fraction * (adapt_cost(work) + fill_cost(work))
            spread = state.filling.spread() if filling.ensemble is not None else None
            yield told(
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
            spent = filling.fraction * adapt_cost(work)
            yield told(
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
            spent = adapt_cost(work) + part.share * fill_cost(work)
            yield told(
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
        found = look_at_noise(
            windows.to(work.device),
            sample.intensities.noise_slope,
            opponents=work.opponents,
        )
    else:
        found = known.found
    choice = choose(work.config, found, work.weights.network)
    config = with_precision(choice.config, work.device)
    work.state.choices[item] = dataclasses.replace(choice, config=config)
    return config


# -- reading ahead -------------------------------------------------------------------


def _sample_item(
    work: Work, item: list[Index], number: int
) -> Generator[DenoisingSnapshot, None, Sample]:
    """Take a sample of an item; of all its planes if the first ones may mislead."""
    index = work.layout.planes()[number]
    for thorough in (_is_bounded(work), True):
        job = take_sample(
            work.image,
            work.layout,
            item,
            side=work.sample_side if work.shares else 0,
            seed=work.config.seed,
            thorough=thorough,
            opponents=work.opponents,
        )
        sample = yield from _beating(work, job, number, index)
        if not sample.intensities.is_doubtful:
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
    last = time.monotonic()
    with closing(job):
        while True:
            try:
                share = next(job)
            except StopIteration as stop:
                sample: Sample = stop.value
                return sample
            if time.monotonic() - last >= max(work.interval, SNAPSHOT_INTERVAL):
                last = time.monotonic()
                yield reading(work, number, index, share)


def _is_bounded(work: Work) -> bool:
    """Whether predictions end with the range, so that all of it must be known."""
    return work.weights.network.architecture == "skip"
