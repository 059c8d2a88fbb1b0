"""What denoising tells on its way, and how much of it is done."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.denoising.planes import Plane
from napari_mpi.engine.denoising.state import Array
from napari_mpi.engine.denoising.task import Work
from napari_mpi.engine.filling.passes import passes_of
from napari_mpi.engine.filling.progress import Standing
from napari_mpi.engine.images.axes import Index
from napari_mpi.engine.images.tiles import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class DenoisingSnapshot(Standing):
    """What denoising has reached: the plane at work as it is now.

    Parameters
    ----------
    plane, planes : int
        Number of the plane at work, from 0, and how many there are; ``fraction`` counts
        them all, the other fields of `Standing` are about this one.
    done : int
        How many planes are done.
    losses : tuple of float
        Masked losses since the last snapshot that told any, in network units squared.
    index : tuple
        Where ``image`` belongs in the result: ``result[index]``.
    image : NDArray, optional
        The plane, or a part of it, denoised so far, in the source's type, units and
        order; read-only. None where it is too soon after the last, since previews take
        time too.
    """

    plane: int
    planes: int
    done: int
    losses: tuple[float, ...]
    index: Index
    image: Array | None = field(repr=False)


_STEP_COST = 3  # predictions that one iteration takes as long as


def told(
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
    """Put what is filled into the result, and tell of it.

    Parameters
    ----------
    work : Work
        What is done.
    plane : Plane
        The plane at work.
    standing : Standing
        How far it is.
    spent : float
        Of the plane's cost, see `adapt_cost` and `fill_cost`, what is spent.
    filled : NDArray, optional
        Shape (N, C, Y, X), in network units; None where there is nothing to show.
    spread : NDArray, optional
        Of the same shape: spread of the fills.
    window : tuple of slice, optional
        What of the plane they are; all of it if None.
    losses : tuple of float
        Since the last snapshot.
    is_done : bool
        Whether the plane is.
    """
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


def reading(work: Work, number: int, index: Index, share: float) -> DenoisingSnapshot:
    """Tell of reading ahead of a plane, so much of which is done."""
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
    adapt, fill = adapt_cost(work), fill_cost(work)
    if not work.shares:
        return min(
            1.0, (work.done * (adapt + fill) + spent) / (planes * (adapt + fill))
        )
    # What the plane's own channel has adapted counts as spent.
    here = number // (planes // channels)
    others = sum(key != here for key in work.state.shared)
    total = channels * adapt + planes * fill
    return min(1.0, (others * adapt + work.done * fill + spent) / total)


def adapt_cost(work: Work) -> float:
    """Return what one adaptation takes, in pixels predicted."""
    if work.config.passes and work.config.learning_rate == 0:
        return 0.0  # the passes fill, and nothing else is to do
    rows, columns = (
        min(work.config.crop or side, side) for side in work.layout.plane_shape
    )
    return float(work.config.iterations * _STEP_COST * rows * columns)


def fill_cost(work: Work) -> float:
    """Return what filling a plane takes thereafter, in pixels predicted."""
    passes = passes_of(work.config) * len(work.config.factors)
    passes = passes if work.config.passes else 0
    return float(passes * math.prod(work.layout.plane_shape))
