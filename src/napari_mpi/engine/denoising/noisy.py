"""A window of a plane as a network takes it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from napari_mpi.engine.filling.masks import numbers_at
from napari_mpi.engine.filling.merging import Averaged
from napari_mpi.engine.images.intensity import IntensityMap, without
from napari_mpi.engine.images.marks import Mark, MarkRule, Marks, is_void
from napari_mpi.engine.noise.level import white_noise_level
from napari_mpi.engine.noise.smoothing import filled_in, void_of

Array = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Noisy:
    """A window of a plane as a network takes it.

    Parameters
    ----------
    image : Tensor
        Shape (N, channels, Y, X), in network units, see `as_tensor`; what is no
        measurement is made of local means and noise as strong as there.
    marks : Tensor, optional
        Shape (N, 1, Y, X), uint8, see `Mark`; None where all is measured.
    averaged : Averaged, optional
        What ``image`` was before it was averaged with planes beside it; None if it was
        not.
    """

    image: torch.Tensor
    marks: torch.Tensor | None = None
    averaged: Averaged | None = None

    def to(self, device: torch.device) -> "Noisy":
        """Return it on a device."""
        marks = None if self.marks is None else self.marks.to(device)
        averaged = self.averaged and Averaged(*(a.to(device) for a in self.averaged))
        return Noisy(self.image.to(device), marks, averaged)

    @property
    def is_void(self) -> bool:
        """Whether nothing of it is a measurement."""
        return self.marks is not None and bool((self.marks >= Mark.CONSTANT).all())

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        parts = (self.image, self.marks, *(self.averaged or ()))
        return sum(part.nbytes for part in parts if part is not None)

    @property
    def area(self) -> int:
        """Number of pixels."""
        rows, columns = self.image.shape[-2:]
        return int(rows * columns)

    def corner(self, rows: int, columns: int) -> "Noisy":
        """Return its first rows and columns."""
        marks = None if self.marks is None else self.marks[..., :rows, :columns]
        return Noisy(self.image[..., :rows, :columns], marks)

    @property
    def void(self) -> torch.Tensor | None:
        """Pixels that are no measurement, shape (N, 1, Y, X), bool."""
        return void_of(self.marks)


def kept_marks(marks: torch.Tensor | None, *, hot: bool) -> Marks | None:
    """Return marks (Y, X) by which pixels are left as they are.

    Parameters
    ----------
    marks : Tensor, optional
        Shape (N, 1, Y, X); None where all is measured.
    hot : bool
        Whether hot pixels are filled, and so not left.
    """
    if marks is None:
        return None
    told: Marks = marks[0, 0].to("cpu").numpy()
    if not hot:
        return told
    return np.where(told == Mark.HOT, np.uint8(Mark.MEASURED), told)


def together(parts: Sequence[Noisy]) -> Noisy:
    """Return windows of one size as one batch, in their order.

    Parameters
    ----------
    parts : sequence of Noisy
        At least one.
    """
    images = torch.cat([part.image for part in parts])
    if all(part.marks is None for part in parts):
        return Noisy(images)
    marks = [
        torch.zeros_like(part.image[:, :1], dtype=torch.uint8)
        if part.marks is None
        else part.marks
        for part in parts
    ]
    return Noisy(images, torch.cat(marks))


def as_noisy(
    values: Array,
    intensities: IntensityMap,
    rule: MarkRule,
    channels: int,
    *,
    at: tuple[int, int] = (0, 0),
) -> Noisy:
    """Map a window (C, Y, X) in the image's units for a network of so many channels.

    What is no measurement goes on as it is around: where it were smooth, or hidden over
    more than a few pixels, a network would see structure there, and pixels nearby would
    feel it.

    Parameters
    ----------
    values : NDArray
        Shape (C, Y, X), in the image's units.
    intensities : IntensityMap
        The item's.
    rule : MarkRule
        The item's.
    channels : int
        Those of the network.
    at : tuple of int
        Row and column of the plane where the window begins; the noise goes by it.
    """
    marks = rule.marks(values)
    if marks is None:
        return Noisy(as_tensor(intensities.to_network(values), channels))
    void = is_void(marks)
    if void.all():
        values = np.zeros_like(values)
    elif void.any():
        values = without(values, void)
    image = as_tensor(intensities.to_network(values), channels)
    told = torch.from_numpy(marks)[None, None].expand(image.shape[0], -1, -1, -1)
    hidden = torch.from_numpy(void)[None, None]
    if void.any():
        image = _gone_on(image, hidden, at)
    return Noisy(image, told.contiguous())


def _gone_on(
    image: torch.Tensor, void: torch.Tensor, at: tuple[int, int]
) -> torch.Tensor:
    """Fill what is no measurement with local means, and noise as strong as around."""
    void = void.expand(image.shape[0], -1, -1, -1)
    drawn = numbers_at(image.shape, 256, seed=(0, 2), at=at, device="cpu")
    noise = (drawn.to(image.dtype) - 127.5) * (12**0.5 / 256)  # of variance 1
    planes, voids = image.flatten(0, 1).numpy(), void[:, 0].numpy()
    voids = np.repeat(voids, image.shape[1], axis=0)
    levels = torch.tensor(
        [white_noise_level(*pair) for pair in zip(planes, voids, strict=True)]
        if min(image.shape[-2:]) > 2 else [0.0] * len(planes),
        dtype=image.dtype,
    )  # fmt: skip
    smooth = filled_in(image, void)
    noise *= levels.reshape(*image.shape[:2], 1, 1)
    return torch.where(void, smooth + noise, image)


def as_tensor(colours: NDArray[np.float32], channels: int) -> torch.Tensor:
    """Arrange (C, Y, X) in network units for a network of so many channels.

    One channel takes the opponents of colours as images, (C, 1, Y, X); three take a
    grey plane three times, (1, 3, Y, X).
    """
    plane = torch.from_numpy(np.ascontiguousarray(colours))
    if channels == 1:
        return plane[:, None]
    return plane.expand(channels, -1, -1)[None].contiguous()
