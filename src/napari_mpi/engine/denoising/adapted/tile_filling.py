"""Fills planes with what one network predicts, tile by tile."""

import dataclasses
import math
import traceback
import warnings
from collections import deque
from collections.abc import Generator, Iterator
from functools import partial

import torch

from napari_mpi.engine.denoising.neighbours.reader import Reader
from napari_mpi.engine.denoising.planes import Plane
from napari_mpi.engine.filling.merging import NoiseModels, Predict
from napari_mpi.engine.filling.passes import Filled, finish
from napari_mpi.engine.filling.spread import SpreadOf
from napari_mpi.engine.images.tiles import Tile, Window, tiles
from napari_mpi.engine.networks.filling_network import FillingNetwork
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

HALVED = 1024
"""The same where a CPU computes in bfloat16, so fast that memory holds it up: a plane
of 2048 x 2048 takes three quarters of the time so, see `benchmarks/stacks.py tiles`."""

SEEN = 128
"""Pixels around a tile beyond which nothing changes it by more than a thousandth of
the noise, on the mean, see `benchmarks/stacks.py seams`."""

_SHARE = 0.5  # of the free memory, that a tile may take
_MAPS = 5  # feature maps of full width that are held at once
_IMAGES = 24  # of float32, that the last passes hold of a tile


class TileFilling:
    """Fills planes tile by tile, with a network that is adapted to them.

    Parameters
    ----------
    network : FillingNetwork
        Which one; how far it sees is read from it.
    predict : callable
        Predicts with what it was adapted to.
    factors : sequence of int
        Into how many pieces along each axis it takes an image apart.
    images : int
        How many images one plane is: the opponents of its colours, or 1.
    device : torch.device
        Where to work.
    largest : int
        Rows and columns of a tile at the most, without its halo; see `largest_tile`.
    """

    models: NoiseModels | None = None
    """Noise of the planes by image and channel; each tile's own if None."""

    def __init__(
        self,
        network: FillingNetwork,
        predict: Predict,
        factors: tuple[int, ...],
        *,
        images: int,
        device: torch.device,
        largest: int,
    ) -> None:
        self._network, self._predict = network, predict
        self._factors, self._images = factors, images
        self.device = device
        self._side = largest

    @property
    def halo(self) -> int:
        """Pixels around a tile that are seen, since they change what it becomes."""
        return halo_of(self._network, self._factors)

    @property
    def step(self) -> int:
        """Pixels by whose multiples a tile must be shifted to be filled alike."""
        return self._network.step * math.lcm(*self._factors)

    def fill(
        self,
        plane: Plane,
        reader: Reader,
        config: FillingConfig,
        spread_of: SpreadOf | None = None,
        *,
        within: Window | None = None,
    ) -> Generator[Filled, None, None]:
        """Fill a plane, or a part of one.

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
        within : tuple of slice, optional
            The part; all of it if None.

        Yields
        ------
        Filled
            After every pass, and with every tile's result.
        """
        waiting = deque(self._tiles(plane, within))
        total = sum(_area(tile) for tile in waiting)
        done = 0
        while waiting:
            tile = waiting.popleft()
            part = _area(tile)
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
                waiting = deque(
                    t for old in again for t in self._tiles(plane, old.core)
                )

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
        noisy = read.image
        if config.hot_pixels:
            noisy = without_hot_pixels(
                noisy, self._predict, images=self._images, void=read.void
            )
        passes = finish(
            noisy,
            self._predict,
            config,
            at=tile.at,
            models=self.models if plane.is_usual else None,
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

    def _tiles(self, plane: Plane, within: Window | None) -> list[Tile]:
        """Cut a plane, or a part of it, into tiles that fit the memory."""
        room = free_memory(self.device) * _SHARE
        room /= bytes_per_pixel(self._network.config) * self._images
        fitting = (math.isqrt(int(room)) - 2 * self.halo) // self.step * self.step
        side = max(SMALLEST, min(self._side, fitting))
        shape = plane.layout.plane_shape
        return tiles(shape, side, halo=self.halo, step=self.step, within=within)

    def _halve(self, tile: Tile) -> None:
        largest = max(side.stop - side.start for side in tile.core)
        self._side = max(SMALLEST, min(self._side, largest) // 2)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        warnings.warn(
            f"the memory of {describe_device(self.device)} is full, so tiles of"
            f" {self._side} x {self._side} pixels are filled from here on",
            stacklevel=2,
        )


def largest_tile(asked: int | None, config: FillingConfig, device: torch.device) -> int:
    """Return the rows and columns of a tile at the most, without its halo.

    Parameters
    ----------
    asked : int, optional
        What was asked for; as a device is fastest if None.
    config : FillingConfig
        Precision is read from it.
    device : torch.device
        Where to work.
    """
    if asked is not None:
        return asked
    is_held_up = device.type == "cpu" and config.precision == "bfloat16"
    return min(HALVED, LARGEST) if is_held_up else LARGEST


def halo_of(network: FillingNetwork, factors: tuple[int, ...]) -> int:
    """Return how many pixels around a tile are seen.

    Parameters
    ----------
    network : FillingNetwork
        Which fills it.
    factors : tuple of int
        Into how many pieces along each axis it takes an image apart.
    """
    return min(SEEN, network.reach) * max(factors)


def _area(tile: Tile) -> int:
    return math.prod(side.stop - side.start for side in tile.core)


def bytes_per_pixel(network: NetworkConfig) -> int:
    """Return what filling takes of the memory for every pixel, about."""
    maps = _MAPS * network.width
    if network.architecture == "residual":
        maps //= 4  # at half resolution
    return 4 * (maps + _IMAGES * network.channels)
