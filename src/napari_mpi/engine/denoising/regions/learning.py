"""Adapts to every channel of an image, from windows of planes all over it."""

import dataclasses
import math
from collections.abc import Iterator

from napari_mpi.engine.denoising.adapted.kept import AdaptedChannel
from napari_mpi.engine.denoising.adapted.shared_adaptation import SharedAdaptation
from napari_mpi.engine.denoising.look_ahead import LookAhead
from napari_mpi.engine.denoising.snapshot import Account, DenoisingSnapshot
from napari_mpi.engine.denoising.state import ChannelState, DenoisingState
from napari_mpi.engine.denoising.task import Task
from napari_mpi.engine.filling.progress import Progress, Reporter
from napari_mpi.engine.images.axes import Index
from napari_mpi.engine.runtime.errors import ConfigError
from napari_mpi.engine.runtime.jobs import SNAPSHOT_INTERVAL, Job


def require_shared(task: Task) -> None:
    """Raise ConfigError unless an image can be adapted to as a whole, and then filled.

    Parameters
    ----------
    task : Task
        The image and how to denoise it.
    """
    problem = sharing_problem(task)
    if problem is not None:
        raise ConfigError(problem)


def sharing_problem(task: Task) -> str | None:
    """Return why the parts of an image cannot share an adaptation, or None.

    Parameters
    ----------
    task : Task
        The image and how to denoise it.
    """
    if not task.config.passes:
        return (
            "these settings adapt to each plane while they fill it, so that parts"
            " cannot share it: choose a preset 'auto' or 'blind', or do without parts"
        )
    if task.shares or math.prod(task.layout.plane_shape) > task.whole:
        return None
    if task.layout.plane_count > task.layout.channel_count:
        return (
            "without --share each plane is adapted to by itself, so that parts cannot"
            " share it: leave it on, or do without parts"
        )
    return "the image is a single small plane: denoise it without parts"


def learn(
    task: Task, interval: float = SNAPSHOT_INTERVAL
) -> Job[DenoisingSnapshot, dict[int, AdaptedChannel]]:
    """Adapt to every channel of an image.

    Parameters
    ----------
    task : Task
        The image and how to denoise it, see `require_shared`.
    interval : float
        Least time between two snapshots in seconds.

    Yields
    ------
    DenoisingSnapshot
        How far it is; ``fraction`` is the share of the adaptations.

    Returns
    -------
    dict of int to AdaptedChannel
        By the number of the channel.
    """
    state = DenoisingState()
    learning = _Learning(task, state, interval)
    items, found = task.layout.items(), {}
    for number, planes in enumerate(items):
        for snapshot in learning.channel(number, planes):
            share = (number + snapshot.fraction) / len(items)
            yield dataclasses.replace(snapshot, fraction=share)
        found[number] = learning.found
    return found


class _Learning:
    """Adapts to one channel after the other."""

    found: AdaptedChannel

    def __init__(self, task: Task, state: DenoisingState, interval: float) -> None:
        self._task, self._state, self._interval = task, state, interval
        self._account = Account(task, state)
        self._ahead = LookAhead(task, self._account, interval)

    def channel(self, number: int, planes: list[Index]) -> Iterator[DenoisingSnapshot]:
        task, ahead, first = self._task, self._ahead, number * len(planes)
        sample = yield from ahead.sample_of(planes, first)
        channel = self._state.channels[number] = ChannelState(sample)
        self.found = _plain(channel, task)
        if sample.is_flat:
            return
        config = yield from ahead.config_of(channel, planes, first)
        own = sample.planes(task.layout, planes, first)
        reader = yield from ahead.reader_of(channel, own, config, first)
        self.found = _plain(channel, task)
        seen = sample
        if not task.shares:  # one large plane
            seen = yield from ahead.windows_of(own[0])
        if not seen.windows:
            return
        windows = yield from ahead.windows_from(reader, seen, first)
        shared = SharedAdaptation(
            windows, task.weights, config, task.device, models=reader.models
        )
        reporter = Reporter(self._interval, config.learning_rate)
        for progress in shared.adapt(config, reporter):
            yield self._told(first, progress)
        predicts = shared.state.adaptation.weights() if shared.state.adapts else {}
        self.found = dataclasses.replace(
            self.found,
            config=config,
            models=shared.learn_noise(config),
            weights={name: value.to("cpu") for name, value in predicts.items()},
            iteration=shared.state.iteration,
            adapts=shared.state.adapts,
            images=len(windows[0].image),
        )

    def _told(self, number: int, progress: Progress) -> DenoisingSnapshot:
        waiting = self._account.waiting_snapshot(number, f"adapting, {progress.stage}")
        return dataclasses.replace(
            waiting,
            iteration=progress.iteration,
            iterations=progress.iterations,
            losses=progress.losses,
            checks=progress.checks,
            adapts=progress.adapts,
            fraction=progress.fraction,
        )


def _plain(channel: ChannelState, task: Task) -> AdaptedChannel:
    """Return what is known of a channel before anything is adapted."""
    sample = dataclasses.replace(channel.sample, windows=[])
    config = task.config if channel.choice is None else channel.choice.config
    return AdaptedChannel(sample, config, channel.choice, channel.neighbours)
