"""Folders of images to pre-train on: what is in them, and random crops of it."""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.files.formats import PICTURE, TIFF, read_image
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.images.intensity import require_finite
from napari_mpi.engine.pretraining.views import WHOLE_LUMA, View
from napari_mpi.engine.runtime.errors import EngineError, ImageError, ImageFileError
from napari_mpi.engine.runtime.folders import files_below
from napari_mpi.engine.runtime.jobs import Job
from napari_mpi.engine.runtime.memory import total_memory
from napari_mpi.engine.runtime.whole_files import sha256_of

Array = NDArray[np.generic]

_TELL_INTERVAL = 0.1  # seconds
_HELD_OUT_SHARE, _HELD_OUT_MOST = 0.05, 16


@dataclass(frozen=True, slots=True)
class ReadingSnapshot:
    """How far a folder has been read.

    Parameters
    ----------
    files, total : int
        Files looked at, and how many there are.
    """

    files: int
    total: int


@dataclass(slots=True)
class TrainingImage:
    """One plane to crop from: grey or three colours, 0..1 once cropped.

    Parameters
    ----------
    path : Path
        Its file.
    plane : int
        Its number in the file.
    shape : tuple of int
        (C, Y, X), C being 1 or 3.
    low, high : float
        The intensities of its file and channel that become 0 and 1: the limits of
        8-bit files, the extremes found in others.
    array : NDArray, optional
        The plane in the file's type; None if it is read again when needed.
    item : int
        Number of its channel in the file: planes of one follow each other in a stack.
    """

    path: Path
    plane: int
    shape: tuple[int, int, int]
    low: float
    high: float
    array: Array | None = field(default=None, repr=False)
    item: int = 0

    def is_beside(self, other: "TrainingImage", planes: int) -> bool:
        """Whether it comes so many planes after another in the same stack."""
        ours, theirs = (self.path, self.item), (other.path, other.item)
        return ours == theirs and self.plane == other.plane + planes

    def crop(
        self, top: int, left: int, size: int, channels: int, view: View = WHOLE_LUMA
    ) -> NDArray[np.float32]:
        """Return a square of the plane as (channels, size, size), about 0..1.

        Colour becomes grey as the view says, grey becomes colour by repetition. Of a
        view at half size, the square takes twice the size in the plane.
        """
        part = self.cut(top, left, size, channels, view).astype(np.float32)
        return (part - np.float32(self.low)) / np.float32(self.high - self.low)

    def cut(
        self, top: int, left: int, size: int, channels: int, view: View = WHOLE_LUMA
    ) -> Array:
        """Return what `crop` does, in the units of the file."""
        whole = self.array if self.array is not None else self._read_again()
        reach = size * view.step
        part: Array = whole[:, top : top + reach, left : left + reach]
        if view.step > 1:
            part = view.shrunk(part)
        if len(part) == channels:
            return part
        if channels == 1:
            return view.grey(part, self.low, self.high)
        return np.broadcast_to(part, (channels, size, size))

    def _read_again(self) -> Array:
        image = read_image(self.path)
        layout = ImageAxes(image.axes, image.array.shape)
        return layout.channels_first(image.array[layout.planes()[self.plane]])


@dataclass(frozen=True, slots=True)
class TrainingImages:
    """What a folder offers to pre-training.

    Parameters
    ----------
    folder : Path
        Where it was read from.
    images : tuple of TrainingImage
        Every plane of every usable file, in the order of the files' names.
    left_out : tuple of (str, str)
        Name and reason of each file that is not used.
    fingerprint : str
        sha256 over the names and contents of the usable files.
    """

    folder: Path
    images: tuple[TrainingImage, ...] = field(repr=False)
    left_out: tuple[tuple[str, str], ...]
    fingerprint: str

    @property
    def files(self) -> int:
        """Number of usable files."""
        return len({image.path for image in self.images})

    def split(
        self, rng: np.random.Generator
    ) -> tuple[list[TrainingImage], list[TrainingImage]]:
        """Part the images into those to train on and those held out, by files.

        One file in twenty, at least one and at most 16, is held out. A single file
        must serve as both.
        """
        paths = sorted({image.path for image in self.images})
        if len(paths) == 1:
            return list(self.images), list(self.images)
        count = min(max(1, round(_HELD_OUT_SHARE * len(paths))), _HELD_OUT_MOST)
        chosen = {paths[n] for n in rng.choice(len(paths), count, replace=False)}
        training = [image for image in self.images if image.path not in chosen]
        return training, [image for image in self.images if image.path in chosen]


def read_training_images(
    folder: Path, *, smallest_side: int, memory: int | None = None
) -> Job[ReadingSnapshot, TrainingImages]:
    """Read all images of a folder and of the folders in it.

    Files of other kinds, unreadable ones and those with a side below ``smallest_side``
    are left out and listed, hidden files are passed over. Of a stack each plane counts
    as an image, each channel by itself; opacity is dropped.

    Parameters
    ----------
    folder : Path
        Holds TIFF, PNG and JPEG files, mixed at will.
    smallest_side : int
        Pixels that each side must have, the size of a crop.
    memory : int, optional
        Bytes of pixels to keep; images beyond are read again for each crop. A quarter
        of the machine's memory if None.

    Yields
    ------
    ReadingSnapshot
        Ten times a second, and at the end.

    Raises
    ------
    ImageFileError
        If the folder is missing, or holds no usable image.
    """
    paths = _files_in(folder)
    left = memory if memory is not None else total_memory() // 4
    images: list[TrainingImage] = []
    left_out: list[tuple[str, str]] = []
    digest, told = hashlib.sha256(), time.monotonic()
    for number, path in enumerate(paths, 1):
        name = path.relative_to(folder).as_posix()
        try:
            planes = _planes_of(path, smallest_side)
            content = _digest_of(path)
        except EngineError as error:
            left_out.append((name, str(error)))
        else:
            digest.update(name.encode() + b"\0" + content)
            for image in planes:
                left -= 0 if image.array is None else image.array.nbytes
                image.array = image.array if left >= 0 else None
            images += planes
        if time.monotonic() - told >= _TELL_INTERVAL or number == len(paths):
            yield ReadingSnapshot(number, len(paths))
            told = time.monotonic()
    if not images:
        raise ImageFileError(_nothing_usable(folder, left_out))
    return TrainingImages(folder, tuple(images), tuple(left_out), digest.hexdigest())


def _files_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ImageFileError(f"there is no folder {folder}: check the path")
    return sorted(
        path
        for path in files_below(folder)
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _planes_of(path: Path, smallest_side: int) -> list[TrainingImage]:
    """Return the planes of one file, or raise EngineError saying why there are none."""
    if not (TIFF.names(path) or PICTURE.names(path)):
        raise ImageFileError("it is no TIFF, PNG or JPEG file")
    image = read_image(path)
    layout = ImageAxes(image.axes, image.array.shape)
    require_finite(image.array)
    sides = [image.array.shape[image.axes.index(letter)] for letter in "YX"]
    if min(sides) < smallest_side:
        raise ImageError(
            f"it has {sides[0]} x {sides[1]} pixels, and a crop needs {smallest_side}"
        )
    found = list(_varying_planes(path, image.array, layout))
    if not found:
        raise ImageError("it is constant")
    return found


def _varying_planes(
    path: Path, array: Array, layout: ImageAxes
) -> Iterator[TrainingImage]:
    """Pass over planes without structure: they would teach nothing."""
    number = -1
    for item_number, item in enumerate(layout.items()):
        planes = [layout.channels_first(array[index]) for index in item]
        low, high = _limits(planes)
        for plane in planes:
            number += 1
            if plane.min() < plane.max():
                shape = (len(plane), *plane.shape[1:])
                kept = np.ascontiguousarray(plane)
                yield TrainingImage(path, number, shape, low, high, kept, item_number)


def _limits(planes: list[Array]) -> tuple[float, float]:
    if planes[0].dtype == np.uint8:
        return 0.0, 255.0
    lows, highs = zip(*((plane.min(), plane.max()) for plane in planes), strict=True)
    return float(min(lows)), float(max(highs))


def _digest_of(path: Path) -> bytes:
    try:
        return bytes.fromhex(sha256_of(path))
    except OSError as error:
        raise ImageFileError(f"it cannot be read: {error.strerror}") from error


def _nothing_usable(folder: Path, left_out: list[tuple[str, str]]) -> str:
    if not left_out:
        return f"the folder {folder} is empty: put TIFF, PNG or JPEG files there"
    name, reason = left_out[0]
    return (
        f"the folder {folder} holds no usable image, out of {len(left_out)} files; the"
        f" first, {name}: {reason}"
    )
