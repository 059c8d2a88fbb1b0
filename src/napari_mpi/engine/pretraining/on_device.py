"""Training images in the memory of a GPU, and crops that are cut there.

Cutting on the processor gave a fast GPU some 7,000 crops a second, whatever it was
training; there it takes well below a millisecond for 128.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_mpi.engine.pretraining.crops import CropPlan, sent, turn
from napari_mpi.engine.pretraining.images import TrainingImage

_SHARE = 0.3  # of a GPU's free memory, at most, is filled with images
_PLANES = 3  # that are looked at for each crop; a grey image's plane, three times
_WHOLE = (1.0, 0.0, 0.0)  # of the planes of a grey image


class ImagesOnDevice:
    """All images on one device, plane after plane, from 0 to 1.

    Parameters
    ----------
    images : sequence of TrainingImage
        All of them in memory.
    device : torch.device
        Where they go.
    """

    def __init__(self, images: Sequence[TrainingImage], device: torch.device) -> None:
        self.channels = np.array([image.shape[0] for image in images])
        self.rows, self.columns = (
            np.array([image.shape[axis] for image in images]) for axis in (1, 2)
        )
        sizes = self.channels * self.rows * self.columns
        self.firsts = np.concatenate([[0], sizes.cumsum()[:-1]])
        self.pixels = torch.empty(int(sizes.sum()), device=device)
        for image, first, size in zip(images, self.firsts, sizes, strict=True):
            self.pixels[first : first + size] = _levels(image).to(device).flatten()

    @classmethod
    def that_fit(
        cls, images: Sequence[TrainingImage], device: torch.device
    ) -> "ImagesOnDevice | None":
        """Return the images on a GPU; None if it has no room, or there is no GPU."""
        if device.type != "cuda" or any(image.array is None for image in images):
            return None
        needed = 4 * sum(int(np.prod(image.shape)) for image in images)
        free, _ = torch.cuda.mem_get_info(device)
        return cls(images, device) if needed <= _SHARE * free else None

    def cut(self, plan: CropPlan) -> "CropsOnDevice":
        """Return crops that are cut once they are asked for."""
        number = plan.images
        area = self.rows[number] * self.columns[number]
        corner = plan.corners[:, 0] * self.columns[number] + plan.corners[:, 1]
        plane = np.minimum(np.arange(_PLANES), self.channels[number, None] - 1)
        firsts = (self.firsts[number] + corner)[:, None] + plane * area[:, None]
        steps = np.array([view.step for view in plan.views])
        strides = np.stack([self.columns[number], steps], axis=1)
        return CropsOnDevice(self.pixels, plan, firsts, strides, self._mixture(plan))

    def _mixture(self, plan: CropPlan) -> NDArray[np.float32]:
        """Return weights of the planes, and an offset, for each crop: (N, 4)."""
        greys = self.channels[plan.images] == 1
        rows = [
            (*_WHOLE, 0.0) if is_grey else (*view.weights, view.offset)
            for is_grey, view in zip(greys, plan.views, strict=True)
        ]
        return np.array(rows, np.float32)


@dataclass(frozen=True, slots=True)
class CropsOnDevice:
    """Crops of images on a device, not cut yet.

    Parameters
    ----------
    pixels : Tensor
        All pixels of all images, on the device.
    plan : CropPlan
        Where the crops are.
    firsts : NDArray
        Shape (N, 3), int64: where the crop begins in each plane.
    strides : NDArray
        Shape (N, 2), int64: columns of its image, and its view's step.
    mixture : NDArray
        Shape (N, 4), float32: weights of the planes and offset of a grey crop.
    """

    pixels: Tensor
    plan: CropPlan
    firsts: NDArray[np.int64]
    strides: NDArray[np.int64]
    mixture: NDArray[np.float32]

    def to(self, device: torch.device | str) -> Tensor:
        """Return the crops: (N, C, Y, X), float32, 0..1, turned."""
        device = self.pixels.device
        firsts = sent(self.firsts, device)[..., None, None]
        columns, step = sent(self.strides, device).T.reshape(2, -1, 1, 1, 1)
        place = torch.arange(self.plan.size, device=device)
        below, beside = place[:, None] * step, place * step
        inside = firsts + below * columns + beside
        planes = self._looked_at(inside, columns, step)
        if self.plan.channels == 1:
            mixture = sent(self.mixture, device)[..., None, None]
            planes = (planes * mixture[:, :_PLANES]).sum(dim=1, keepdim=True)
            planes = planes + mixture[:, _PLANES:]
        return turn(planes, sent(self.plan.turned, device))

    def _looked_at(self, inside: Tensor, columns: Tensor, step: Tensor) -> Tensor:
        """Return the planes at full or half size: of a pixel or four, the mean."""
        if not any(view.step > 1 for view in self.plan.views):
            return self.pixels[inside]
        across = step - 1  # 0 or 1: a pixel is its own neighbour at full size
        down = across * columns
        return (
            self.pixels[inside]
            + self.pixels[inside + across]
            + self.pixels[inside + down]
            + self.pixels[inside + down + across]
        ) / 4


def _levels(image: TrainingImage) -> Tensor:
    """Return a plane from 0 to 1, (C, Y, X)."""
    array: NDArray[Any] = np.asarray(image.array, np.float32)
    return torch.from_numpy(
        (array - np.float32(image.low)) / np.float32(image.high - image.low)
    )
