"""Pixels of DICOM files, decoded a plane at a time."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.files.arrays import PagedArray
from napari_mpi.engine.images.axes import Index
from napari_mpi.engine.runtime.errors import ImageFileError

Array = NDArray[np.generic]

_CACHE = 1 << 26  # bytes of decoded planes that are kept
_UNPACK = (
    "run pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg, or save it"
    " without compression"
)


class DicomArray(PagedArray):
    """Planes that are decoded from their files when they are asked for.

    Any thread may read.

    Parameters
    ----------
    pydicom : module
        The package.
    planes : sequence of (Path, int)
        File and number in it of every plane, in order.
    outer : tuple of int
        Lengths of the dimensions that count the planes.
    plane : tuple of int
        Shape of a plane.
    dtype : numpy.dtype
        Type.
    syntax : UID, optional
        How the pixels are packed, for files that do not say it, or say a wrong number
        of frames.
    """

    def __init__(
        self,
        pydicom: Any,
        planes: Sequence[tuple[Path, int]],
        outer: tuple[int, ...],
        plane: tuple[int, ...],
        dtype: Any,
        syntax: Any = None,
    ) -> None:
        super().__init__(outer, plane, np.dtype(dtype))
        self._pydicom, self._planes, self._plane_shape = pydicom, planes, plane
        self._syntax = syntax
        self._cache: OrderedDict[int, Array] = OrderedDict()
        self._lock = threading.Lock()

    def read_page(self, number: int, inside: Index) -> Array:
        """Return a part of one plane.

        Raises
        ------
        ImageFileError
            If a file is gone or damaged.
        """
        return self._plane(number)[inside]

    def _plane(self, number: int) -> Array:
        with self._lock:
            if number not in self._cache:
                self._cache[number] = self._decoded(*self._planes[number])
                plane = self._cache[number].nbytes
                while len(self._cache) > 1 and len(self._cache) * plane > _CACHE:
                    self._cache.popitem(last=False)
            self._cache.move_to_end(number)
            return self._cache[number]

    def _decoded(self, path: Path, number: int) -> Array:
        try:
            found = self._pydicom.pixels.pixel_array(self._of(path), index=number)
            plane = np.asarray(found, self.dtype)
            if plane.shape != self._plane_shape:
                raise ValueError(f"a plane has the shape {plane.shape}")
        except Exception as error:  # decoders raise whatever damage provokes
            reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            raise ImageFileError(
                f"{path} is damaged or was changed, or packed in a rare way: {reason};"
                f" copy it again, or {_UNPACK}"
            ) from error
        return plane

    def _of(self, path: Path) -> Any:
        """Return what pydicom decodes: the file, or its data set with the syntax."""
        if self._syntax is None:
            return path
        data = self._pydicom.dcmread(path, force=True)
        data.file_meta.TransferSyntaxUID = self._syntax
        data.NumberOfFrames = sum(file == path for file, _ in self._planes)
        return data


def require_decoder(pydicom: Any, path: Path, header: Any) -> None:
    """Raise ImageFileError unless the pixels of a file can be unpacked here.

    Parameters
    ----------
    pydicom : module
        The package.
    path : Path
        Folder or file.
    header : pydicom.Dataset
        Of a file, with its transfer syntax.
    """
    syntax = header.file_meta.TransferSyntaxUID
    try:
        available = pydicom.pixels.get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise ImageFileError(
            f"{path} is packed as {syntax.name}, which cannot be unpacked here:"
            f" {_UNPACK}"
        )
