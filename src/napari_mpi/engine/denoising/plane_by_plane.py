"""The planes of an image, one after the other: sampled, adapted to, filled."""

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any

from torch import Tensor

from napari_mpi.engine.denoising.adapted.shared_adaptation import SharedAdaptation
from napari_mpi.engine.denoising.look_ahead import LookAhead
from napari_mpi.engine.denoising.neighbours.reader import Reader
from napari_mpi.engine.denoising.noisy import Noisy, kept_marks
from napari_mpi.engine.denoising.planes import Plane, PlaneOrder
from napari_mpi.engine.denoising.snapshot import Account, DenoisingSnapshot
from napari_mpi.engine.denoising.state import ChannelState, DenoisingState
from napari_mpi.engine.denoising.task import Task
from napari_mpi.engine.filling.iterative import iterative_filling
from napari_mpi.engine.filling.progress import Progress, Reporter
from napari_mpi.engine.filling.state import FillingState
from napari_mpi.engine.images.tiles import middle
from napari_mpi.engine.noise.hot_pixels import without_hot_pixels
from napari_mpi.engine.settings.filling import FillingConfig

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
        self._ahead = LookAhead(task, self._account, interval)
        self._readers: dict[int, Reader] = {}

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
                sample = yield from self._ahead.sample_of(items[item], number)
                state.channels[item] = ChannelState(sample)
            channel = state.channels[item]
            if channel.sample.is_flat:
                self._account.leave(number)
            else:
                config = yield from self._ahead.config_of(channel, items[item], number)
                if item not in self._readers:
                    first = item * len(items[0])
                    own = channel.sample.planes(layout, items[item], first)
                    self._readers[item] = yield from self._ahead.reader_of(
                        channel, own, config, number
                    )
                reader = self._readers[item]
                plane = reader.planes[number % len(items[0])]
                yield from self._denoise(plane, channel, reader, config)
            state.done[number] = asked
            self._account.done += 1

    def _denoise(
        self,
        plane: Plane,
        channel: ChannelState,
        reader: Reader,
        config: FillingConfig,
    ) -> Iterator[DenoisingSnapshot]:
        """Denoise a plane by itself, or by what is shared."""
        task, state = self._task, self._state
        state.kept.pop(plane.number, None)  # of a result that is made anew
        is_small = math.prod(task.layout.plane_shape) <= task.whole
        if not task.shares and (is_small or not config.passes):
            yield from self._fill_alone(plane, reader, config)
            return
        shared = channel.adaptation
        if shared is None or not (task.shares or state.plane == plane.number):
            sample = channel.sample
            if not task.shares:
                sample = yield from self._ahead.windows_of(plane)
                for other in state.channels.values():
                    other.adaptation = None
            if not sample.windows:
                self._account.leave(plane.number)
                return
            number = plane.number
            windows = yield from self._ahead.windows_from(reader, sample, number)
            shared = channel.adaptation = SharedAdaptation(
                windows,
                task.weights,
                config,
                task.device,
                largest=task.tile,
                models=reader.models,
            )
        shared.to(task.device)
        state.plane = plane.number
        yield from self._adapt(shared, plane, reader, config)
        yield from self._fill(shared, plane, reader, config)

    def _fill_alone(
        self, plane: Plane, reader: Reader, config: FillingConfig
    ) -> Iterator[DenoisingSnapshot]:
        """Fill a plane from its own pixels alone, all at once."""
        task, state = self._task, self._state
        read = reader.read(plane)
        if read.is_void:
            self._account.leave(plane.number)
            return
        noisy, marks = read.image, kept_marks(read.marks, hot=config.hot_pixels)
        if config.hot_pixels:
            network = task.weights.to_network(task.device)
            noisy = without_hot_pixels(
                noisy, network, images=len(noisy), void=read.void
            )
        if state.filling is None or state.plane != plane.number:
            state.filling = FillingState(
                noisy,
                task.weights.to_network(task.device),
                config,
                spread_of=task.spread_of if state.wants_spread else None,
                marks=read.marks,
                averaged=read.averaged,
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
                    plane,
                    config,
                    progress,
                    spread=_array(spread),
                    marks=marks,
                    is_final=is_done,
                    is_done=is_done,
                )

    def _adapt(
        self,
        shared: SharedAdaptation,
        plane: Plane,
        reader: Reader,
        config: FillingConfig,
    ) -> Iterator[DenoisingSnapshot]:
        """Do the iterations that are left, and show the middle of a plane meanwhile."""
        task, state = self._task, self._state
        window = middle(task.layout.plane_shape, _PREVIEW)

        @functools.cache  # to read it once
        def noisy() -> Noisy:
            return reader.read(plane, window)

        def preview() -> Tensor:
            return shared.predict(noisy().image)

        reporter = Reporter(self._interval, config.learning_rate)
        with closing(shared.adapt(config, reporter, preview)) as job:
            for progress in job:
                state.iteration = progress.iteration
                shown = progress.image is not None
                marks = (
                    kept_marks(noisy().marks, hot=config.hot_pixels) if shown else None
                )
                yield self._account.snapshot_of(
                    plane,
                    config,
                    progress,
                    passed=0.0,
                    window=window,
                    marks=marks,
                )
        state.iteration = shared.state.iteration
        state.adapted = state.adapted and shared.state.adapts

    def _fill(
        self,
        shared: SharedAdaptation,
        plane: Plane,
        reader: Reader,
        config: FillingConfig,
    ) -> Iterator[DenoisingSnapshot]:
        """Fill a plane with what is shared, tile by tile."""
        task, state, reached = self._task, self._state, shared.state
        done = f"{reached.iteration} iteration{'s' * (reached.iteration != 1)}"
        spread_of = task.spread_of if state.wants_spread else None
        with closing(shared.fill(plane, reader, config, spread_of)) as parts:
            for part in parts:
                marks = kept_marks(part.marks, hot=config.hot_pixels)
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
                    marks=marks,
                    is_final=part.image is not None,
                    is_done=part.share == 1,
                )


def _array(image: Tensor | None) -> Any:
    return None if image is None else image.to("cpu").numpy()
