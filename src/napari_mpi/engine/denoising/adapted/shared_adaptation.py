"""One adaptation for many planes, or for a large one, which it then fills by tiles."""

import math
from collections.abc import Callable, Generator, Sequence

import torch
from torch import Tensor

from napari_mpi.engine.denoising.adapted.tile_filling import TileFilling, largest_tile
from napari_mpi.engine.denoising.neighbours.reader import Reader
from napari_mpi.engine.denoising.noisy import Noisy, together
from napari_mpi.engine.denoising.planes import Plane
from napari_mpi.engine.filling.iterative import adapting
from napari_mpi.engine.filling.merging import NoiseModels
from napari_mpi.engine.filling.passes import Filled, learn_noise
from napari_mpi.engine.filling.progress import Progress, Reporter
from napari_mpi.engine.filling.spread import SpreadOf
from napari_mpi.engine.filling.state import FillingState
from napari_mpi.engine.networks.weights import Weights
from napari_mpi.engine.noise.hot_pixels import without_hot_pixels
from napari_mpi.engine.settings.filling import FillingConfig

_LEARNT_FROM = 512**2  # pixels, from which the noise is estimated well enough


class SharedAdaptation:
    """A network adapted to windows of planes, which then fills each of the planes.

    Parameters
    ----------
    windows : sequence of Noisy
        Windows of the planes, all of one size; at least one.
    weights : Weights
        Where the network starts from.
    config : FillingConfig
        The settings, with passes.
    device : torch.device
        Where to work.
    largest : int, optional
        Rows and columns of a tile at the most, without its halo.
    models : tuple of tuple of NoiseModel, optional
        Noise of the planes by image and channel; estimated from the windows if None.
    """

    def __init__(
        self,
        windows: Sequence[Noisy],
        weights: Weights,
        config: FillingConfig,
        device: torch.device,
        *,
        largest: int | None = None,
        models: NoiseModels | None = None,
    ) -> None:
        self._images = len(windows[0].image)  # of one plane: its colours' opponents
        whole = together(windows).to(device)
        self._noisy = whole.image
        self._device = device
        self._models, self._knows_noise = models, models is not None
        self._learnt_at = -1
        network = weights.to_network(device)
        self.state = FillingState(
            self._noisy, network, config, pooled=True, marks=whole.marks
        )
        if config.hot_pixels:
            self._noisy = without_hot_pixels(
                self._noisy, self.predict, images=self._images, void=whole.void
            )
        self._filling = TileFilling(
            network,
            self.state.adaptation.predict,
            self.state.factors,
            images=self._images,
            device=device,
            largest=largest_tile(largest, config, device),
        )

    def to(self, device: torch.device) -> None:
        """Move to a device."""
        self._device = self._filling.device = device
        self._noisy = self._noisy.to(device)
        self.state.to(device)

    def adapt(
        self,
        config: FillingConfig,
        reporter: Reporter,
        preview: Callable[[], Tensor] | None = None,
    ) -> Generator[Progress, None, None]:
        """Do the iterations that are left.

        Parameters
        ----------
        config : FillingConfig
            The settings.
        reporter : Reporter
            Makes the snapshots.
        preview : callable, optional
            Returns what they are to show; next to nothing if None.
        """
        yield from adapting(
            self._noisy,
            config,
            state=self.state,
            reporter=reporter,
            preview=preview or (lambda: self._noisy[:1, :1, :1, :1]),
        )

    def predict(self, noisy: Tensor, masked: Tensor | None = None) -> Tensor:
        """Predict a window with what has been reached; no mask hides nothing."""
        return self.state.adaptation.predict(noisy.to(self._device), masked)

    def fill(
        self,
        plane: Plane,
        reader: Reader,
        config: FillingConfig,
        spread_of: SpreadOf | None = None,
    ) -> Generator[Filled, None, None]:
        """Fill a plane tile by tile, see `TileFilling.fill`."""
        self._filling.models = self.learn_noise(config)
        yield from self._filling.fill(plane, reader, config, spread_of)

    def learn_noise(self, config: FillingConfig) -> NoiseModels | None:
        """Estimate the noise once for all planes, so that they are merged alike.

        Parameters
        ----------
        config : FillingConfig
            The settings.

        Returns
        -------
        tuple of tuple of NoiseModel, or None
            By image and channel; None where nothing is merged.
        """
        stale = not self._knows_noise and self._learnt_at != self.state.iteration
        if config.merge and stale:
            area = math.prod(self._noisy.shape[-2:])
            few = max(1, _LEARNT_FROM // area) * self._images
            marks = self.state.marks
            self._models = learn_noise(
                self._noisy[:few],
                self.state.adaptation.predict,
                config,
                images=self._images,
                marks=None if marks is None else marks[:few],
            )
            self._learnt_at = self.state.iteration
        return self._models
