"""Iterative filling with every choice open: one run, and all that can be read from it.

The engine's own parts (`Adaptation`, `Ensemble`, `finish`) in a loop of a few lines.
Ensembles do not act on the adaptation, so any number of them is read from one run.
"""

import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cases import Case
from napari_mpi.engine.denoising.planes import Plane
from napari_mpi.engine.filling.adaptation import Adaptation
from napari_mpi.engine.filling.ensemble import Ensemble
from napari_mpi.engine.filling.masks import random_masks
from napari_mpi.engine.filling.passes import finish
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.images.intensity import measure
from napari_mpi.engine.networks.weights import Weights
from napari_mpi.engine.settings.filling import (
    EnsembleStart,
    FillingConfig,
    FillingPrecision,
)

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Reading:
    """One way to make an image of all predictions.

    Parameters
    ----------
    of : {'hidden', 'open', 'all'}
        Predictions that enter: of hidden pixels, of those that are not, of both.
    decay : float
        Share of the ensemble that survives one prediction; 0 keeps the newest alone.
    start : str
        As in `FillingConfig`.
    """

    of: str
    decay: float
    start: EnsembleStart = "noisy"

    def ensemble(self, noisy: Tensor) -> Ensemble:
        """Return the engine's ensemble for it."""
        config = FillingConfig(
            ema_decay=self.decay,
            ensemble_start=self.start,
            ensemble_of="all" if self.of == "all" else "hidden",
        )
        return Ensemble(noisy, config)


READINGS = {
    "filled": Reading("hidden", 0.9),  # the paper's
    "filled, long": Reading("hidden", 0.99, "unbiased"),
    "whole": Reading("all", 0.9),
    "whole, long": Reading("all", 0.99, "unbiased"),
    "last": Reading("all", 0.0),
    "last hidden": Reading("hidden", 0.0),
    "last open": Reading("open", 0.0),
}
AFTER, FILLS, FILL_AT = "fills after", 24, (25, 50, 100, 200)
"""The mean of what is predicted for hidden pixels once adapting is over, under so many
masks; after these iterations, and where settings have no passes."""
PASSES = "passes"
"""Our own result, where settings have passes: complementary masks, merged."""


@dataclass(frozen=True)
class Settings:
    """What one run does.

    Parameters
    ----------
    weights : Weights
        Where the network starts.
    config : FillingConfig
        Mask ratio, sharing of masks, learning rate, passes and seed are read from it.
    read_at : tuple of int
        Iterations to read at; the last ends the run.
    loss_on : {'hidden', 'all'}
        Pixels that the loss is taken on.
    precision : str
        As in `FillingConfig`.
    """

    weights: Weights
    config: FillingConfig
    read_at: tuple[int, ...]
    loss_on: str = "hidden"
    precision: FillingPrecision = "auto"


def trace(
    case: Case, settings: Settings
) -> Iterator[tuple[int, str, NDArray[np.generic]]]:
    """Fill one image, and yield iteration, reading and image, in its own units."""
    channels = settings.weights.network.channels
    plane = plane_of(case, opponents=case.is_colour and channels == 1)
    noisy = plane.read(case.noisy, channels).image
    config = dataclasses.replace(settings.config, precision=settings.precision)
    network = settings.weights.to_network().train()
    adaptation = Adaptation(network, config, CPU)
    ensembles = {name: reading.ensemble(noisy) for name, reading in READINGS.items()}
    for iteration, masked in enumerate(masks_for(noisy, settings), start=1):
        filled = advance(adaptation, noisy, masked, settings)
        for name, ensemble in ensembles.items():
            entering = ~masked if READINGS[name].of == "open" else masked
            ensemble.move(filled, entering, (...,))
        if iteration not in settings.read_at:
            continue
        images = {name: ensemble.image for name, ensemble in ensembles.items()}
        if config.passes:
            *_, passed = finish(noisy, adaptation.predict, config)
            images[PASSES] = passed.image
        elif iteration in FILL_AT:
            images[AFTER] = filled_after(adaptation, noisy, settings)
        for name, image in images.items():
            yield iteration, name, plane.restored(image.numpy(), np.dtype("f4"))


def advance(
    adaptation: Adaptation, noisy: Tensor, masked: Tensor, settings: Settings
) -> Tensor:
    """Do one iteration and return its prediction, the one before the step."""
    scored = torch.ones_like(masked) if settings.loss_on == "all" else masked
    adapts = settings.config.learning_rate > 0
    act = adaptation.step if adapts else adaptation.score
    return act(noisy, masked, scored)[0]


def filled_after(adaptation: Adaptation, noisy: Tensor, settings: Settings) -> Tensor:
    """Fill with the network as it is, as one would who adapts first and fills then."""
    ensemble = READINGS["filled, long"].ensemble(noisy)
    config = dataclasses.replace(settings.config, seed=settings.config.seed + 1000)
    again = dataclasses.replace(settings, config=config, read_at=(FILLS,))
    for masked in masks_for(noisy, again):
        ensemble.move(adaptation.score(noisy, masked, masked)[0], masked, (...,))
    return ensemble.image


def masks_for(noisy: Tensor, settings: Settings) -> Iterator[Tensor]:
    """Draw the masks of a run."""
    config = settings.config
    channels = 1 if config.shared_mask else noisy.shape[1]
    shape = (noisy.shape[0], channels, *noisy.shape[2:])
    rng = torch.Generator().manual_seed(config.seed)
    drawn = random_masks(shape, config.mask_ratio, rng=rng)
    return itertools.islice(drawn, settings.read_at[-1])


def plane_of(case: Case, *, opponents: bool = False) -> Plane:
    """Return the only plane of a case, which knows the network's range."""
    layout = ImageAxes(case.axes, case.noisy.shape)
    intensities = measure([layout.channels_first(case.noisy)], opponents=opponents)
    return Plane(layout, intensities, layout.planes()[0], 0)
