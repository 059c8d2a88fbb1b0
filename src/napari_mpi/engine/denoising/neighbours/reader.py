"""Reads the planes of an item for a network: each with what its neighbours add."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from types import MappingProxyType
from typing import Generic, TypeVar

import torch

from napari_mpi.engine.denoising.neighbours.agreement import Agreement, agreement
from napari_mpi.engine.denoising.neighbours.average import averaged
from napari_mpi.engine.denoising.neighbours.places import Reach, beside
from napari_mpi.engine.denoising.noisy import Noisy
from napari_mpi.engine.denoising.planes import Plane
from napari_mpi.engine.denoising.sampling.take import Sample
from napari_mpi.engine.filling.merging import NoiseModels, Predict
from napari_mpi.engine.images.arrays import ArrayLike
from napari_mpi.engine.images.tiles import Window
from napari_mpi.engine.runtime.devices import free_memory

T = TypeVar("T", Noisy, Agreement)

_SHARE = 0.2  # of the free memory, for what may be needed again


class Reader:
    """Reads windows of planes, each by itself.

    Parameters
    ----------
    image : ArrayLike
        What the planes are in.
    channels : int
        Those of the network.
    device : torch.device
        Where the windows are wanted.
    planes : sequence of Plane
        All planes of the item, in its order.
    """

    models: NoiseModels | None = None
    """Noise of the planes by themselves; None where it is not known yet."""
    reach: Reach = MappingProxyType({})
    """How far is looked beside a plane."""

    def __init__(
        self,
        image: ArrayLike,
        channels: int,
        device: torch.device,
        planes: Sequence[Plane],
    ) -> None:
        self.image, self.channels, self.device = image, channels, device
        self.planes = planes

    @property
    def is_quick(self) -> bool:
        """Whether nothing is predicted on the way."""
        return not self.reach or self.device.type != "cpu"

    def read(self, plane: Plane, window: Window | None = None) -> Noisy:
        """Read a window of a plane; all of it if None.

        Raises
        ------
        ImageError
            If it holds whole numbers that cannot be computed with.
        """
        return plane.read(self.image, self.channels, window).to(self.device)

    def windows(self, sample: Sample) -> list[Noisy]:
        """Return the windows of a sample, as what is read of the planes is."""
        return sample.noisy(sample.windows, self.channels)

    def forget(self) -> None:
        """Free what is kept for other planes."""


class AveragingReader(Reader):
    """Reads windows of planes, averaged with those beside them where they agree.

    What was read and compared is kept while there is room, since the planes next to it
    need it too.

    Parameters
    ----------
    plain : Reader
        Reads them by themselves.
    reach : mapping
        How far to look.
    predict : callable
        Predicts with the network as it was before any adaptation.
    models : tuple of tuple of NoiseModel
        Noise by image and channel of the planes by themselves.
    """

    def __init__(
        self,
        plain: Reader,
        *,
        reach: Reach,
        predict: Predict,
        models: NoiseModels,
    ) -> None:
        super().__init__(plain.image, plain.channels, plain.device, plain.planes)
        self._at = {plane.layout.numbers(plane.index): plane for plane in plain.planes}
        self.reach, self._predict, self.models = reach, predict, models
        room = int(_SHARE * free_memory(self.device) / 2)
        self._read, self._compared = _Kept[Noisy](room), _Kept[Agreement](room)

    def read(self, plane: Plane, window: Window | None = None) -> Noisy:
        """Read a window of a plane, and average it; see `Reader.read`."""
        own = self._alone(plane, window)
        if own.is_void or not plane.is_usual:
            return own
        assert self.models is not None
        found = list(self._agreements(plane, window))
        return averaged(own, found, self.models) if found else own

    def windows(self, sample: Sample) -> list[Noisy]:
        """Return the windows of a sample, averaged; see `Reader.windows`."""
        cuts = sample.windows
        return [self.read(self.planes[cut.plane], cut.window) for cut in cuts]

    def forget(self) -> None:
        """Free what is kept for other planes; it is read and compared again."""
        self._read.clear()
        self._compared.clear()

    def _agreements(self, plane: Plane, window: Window | None) -> Iterator[Agreement]:
        for index in beside(plane.layout, plane.index, self.reach):
            other = self._at[plane.layout.numbers(index)]
            # What is far brighter than all others is no picture of the same scene.
            if other.is_usual and not self._alone(other, window).is_void:
                yield self._compare(plane, other, window)

    def _compare(self, plane: Plane, other: Plane, window: Window | None) -> Agreement:
        """Compare two planes, once for both."""
        if other.number < plane.number:
            return self._compare(other, plane, window).reversed()
        assert self.models is not None
        models = self.models
        return self._compared.made(
            (plane.number, other.number, str(window)),
            lambda: agreement(
                self._alone(plane, window),
                self._alone(other, window),
                self._predict,
                models,
            ),
        )

    def _alone(self, plane: Plane, window: Window | None) -> Noisy:
        key = (plane.number, str(window))
        return self._read.made(
            key, lambda: super(AveragingReader, self).read(plane, window)
        )


class _Kept(Generic[T]):
    """What was made last, as much of it as there is room for."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._made: OrderedDict[tuple[object, ...], T] = OrderedDict()

    def made(self, key: tuple[object, ...], make: Callable[[], T]) -> T:
        """Return what there is, or make it."""
        if key not in self._made:
            self._made[key] = make()
        self._made.move_to_end(key)
        while len(self._made) > 1 and self._taken > self._room:
            self._made.popitem(last=False)
        return self._made[key]

    def clear(self) -> None:
        """Let go of it all."""
        self._made.clear()

    @property
    def _taken(self) -> int:
        return sum(kept.nbytes for kept in self._made.values())
