"""The planes of an image, one after the other: sampled, adapted to, filled."""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from napari_mpi.engine.denoising.planes import Plane, PlaneOrder
from napari_mpi.engine.denoising.sampling import Sample, take_sample, windows_to_judge
from napari_mpi.engine.denoising.shared_adaptation import SharedAdaptation
from napari_mpi.engine.denoising.snapshot import Account, DenoisingSnapshot
from napari_mpi.engine.denoising.state import ChannelState, DenoisingState
from napari_mpi.engine.denoising.task import Task, with_precision
from napari_mpi.engine.filling.iterative import iterative_filling
from napari_mpi.engine.filling.progress import Progress, Reporter
from napari_mpi.engine.filling.state import FillingState
from napari_mpi.engine.images.axes import Index
from napari_mpi.engine.images.tiles import middle
from napari_mpi.engine.noise.choice import choose
from napari_mpi.engine.noise.hot_pixels import without_hot_pixels
from napari_mpi.engine.noise.look import look_at_noise
from napari_mpi.engine.runtime.jobs import SNAPSHOT_INTERVAL, Every, Job, beating
from napari_mpi.engine.settings.filling import FillingConfig

Array = NDArray[np.generic]
LookingAt = Callable[[], Mapping[str, int] | None]

_PREVIEW = 512  # pixels along each axis, of the middle that is shown while adapting


class PlaneByPlane:
    """Denoises plane after plane, the one that is looked at first.

    Parameters
    ----------
    task : Task
        What to do.
    state : DenoisingState
        Where to start, and where to leave what was reached.
    interval : float
        Least time between two snapshots in seconds.
    looking_at : callable, optional
        Tells which plane a person looks at, see `denoise`.
    """

    def __init__(
        self,
        task: Task,
        state: DenoisingState,
        *,
        interval: float,
        looking_at: LookingAt | None,
    ) -> None:
        self._task, self._state = task, state
        self._interval = interval
        self._looking_at = looking_at or (lambda: None)
        self._account = Account(task, state)

    def snapshots(self) -> Iterator[DenoisingSnapshot]:
        """Do the planes that are not done, as `denoise` says."""
        layout, state = self._task.layout, self._state
        asked = self._task.config.iterations
        items, planes = layout.items(), layout.planes()
        waiting = [n for n in range(len(planes)) if state.done.get(n, 0) < asked]
        self._account.done = len(planes) - len(waiting)
        order = PlaneOrder(layout, waiting)
        while (number := order.next(self._looking_at())) is not None:
            item = number // len(items[0])
            if item not in state.channels:
                sample = yield from self._sample_of(items[item], number)
                state.channels[item] = ChannelState(sample)
            channel = state.channels[item]
            intensities = channel.sample.intensities
            if not intensities.is_flat:
                config = self._config_of(channel, items[item])
                plane = Plane(layout, intensities, planes[number], number)
                yield from self._denoise(plane, channel, config)
            elif state.wants_spread:
                state.spread[layout.index_without_colours(planes[number])] = 0
            state.done[number] = asked
            self._account.done += 1

    def _denoise(
        self, plane: Plane, channel: ChannelState, config: FillingConfig
    ) -> Iterator[DenoisingSnapshot]:
        """Denoise a plane by itself, or by what is shared."""
        task, state = self._task, self._state
        is_small = math.prod(task.layout.plane_shape) <= task.whole
        if not task.shares and (is_small or not config.passes):
            yield from self._fill_alone(plane, config)
            return
        shared = channel.adaptation
        if shared is None or not (task.shares or state.plane == plane.number):
            windows = channel.sample.windows
            if not task.shares:
                windows = yield from self._windows_of(plane)
                for other in state.channels.values():
                    other.adaptation = None
            shared = channel.adaptation = SharedAdaptation(
                [plane.intensities.to_network(window) for window in windows],
                task.weights,
                config,
                task.device,
                largest=task.tile,
            )
        shared.to(task.device)
        state.plane = plane.number
        yield from self._adapt(shared, plane, config)
        yield from self._fill(shared, plane, config)

    def _fill_alone(
        self, plane: Plane, config: FillingConfig
    ) -> Iterator[DenoisingSnapshot]:
        """Fill a plane from its own pixels alone, all at once."""
        task, state = self._task, self._state
        noisy = plane.read(task.image, task.channels).to(task.device)
        if config.hot_pixels:
            network = task.weights.to_network(task.device)
            noisy = without_hot_pixels(noisy, network, images=len(noisy))
        if state.filling is None or state.plane != plane.number:
            state.filling = FillingState(
                noisy,
                task.weights.to_network(task.device),
                config,
                spread_of=task.spread_of if state.wants_spread else None,
            )
            state.plane, state.iteration = plane.number, 0
        filling = state.filling
        filling.to(task.device)
        job = iterative_filling(
            noisy,
            filling.network,
            config,
            state=filling,
            snapshot_interval=self._interval,
        )
        with closing(job):
            for progress in job:
                state.iteration = progress.iteration
                state.adapted = state.adapted and progress.adapts
                is_done = progress.fraction == 1
                if is_done:
                    state.merged = state.merged and filling.merged
                spread = None if progress.image is None else filling.spread()
                yield self._account.snapshot_of(
                    plane, config, progress, spread=_array(spread), is_done=is_done
                )

    def _adapt(
        self, shared: SharedAdaptation, plane: Plane, config: FillingConfig
    ) -> Iterator[DenoisingSnapshot]:
        """Do the iterations that are left, and show the middle of a plane meanwhile."""
        task, state = self._task, self._state
        window = middle(task.layout.plane_shape, _PREVIEW)

        @functools.cache  # to read it once
        def noisy() -> Tensor:
            return plane.read(task.image, task.channels, window)

        def preview() -> Tensor:
            return shared.predict(noisy())

        reporter = Reporter(self._interval, config.learning_rate)
        with closing(shared.adapt(config, reporter, preview)) as job:
            for progress in job:
                state.iteration = progress.iteration
                yield self._account.snapshot_of(
                    plane, config, progress, passed=0.0, window=window
                )
        state.iteration = shared.state.iteration
        state.adapted = state.adapted and shared.state.adapts

    def _fill(
        self, shared: SharedAdaptation, plane: Plane, config: FillingConfig
    ) -> Iterator[DenoisingSnapshot]:
        """Fill a plane with what is shared, tile by tile."""
        task, state, reached = self._task, self._state, shared.state
        done = f"{reached.iteration} iteration{'s' * (reached.iteration != 1)}"
        spread_of = task.spread_of if state.wants_spread else None
        with closing(shared.fill(plane, task.image, config, spread_of)) as parts:
            for part in parts:
                if part.image is not None:
                    state.merged = state.merged and part.merged
                progress = Progress(
                    iteration=reached.iteration,
                    iterations=config.iterations,
                    stage=done if part.share == 1 else f"{done}, filling",
                    adapts=reached.adapts,
                    fraction=1.0,
                    image=_array(part.image),
                )
                yield self._account.snapshot_of(
                    plane,
                    config,
                    progress,
                    passed=part.share,
                    window=part.window,
                    spread=_array(part.spread),
                    is_done=part.share == 1,
                )

    # -- choosing, reading ahead -----------------------------------------------------

    def _config_of(self, channel: ChannelState, planes: list[Index]) -> FillingConfig:
        """Return the settings that a channel's own noise chooses, if it is to."""
        task = self._task
        if not task.config.by_noise:
            return task.config
        if channel.choice is None:
            intensities = channel.sample.intensities
            windows = windows_to_judge(task.image, task.layout, planes, intensities)
            found = look_at_noise(
                windows.to(task.device),
                intensities.noise_slope,
                opponents=task.opponents,
            )
        else:
            found = channel.choice.found
        choice = choose(task.config, found, task.weights.network)
        config = with_precision(choice.config, task.device)
        channel.choice = dataclasses.replace(choice, config=config)
        return config

    def _sample_of(
        self, planes: list[Index], number: int
    ) -> Job[DenoisingSnapshot, Sample]:
        """Take a sample of a channel; of all planes if the first ones may mislead."""
        task = self._task
        index = task.layout.planes()[number]
        # Predictions that end with the range: all of it must be known.
        is_bounded = task.weights.network.architecture == "skip"
        for thorough in (is_bounded, True):
            job = take_sample(
                task.image,
                task.layout,
                planes,
                side=task.sample_side if task.shares else 0,
                seed=task.config.seed,
                thorough=thorough,
                opponents=task.opponents,
            )
            sample = yield from self._reading(job, number, index)
            if not sample.intensities.is_doubtful:
                break
        return sample

    def _windows_of(self, plane: Plane) -> Job[DenoisingSnapshot, list[Array]]:
        """Cut windows out of one large plane; its intensities are known."""
        task = self._task
        job = take_sample(
            task.image,
            task.layout,
            [plane.index],
            side=task.sample_side,
            seed=task.config.seed,
        )
        found = yield from self._reading(job, plane.number, plane.index)
        return found.windows

    def _reading(
        self, job: Job[float, Sample], number: int, index: Index
    ) -> Job[DenoisingSnapshot, Sample]:
        due = Every(max(self._interval, SNAPSHOT_INTERVAL))

        def tell(share: float) -> DenoisingSnapshot:
            return self._account.reading_snapshot(number, index, share)

        return (yield from beating(job, due, tell))


def _array(image: Tensor | None) -> NDArray[np.float32] | None:
    return None if image is None else image.to("cpu").numpy()
