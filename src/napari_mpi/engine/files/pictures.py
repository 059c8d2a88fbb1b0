"""PNG and JPEG files in, as people see them and with all of their values."""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from napari_mpi.engine.files.metadata import Calibration, ImageFile, Metadata
from napari_mpi.engine.files.patience import require_memory

Array = NDArray[np.generic]

_ORIENTATION = 0x0112  # the EXIF tag
# What is turned to be upright: whether rows become columns, and what is then flipped.
_TURNS = {
    2: (False, "X"), 3: (False, "YX"), 4: (False, "Y"),
    5: (True, ""), 6: (True, "X"), 7: (True, "YX"), 8: (True, "Y"),
}  # fmt: skip
_PNG = b"\x89PNG\r\n\x1a\n"
_INKS = ("CMYK", "YCCK")
_NOTES = {
    "P": "its palette is resolved: what is denoised are colours (RGB)",
    "PA": "its palette is resolved: what is denoised are colours (RGB)",
    "CMYK": "its inks (CMYK) are converted to colours (RGB)",
    "YCCK": "its inks (CMYK) are converted to colours (RGB)",
}
_lock = threading.Lock()


def read_picture(path: Path, *, lazy: bool = False) -> ImageFile:
    """Read a PNG or JPEG file; animated ones have the axis T.

    Inks and palettes become colours, opacity of grey is dropped, what a camera held
    sideways is turned; each is told by a note.

    Parameters
    ----------
    path : Path
        The file.
    lazy : bool
        Makes no difference: pictures are read whole.

    Raises
    ------
    ImageFileError
        If it does not fit into the memory.
    """
    del lazy
    with _any_size(), Image.open(path) as picture:
        bits = 16 if _has_16_bits(path) else 8
        count = _frames(picture)
        _require_memory(path, picture, count, bits)
        notes = [_NOTES[picture.mode]] if picture.mode in _NOTES and bits == 8 else []
        # Pillow makes 8 bits of 16.
        array = _values_of_16_bits(path, count) if bits == 16 else _values(picture)
        orientation = picture.getexif().get(_ORIENTATION, 1)
        step = float(picture.info.get("duration") or 0)
    array, axes, dropped = _named(array, "T" if count > 1 else "")
    array, turned = _upright(array, axes, orientation)
    steps = {"T": (step, "ms")} if count > 1 and step > 0 else {}
    metadata = Metadata(calibration=Calibration(steps))
    return ImageFile(array, axes, metadata, notes=(*notes, *dropped, *turned))


@contextmanager
def _any_size() -> Iterator[None]:
    """Lift Pillow's limit, which is meant for files of strangers on a server."""
    with _lock:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _has_16_bits(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(25)
    return start[:8] == _PNG and start[24:] == b"\x10"


def _frames(picture: Any) -> int:
    """Return how many frames are shown; other pictures in a photograph's file are not.

    The first image of an animation may be meant only for those who show no animations.
    """
    if picture.format == "MPO":
        return 1
    still = bool(getattr(picture, "default_image", False))
    return int(getattr(picture, "n_frames", 1)) - still or 1


def _require_memory(path: Path, picture: Any, count: int, bits: int) -> None:
    samples = max(3, len(picture.getbands()))
    size = math.prod(picture.size) * count * samples * bits // 8
    require_memory(path, 2 * size)  # decoded, and as an array


def _values(picture: Any) -> Array:
    mode = _mode(picture)
    if _frames(picture) == 1:
        return np.array(picture if mode == picture.mode else picture.convert(mode))
    frames = [
        np.array(frame if mode == frame.mode else frame.convert(mode))
        for frame in ImageSequence.Iterator(picture)
    ]
    return np.stack(frames[-_frames(picture) :])


def _mode(picture: Any) -> str:
    """Return the mode of Pillow in which a picture's values are intensities."""
    mode = str(picture.mode)
    if mode in ("P", "PA"):
        return "RGBA" if mode == "PA" or "transparency" in picture.info else "RGB"
    return "RGB" if mode in (*_INKS, "YCbCr", "LAB", "HSV") else mode


def _values_of_16_bits(path: Path, count: int) -> Array:
    content = path.read_bytes()
    if count == 1:
        return np.asarray(imagecodecs.png_decode(content))
    return np.asarray(imagecodecs.apng_decode(content))[-count:]


def _named(array: Array, outer: str) -> tuple[Array, str, list[str]]:
    """Return values, their axes, and what was left out of them."""
    inside = array.ndim - len(outer)
    if inside == 2:
        return array, f"{outer}YX", []
    if array.shape[-1] == 2:
        return array[..., 0].copy(), f"{outer}YX", ["its opacity (alpha) is left out"]
    return array, f"{outer}YXS", []


def _upright(array: Array, axes: str, orientation: int) -> tuple[Array, list[str]]:
    """Return a picture as its EXIF data say that it is to be shown, and a note."""
    if orientation not in _TURNS:
        return array, []
    is_swapped, flipped = _TURNS[orientation]
    if is_swapped:
        array = array.swapaxes(axes.index("Y"), axes.index("X"))
    array = np.flip(array, tuple(axes.index(letter) for letter in flipped))
    said = f"it is turned to be upright, as its EXIF orientation {orientation} says"
    return np.ascontiguousarray(array), [said]
