"""Before the first plane of a channel: its sample, its noise, its settings."""

import dataclasses
import functools
from typing import TypeVar

from napari_mpi.engine.denoising.neighbours.reader import Reader
from napari_mpi.engine.denoising.neighbours.start import with_neighbours
from napari_mpi.engine.denoising.noisy import Noisy
from napari_mpi.engine.denoising.planes import Plane
from napari_mpi.engine.denoising.sampling.judged import windows_to_judge
from napari_mpi.engine.denoising.sampling.take import Sample, take_sample
from napari_mpi.engine.denoising.snapshot import Account, DenoisingSnapshot
from napari_mpi.engine.denoising.state import ChannelState
from napari_mpi.engine.denoising.task import Task, with_precision
from napari_mpi.engine.images.axes import Index
from napari_mpi.engine.noise.choice import choose
from napari_mpi.engine.noise.look import look_at_noise
from napari_mpi.engine.runtime.jobs import (
    SNAPSHOT_INTERVAL,
    Every,
    Job,
    aside,
    beating,
)
from napari_mpi.engine.settings.filling import FillingConfig

T = TypeVar("T")


class LookAhead:
    """Reads and judges what is needed before planes are filled.

    Parameters
    ----------
    task : Task
        What is done.
    account : Account
        Tells how far reading is.
    interval : float
        Least time between two snapshots in seconds.
    """

    def __init__(self, task: Task, account: Account, interval: float) -> None:
        self._task, self._account, self._interval = task, account, interval

    def config_of(
        self, channel: ChannelState, planes: list[Index], number: int
    ) -> Job[DenoisingSnapshot, FillingConfig]:
        """Return the settings that a channel's own noise chooses, if it is to.

        Parameters
        ----------
        channel : ChannelState
            What is known of it.
        planes : list of tuple
            Index of every plane of the channel.
        number : int
            Of the plane that waits for it.
        """
        task = self._task
        if not task.config.by_noise:
            return task.config
        if channel.choice is None:
            sample = channel.sample
            seen = windows_to_judge(task.image, task.layout, planes, sample)
            seen = seen.to(task.device)
            look = functools.partial(
                look_at_noise,
                seen.image,
                sample.intensities.noise_slope,
                opponents=task.opponents,
                marks=seen.marks,
            )
            looking = self._account.waiting_snapshot(number, "looking at the noise")
            found = yield from beating(aside(look), lambda: True, lambda _: looking)
        else:
            found = channel.choice.found
        choice = choose(task.config, found, task.weights.network)
        config = with_precision(choice.config, task.device)
        channel.choice = dataclasses.replace(choice, config=config)
        return config

    def reader_of(
        self,
        channel: ChannelState,
        planes: list[Plane],
        config: FillingConfig,
        number: int,
    ) -> Job[DenoisingSnapshot, Reader]:
        """Return what reads a channel's planes, with their neighbours if these help.

        Parameters
        ----------
        channel : ChannelState
            What is known of it; what is chosen is noted there.
        planes : list of Plane
            All of its planes, in their order.
        config : FillingConfig
            Its settings.
        number : int
            Of the plane that waits for it.
        """
        task = self._task
        plain = Reader(task.image, task.channels, task.device, planes)
        if not task.sees_neighbours:
            return plain
        job = with_neighbours(
            plain, channel.sample, task.weights, config, channel.neighbours
        )
        found = yield from self._looking(job, number)
        channel.neighbours, reader = found
        return reader

    def windows_from(
        self, reader: Reader, sample: Sample, number: int
    ) -> Job[DenoisingSnapshot, list[Noisy]]:
        """Read the windows that are adapted to.

        Parameters
        ----------
        reader : Reader
            Reads them.
        sample : Sample
            Where they are.
        number : int
            Of the plane that waits for it.
        """
        job = aside(functools.partial(reader.windows, sample), at_once=reader.is_quick)
        return (yield from self._looking(job, number))

    def sample_of(
        self, planes: list[Index], number: int
    ) -> Job[DenoisingSnapshot, Sample]:
        """Take a sample of a channel; of all planes if the first ones may mislead.

        Parameters
        ----------
        planes : list of tuple
            Index of every plane of the channel.
        number : int
            Of the plane that waits for it.
        """
        task = self._task
        # Predictions that end with the range: all of it must be known.
        is_bounded = task.weights.network.architecture == "skip"
        for thorough in (is_bounded, True):
            job = take_sample(
                task.image,
                task.layout,
                planes,
                side=task.sample_side if task.shares or task.sees_neighbours else 0,
                seed=task.config.seed,
                thorough=thorough,
                opponents=task.opponents,
                no_data=task.no_data,
            )
            sample = yield from self._reading(job, number)
            if not sample.is_doubtful:
                break
        return sample

    def windows_of(self, plane: Plane) -> Job[DenoisingSnapshot, Sample]:
        """Cut windows out of one large plane; its intensities are known."""
        task = self._task
        job = take_sample(
            task.image,
            task.layout,
            [plane.index],
            side=task.sample_side,
            seed=task.config.seed,
            no_data=task.no_data,
        )
        sample = yield from self._reading(job, plane.number)
        layout = task.layout
        place = plane.number % (layout.plane_count // layout.channel_count)
        cuts = [dataclasses.replace(cut, plane=place) for cut in sample.windows]
        return dataclasses.replace(sample, windows=cuts)

    def _looking(self, job: Job[None, T], number: int) -> Job[DenoisingSnapshot, T]:
        stage = "looking at neighbouring planes"
        told = self._account.waiting_snapshot(number, stage)
        return (yield from beating(job, lambda: True, lambda _: told))

    def _reading(
        self, job: Job[float, Sample], number: int
    ) -> Job[DenoisingSnapshot, Sample]:
        due = Every(max(self._interval, SNAPSHOT_INTERVAL))

        def tell(share: float) -> DenoisingSnapshot:
            return self._account.waiting_snapshot(number, f"reading, {share:.0%}")

        return (yield from beating(job, due, tell))
