"""One adaptation for many planes, or for a large one, which it then fills by tiles."""

import dataclasses
import math
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from napari_mpi.engine.denoising.neighbours.reader import Reader
from napari_mpi.engine.denoising.noisy import Noisy, together
from napari_mpi.engine.denoising.planes import Plane
from napari_mpi.engine.filling.iterative import adapting
from napari_mpi.engine.filling.merging import NoiseModels
from napari_mpi.engine.filling.passes import Filled, finish, learn_noise
from napari_mpi.engine.filling.progress import Progress, Reporter
from napari_mpi.engine.filling.spread import SpreadOf
from napari_mpi.engine.filling.state import FillingState
from napari_mpi.engine.images.tiles import Tile, tiles
from napari_mpi.engine.networks.weights import Weights
from napari_mpi.engine.noise.hot_pixels import without_hot_pixels
from napari_mpi.engine.runtime.devices import (
    describe_device,
    free_memory,
    is_full_memory,
)
from napari_mpi.engine.runtime.jobs import aside, beating
from napari_mpi.engine.settings.filling import FillingConfig
from napari_mpi.engine.settings.network import NetworkConfig

LARGEST, SMALLEST = 2048, 256
"""Rows and columns of a tile, without its halo."""

_SHARE = 0.5  # of the free memory, that a tile may take
_MAPS = 5  # feature maps of full width that are held at once
_IMAGES = 24  # of float32, that the last passes hold of a tile
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
        self._side = largest or LARGEST
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

    def to(self, device: torch.device) -> None:
        """Move to a device."""
        self._device = device
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
        """Fill a plane tile by tile.

        A tile is as large as the free memory of the device allows, and half as large
        when the memory is full all the same, which a warning tells.

        Parameters
        ----------
        plane : Plane
            Which one.
        reader : Reader
            Reads it.
        config : FillingConfig
            The settings.
        spread_of : {'channels', 'mean'}, optional
            Whose spread is wanted, see `SpreadOf`; none if None.

        Yields
        ------
        Filled
            After every pass, and with every tile's result.
        """
        self._learn_noise(config)
        waiting = deque(self._tiles(plane))
        total = math.prod(plane.layout.plane_shape)
        done = 0
        while waiting:
            tile = waiting.popleft()
            part = math.prod(side.stop - side.start for side in tile.core)
            try:
                for filled in self._fill_tile(tile, plane, reader, config, spread_of):
                    share = (done + part * filled.share) / total
                    yield dataclasses.replace(filled, share=share)
                done += part
            except (MemoryError, RuntimeError) as error:
                if not is_full_memory(error) or self._side <= SMALLEST:
                    raise
                traceback.clear_frames(error.__traceback__)  # which keep its memory
                reader.forget()
                self._halve(tile)
                again = [tile, *waiting]
                waiting = deque(t for old in again for t in self._tiles(plane, old))

    def _fill_tile(
        self,
        tile: Tile,
        plane: Plane,
        reader: Reader,
        config: FillingConfig,
        spread_of: SpreadOf | None,
    ) -> Iterator[Filled]:
        work = partial(reader.read, plane, tile.outer)
        job = aside(work, at_once=reader.is_quick)
        read = yield from beating(job, lambda: True, lambda _: Filled(0.0))
        core = (..., *tile.inner)
        marks = None if read.marks is None else read.marks[core]
        if read.is_void:  # comes back as it was
            spread = torch.full_like(read.image[core], math.nan)
            yield Filled(1.0, read.image[core], True, spread, tile.core, marks)
            return
        noisy, predict = read.image, self.state.adaptation.predict
        if config.hot_pixels:
            noisy = without_hot_pixels(
                noisy, predict, images=self._images, void=read.void
            )
        passes = finish(
            noisy,
            predict,
            config,
            at=tile.at,
            models=self._models if plane.is_usual else None,
            spread_of=spread_of,
            marks=read.marks,
            averaged=read.averaged,
        )
        for filled in passes:
            if filled.image is None:
                yield filled
                continue
            own = None if filled.spread is None else filled.spread[core]
            result = filled.image[core]
            yield Filled(1.0, result, filled.merged, own, tile.core, marks)

    def _learn_noise(self, config: FillingConfig) -> None:
        """Estimate the noise once for all planes, so that they are merged alike."""
        if self._knows_noise:
            return
        if config.merge and self._learnt_at != self.state.iteration:
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

    def _tiles(self, plane: Plane, old: Tile | None = None) -> list[Tile]:
        """Cut a plane, or what was one tile of it, into tiles that fit the memory."""
        network = self.state.network
        factors = self.state.factors
        room = free_memory(self._device) * _SHARE / bytes_per_pixel(network.config)
        halo = network.reach * max(factors)
        step = network.step * math.lcm(*factors)
        fitting = (math.isqrt(int(room / self._images)) - 2 * halo) // step * step
        side = max(SMALLEST, min(self._side, fitting))
        shape = plane.layout.plane_shape
        return tiles(
            shape, side, halo=halo, step=step, within=None if old is None else old.core
        )

    def _halve(self, tile: Tile) -> None:
        largest = max(side.stop - side.start for side in tile.core)
        self._side = max(SMALLEST, min(self._side, largest) // 2)
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        warnings.warn(
            f"the memory of {describe_device(self._device)} is full, so tiles of"
            f" {self._side} x {self._side} pixels are filled from here on",
            stacklevel=2,
        )


def bytes_per_pixel(network: NetworkConfig) -> int:
    """Return what filling takes of the memory for every pixel, about."""
    maps = _MAPS * network.width
    if network.architecture == "residual":
        maps //= 4  # at half resolution
    return 4 * (maps + _IMAGES * network.channels)
