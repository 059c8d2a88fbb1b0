"""What was adapted to an image, kept in a file: its parts are then filled alike."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from napari_mpi.engine.denoising.neighbours.choice import Neighbourhood
from napari_mpi.engine.denoising.sampling.take import Sample
from napari_mpi.engine.filling.merging import NoiseModels
from napari_mpi.engine.images.colours import Colours
from napari_mpi.engine.images.intensity import IntensityMap
from napari_mpi.engine.images.marks import MarkRule
from napari_mpi.engine.networks.weight_files import (
    read_tensors,
    unreadable_header,
    write_tensors,
)
from napari_mpi.engine.networks.weights import Weights
from napari_mpi.engine.noise.choice import Choice
from napari_mpi.engine.noise.findings import NoiseFindings
from napari_mpi.engine.noise.model import NoiseModel
from napari_mpi.engine.runtime.errors import ConfigError, WeightsError
from napari_mpi.engine.runtime.whole_files import sha256_of
from napari_mpi.engine.settings.filling import FillingConfig

_FORMAT = "napari-mpi adaptation 1"


@dataclass(frozen=True, slots=True)
class AdaptedChannel:
    """All that the planes of a channel are filled by.

    Parameters
    ----------
    sample : Sample
        Its range of intensities, and what holds no measurement; without windows.
    config : FillingConfig
        Its settings.
    choice : Choice, optional
        What was found of its noise; None where nothing was to choose.
    neighbours : Neighbourhood, optional
        How far is looked beside its planes; None where that was not asked.
    models : tuple of tuple of NoiseModel, optional
        Noise of its planes by image and channel; None where nothing is merged.
    weights : mapping of str to Tensor
        What the network predicts with, on the CPU; none where it is as it was.
    iteration : int
        Iterations that were done.
    adapts : bool
        Whether the network was adapted.
    images : int
        How many images a plane is for the network; 0 where nothing is to be filled.
    """

    sample: Sample
    config: FillingConfig
    choice: Choice | None = None
    neighbours: Neighbourhood | None = None
    models: NoiseModels | None = None
    weights: Mapping[str, Tensor] = field(default_factory=dict, repr=False)
    iteration: int = 0
    adapts: bool = False
    images: int = 0

    @property
    def is_filled(self) -> bool:
        """Whether its planes are filled; they come back as they are if not."""
        return self.images > 0


@dataclass(frozen=True, slots=True)
class Adapted:
    """All that an image is filled by, whichever part of it.

    Parameters
    ----------
    channels : dict of int to AdaptedChannel
        By their number.
    made_from : mapping
        JSON values that tell image, settings and weights apart from others.
    sha256 : str
        Of the file; empty for what was not read from one.
    """

    channels: dict[int, AdaptedChannel]
    made_from: Mapping[str, Any] = field(repr=False)
    sha256: str = ""


def save_adapted(adapted: Adapted, path: Path) -> None:
    """Write an adaptation to a ``.safetensors`` file, whole or not at all.

    Raises
    ------
    WeightsError
        If the file cannot be written.
    """
    tensors = {
        f"{number}/{name}": value
        for number, channel in adapted.channels.items()
        for name, value in channel.weights.items()
    }
    channels = {str(n): _told(channel) for n, channel in adapted.channels.items()}
    header = {"channels": channels, "made_from": dict(adapted.made_from)}
    write_tensors(path, tensors, _FORMAT, header)


def read_adapted(path: Path, weights: Weights) -> Adapted:
    """Read an adaptation.

    Parameters
    ----------
    path : Path
        The file.
    weights : Weights
        Where the network started from.

    Raises
    ------
    WeightsError
        If it is missing, damaged, or of another kind.
    """
    if not path.is_file():
        raise WeightsError(
            f"there is no adaptation {path}: make one by 'denoise --adapt-only'"
        )
    stored, header = read_tensors(path, _FORMAT)
    try:
        channels = {
            int(number): _channel(told, _of_channel(stored, number))
            for number, told in header["channels"].items()
        }
        made_from = dict(header["made_from"])
    except (KeyError, TypeError, ValueError, ConfigError) as error:
        raise unreadable_header(path, error) from error
    known = {name: value.shape for name, value in weights.state.items()}
    for channel in channels.values():
        for name, value in channel.weights.items():
            if known.get(name) != value.shape:
                raise WeightsError(
                    f"{path} was made with other weights than {weights.name!r}: name"
                    " those by --weights, or adapt again"
                )
    return Adapted(channels, made_from, sha256_of(path))


def _of_channel(stored: Mapping[str, Tensor], number: str) -> dict[str, Tensor]:
    prefix = f"{number}/"
    return {
        name.removeprefix(prefix): value
        for name, value in stored.items()
        if name.startswith(prefix)
    }


def _told(channel: AdaptedChannel) -> dict[str, Any]:
    """Return what is known of a channel, but for its weights, as JSON values."""
    sample = channel.sample
    choice, beside = channel.choice, channel.neighbours
    return {
        "intensities": dataclasses.asdict(sample.intensities),
        "rule": _plain(dataclasses.asdict(sample.rule)),
        "flashes": {str(n): dataclasses.asdict(m) for n, m in sample.flashes.items()},
        "config": dataclasses.asdict(channel.config),
        "choice": choice and dataclasses.asdict(choice),
        "neighbours": beside and dataclasses.asdict(beside),
        "models": channel.models
        and [[dataclasses.asdict(one) for one in row] for row in channel.models],
        "iteration": channel.iteration,
        "adapts": channel.adapts,
        "images": channel.images,
    }


def _plain(value: Any) -> Any:
    """Return values with numpy's numbers as Python's."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value.item() if isinstance(value, np.generic) else value


def _channel(told: Mapping[str, Any], weights: dict[str, Tensor]) -> AdaptedChannel:
    sample = Sample(
        _intensities(told["intensities"]),
        _rule(told["rule"]),
        [],
        {int(n): _intensities(one) for n, one in told["flashes"].items()},
    )
    models = told["models"] and tuple(
        tuple(NoiseModel(**one) for one in row) for row in told["models"]
    )
    return AdaptedChannel(
        sample,
        FillingConfig(**told["config"]),
        told["choice"] and _choice(told["choice"]),
        told["neighbours"] and Neighbourhood(**told["neighbours"]),
        models,
        weights,
        int(told["iteration"]),
        bool(told["adapts"]),
        int(told["images"]),
    )


def _intensities(told: Mapping[str, Any]) -> IntensityMap:
    colours = told["colours"]
    if colours is not None:
        colours = Colours(**{name: tuple(value) for name, value in colours.items()})
    return IntensityMap(**{**told, "colours": colours})


def _rule(told: Mapping[str, Any]) -> MarkRule:
    pairs = {name: tuple(map(tuple, told[name])) for name in ("no_data", "constants")}
    return MarkRule(**{**told, **pairs})


def _choice(told: Mapping[str, Any]) -> Choice:
    found = told["found"] and NoiseFindings(**told["found"])
    return Choice(found, FillingConfig(**told["config"]))
