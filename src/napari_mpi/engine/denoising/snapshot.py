"""What denoising tells on its way, and how much of it is done."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_mpi.engine.denoising.planes import Plane
from napari_mpi.engine.denoising.state import DenoisingState
from napari_mpi.engine.denoising.task import Task
from napari_mpi.engine.filling.progress import Progress, cost
from napari_mpi.engine.images.axes import Index
from napari_mpi.engine.images.marks import Mark, Marks, is_kept
from napari_mpi.engine.images.tiles import Window
from napari_mpi.engine.settings.filling import FillingConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class DenoisingSnapshot(Progress):
    """What denoising has reached: the plane at work as it is now.

    ``fraction`` counts all planes, the other fields of `Progress` are about this one.
    ``image`` is the plane, or a part of it, in the source's type, units and order.

    Parameters
    ----------
    plane, planes : int
        Number of the plane at work, from 0, and how many there are.
    done : int
        How many planes are done.
    index : tuple
        Where ``image`` belongs in the result: ``result[index]``.
    """

    plane: int
    planes: int
    done: int
    index: Index


class Account:
    """Puts what is filled into the result, and tells how much of the work is done.

    Parameters
    ----------
    task : Task
        What is done.
    state : DenoisingState
        Holds the result.
    """

    def __init__(self, task: Task, state: DenoisingState) -> None:
        self._task, self._state = task, state
        self.done = 0
        """Planes that are done."""
        self._told = 0.0  # share of the work; what is found on the way may make it more

    def snapshot_of(
        self,
        plane: Plane,
        config: FillingConfig,
        progress: Progress,
        *,
        passed: float | None = None,
        window: Window | None = None,
        spread: Any = None,
        marks: Marks | None = None,
        is_final: bool = False,
        is_done: bool = False,
    ) -> DenoisingSnapshot:
        """Put what is filled into the result, and tell of it.

        Parameters
        ----------
        plane : Plane
            The plane at work.
        config : FillingConfig
            Its settings.
        progress : Progress
            How far it is, and the window in network units, if there is one to show.
            ``fraction`` is that of the adaptation, and of the passes too if ``passed``
            is None.
        passed : float, optional
            Share of the passes that is done, 0..1.
        window : tuple of slice, optional
            What of the plane ``image`` is; all of it if None.
        spread : NDArray, optional
            Of the image's shape: spread of the fills.
        marks : NDArray, optional
            Shape (Y, X) of the window: what its pixels are; None if all are measured.
        is_final : bool
            Whether ``image`` is the result, and no preview.
        is_done : bool
            Whether the plane is.
        """
        index, image = plane.part(window), None
        if progress.image is not None:
            image = plane.restored(
                progress.image,
                np.dtype(self._task.image.dtype),
                marks,
                own=lambda: np.asarray(self._state.result[index]),
            )
            self._state.result[index] = image
            if is_final:
                shape = progress.image.shape[-2:]
                self._state.note_marks(plane.number, marks, shape)
            if self._state.wants_spread:
                self._keep_spread(plane, index, spread, marks)
        filled = progress.fraction if passed is None else passed
        return self._snapshot(
            plane.number,
            progress,
            self._fraction(plane.number, config, progress.fraction, filled),
            done=self.done + is_done,
            index=index,
            losses=progress.losses,
            image=image,
        )

    def waiting_snapshot(self, number: int, stage: str) -> DenoisingSnapshot:
        """Tell of what is done before a plane is begun."""
        config, index = self._task.config, self._task.layout.planes()[number]
        progress = Progress(
            iteration=0,
            iterations=config.iterations,
            stage=stage,
            adapts=config.learning_rate > 0,
            fraction=0.0,
        )
        fraction = self._fraction(number, config, 0.0, 0.0)
        return self._snapshot(number, progress, fraction, done=self.done, index=index)

    def leave(self, plane: int) -> None:
        """Note that a plane comes back as it was, for it is constant.

        Parameters
        ----------
        plane : int
            Its number.
        """
        shape = self._task.layout.plane_shape
        self._state.kept.pop(plane, None)
        self._state.note_marks(plane, np.full(shape, Mark.CONSTANT, np.uint8), shape)

    def _keep_spread(
        self, plane: Plane, index: Index, spread: Any, marks: Marks | None
    ) -> None:
        """Put the spread beside the result; not a number where nothing is denoised."""
        kept = self._state.spread
        own = self._task.layout.index_without_colours(index)
        found = np.nan if spread is None else plane.deviations(spread, kept.dtype)
        if marks is not None:
            grey = self._task.layout.without_colours
            unknown = grey.from_channels_first(is_kept(marks)[None])
            found = np.where(unknown, np.nan, found)
        kept[own] = found

    def _snapshot(
        self, number: int, progress: Progress, fraction: float, **fields: Any
    ) -> DenoisingSnapshot:
        self._told = max(self._told, min(1.0, fraction))
        return DenoisingSnapshot(
            plane=number,
            planes=self._task.layout.plane_count,
            iteration=progress.iteration,
            iterations=progress.iterations,
            stage=progress.stage,
            adapts=progress.adapts,
            checks=progress.checks,
            fraction=self._told,
            **fields,
        )

    def _fraction(
        self, number: int, config: FillingConfig, adapted: float, filled: float
    ) -> float:
        """Return the share of the whole work that is done, by the pixels predicted."""
        layout = self._task.layout
        planes, channels = layout.plane_count, layout.channel_count
        here = number // (planes // channels)
        known = self._state.channels
        beside = known[here].neighbours if here in known else None
        compared = 0 if beside is None else sum(beside.reach.values())
        adapt, fill = cost(config, layout.plane_shape, compared)
        spent = self.done * fill + adapted * adapt + filled * fill
        if not self._task.shares:
            return (self.done * adapt + spent) / (planes * (adapt + fill))
        # What the plane's own channel has adapted counts as spent.
        others = sum(c.adaptation is not None and n != here for n, c in known.items())
        return (others * adapt + spent) / (channels * adapt + planes * fill)
