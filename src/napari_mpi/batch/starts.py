"""What the network of each file starts from: weights by name, or those of a folder."""

import dataclasses
import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_mpi.batch.records import Records
from napari_mpi.batch.request import BatchRequest
from napari_mpi.engine.files.metadata import ImageFile
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.networks.weights import Weights
from napari_mpi.engine.runtime.errors import ConfigError, EngineError
from napari_mpi.engine.settings.method import Method


@dataclass(frozen=True, slots=True, order=True)
class FileKind:
    """Channel count and pixel type of a file.

    Parameters
    ----------
    colour : bool
        Whether the channels are colours, which are denoised together.
    channels : int
        How many there are.
    dtype : str
        Name of the pixels' type.
    """

    colour: bool
    channels: int
    dtype: str

    def __str__(self) -> str:
        """Return it in words."""
        if self.colour:
            return f"{self.dtype} colour"
        several = f", {self.channels} channels" if self.channels > 1 else ""
        return f"{self.dtype} grey{several}"


def kind_of(image: ImageFile) -> FileKind:
    """Return what a file has in common with those that it may share with."""
    layout = ImageAxes(image.axes, image.array.shape)
    channels = 3 if layout.is_colour else layout.channel_count
    return FileKind(layout.is_colour, channels, np.dtype(image.array.dtype).name)


FOLDER_ADAPTATION = "folder_adaptation"
"""What weights that were adapted to files of a folder say of that, by this name."""


class Starts:
    """Where the files of a batch start from; the same in every process.

    Parameters
    ----------
    request : BatchRequest
        What was asked for.

    Raises
    ------
    ConfigError
        If one adaptation is to be shared, and the settings don't allow it.
    WeightsError
        If the weights cannot be loaded.
    """

    def __init__(self, request: BatchRequest) -> None:
        self._request = request
        config = request.method.config
        if request.adapt_once and not (config.passes and config.learning_rate):
            raise ConfigError(
                "these settings adapt to each image while they fill it, or not at all,"
                " so that files cannot share it: choose a blind preset, or each file"
                " by itself"
            )
        self._load = functools.cache(load_weights)
        self._load(request.method.weights, seed=config.seed)

    @property
    def method(self) -> Method:
        """How each file is denoised: not adapted to, if that was done before."""
        method = self._request.method
        if not self._request.adapt_once:
            return method
        config = dataclasses.replace(method.config, learning_rate=0.0, iterations=1)
        return dataclasses.replace(method, config=config)

    @property
    def unadapted(self) -> Weights:
        """The weights that were asked for.

        Raises
        ------
        WeightsError
            If they cannot be loaded.
        """
        method = self._request.method
        return self._load(method.weights, seed=method.config.seed)

    def weights(self, kind: FileKind) -> Weights:
        """Return what files of a kind start from.

        Raises
        ------
        WeightsError
            If they cannot be loaded.
        """
        if not self._request.adapt_once:
            return self.unadapted
        name = f"{self.unadapted.name}, adapted to a folder"
        adapted = self._load(str(self.adapted_path(kind)))
        return dataclasses.replace(adapted, name=name)

    def adapted_path(self, kind: FileKind) -> Path:
        """Return where the adaptation that files of a kind share is kept."""
        made_from = {
            "kind": dataclasses.asdict(kind),
            "settings": dataclasses.asdict(self._request.method.config),
            "axes": self._request.method.axes,
            "weights": self._identity(self.unadapted),
            **self._series(),
        }
        digest = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode())
        folder = Records(self._request.folders.output).folder / "adapted"
        return folder / f"{digest.hexdigest()[:24]}.safetensors"

    def made_from(self, kind: FileKind) -> dict[str, Any] | None:
        """Return what results of a kind are made from besides their input.

        Returns
        -------
        dict or None
            JSON values: settings, weights, axes. None if the weights are not there.
        """
        method = self._request.method
        try:
            weights = self._identity(self.weights(kind))
        except EngineError:
            return None
        return {
            "kind": dataclasses.asdict(kind),
            "settings": dataclasses.asdict(method.config),
            "axes": method.axes,
            "adapt_once": self._request.adapt_once,
            "weights": weights,
            **self._series(),
        }

    def _series(self) -> dict[str, Any]:
        """Return series and level that were asked for, if they were."""
        method = self._request.method
        series = {} if method.series is None else {"series": method.series}
        return {**series, **({"level": method.level} if method.level else {})}

    def can_start(self, kind: FileKind) -> bool:
        """Return whether files of a kind have weights that can be loaded."""
        try:
            self.weights(kind)
        except EngineError:
            return False
        return True

    def forget(self) -> None:
        """Load weights anew when they are next asked for."""
        self._load.cache_clear()

    @staticmethod
    def _identity(weights: Weights) -> str:
        """Return what tells weights apart: their file's sha256, or the random start."""
        return weights.sha256 or json.dumps(dict(weights.provenance), sort_keys=True)
