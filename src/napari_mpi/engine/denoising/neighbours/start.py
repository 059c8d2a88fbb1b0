"""Before the first plane of a channel: whether its planes are read with neighbours."""

import math
from collections.abc import Sequence
from functools import partial

from napari_mpi.engine.denoising.neighbours.choice import (
    Neighbourhood,
    Trial,
    choose_reach,
)
from napari_mpi.engine.denoising.neighbours.places import stack_axes
from napari_mpi.engine.denoising.neighbours.reader import AveragingReader, Reader
from napari_mpi.engine.denoising.noisy import together
from napari_mpi.engine.denoising.planes import Plane
from napari_mpi.engine.denoising.sampling.take import Sample
from napari_mpi.engine.denoising.sampling.windows import Cut
from napari_mpi.engine.filling.adaptation import Adaptation
from napari_mpi.engine.filling.merging import NoiseModels, Predict, are_white
from napari_mpi.engine.filling.passes import learn_noise
from napari_mpi.engine.images.tiles import Window, evenly, middle
from napari_mpi.engine.networks.weights import Weights
from napari_mpi.engine.runtime.jobs import Job, aside
from napari_mpi.engine.settings.filling import FillingConfig

_TRIALS, _SIDE = 6, 192  # windows in which pixels are hidden, and their side in pixels
_SHARED_NOISE = (
    "pixels share their noise, so hidden ones cannot tell whether others help; 1 or 2"
    " can be tried by hand"
)
_LEARNT_FROM = 512**2  # pixels, from which the noise is estimated well enough


def with_neighbours(
    plain: Reader,
    sample: Sample,
    weights: Weights,
    config: FillingConfig,
    known: Neighbourhood | None = None,
) -> Job[None, tuple[Neighbourhood, Reader]]:
    """Choose how far to look beside the planes of a channel, and what reads them so.

    Parameters
    ----------
    plain : Reader
        Reads its planes by themselves.
    sample : Sample
        What was found in them.
    weights : Weights
        Of the network that tells change from noise; it is not adapted.
    config : FillingConfig
        The settings, with neighbours.
    known : Neighbourhood, optional
        What an earlier run has chosen.

    Yields
    ------
    None
        While it lasts.

    Returns
    -------
    tuple of Neighbourhood and Reader
        ``plain`` itself where no neighbour is used.
    """
    planes = plain.planes
    axes = stack_axes(planes[0].layout)
    if not sample.windows or not axes:
        return Neighbourhood({}), plain
    device = plain.device
    adaptation = Adaptation(weights.to_network(device), config, device, captures=False)
    predict = adaptation.predict
    models = yield from aside(partial(_models, plain, sample, predict, config))
    chosen = known
    if chosen is None and config.neighbours == "auto" and not are_white(models):
        chosen = Neighbourhood({}, why=_SHARED_NOISE)
    elif chosen is None and config.neighbours == "auto":
        trial = Trial(
            places=_places(planes, sample.windows),
            planes={p.layout.numbers(p.index): p for p in planes},
            read=plain.read,
            predict=predict,
            models=models,
            shared=config.shared_mask,
            seed=config.seed,
        )
        chosen = yield from choose_reach(trial, axes)
    elif chosen is None:
        chosen = Neighbourhood(dict.fromkeys(axes, int(config.neighbours)))
    if not chosen.is_used:
        return chosen, plain
    reach = chosen.reach
    return chosen, AveragingReader(plain, reach=reach, predict=predict, models=models)


def _models(
    plain: Reader, sample: Sample, predict: Predict, config: FillingConfig
) -> NoiseModels:
    """Estimate the noise of the planes by themselves."""
    windows = sample.noisy(sample.windows, plain.channels)
    few = max(1, _LEARNT_FROM // math.prod(windows[0].image.shape[-2:]))
    seen = together(windows[:few]).to(plain.device)
    images = len(windows[0].image)
    return learn_noise(seen.image, predict, config, images=images, marks=seen.marks)


def _places(
    planes: Sequence[Plane], windows: Sequence[Cut]
) -> list[tuple[Plane, Window]]:
    """Return where pixels are hidden: the middles of some of the windows."""
    return [
        (planes[cut.plane], _middle(cut.window)) for cut in evenly(windows, _TRIALS)
    ]


def _middle(window: Window) -> Window:
    rows, columns = window
    inner = middle((rows.stop - rows.start, columns.stop - columns.start), _SIDE)
    first, second = (
        slice(outer.start + part.start, outer.start + part.stop)
        for outer, part in zip(window, inner, strict=True)
    )
    return first, second
