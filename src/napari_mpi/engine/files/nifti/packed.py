"""Pixels of compressed NIfTI files, unpacked to the disk when they are first read."""

import gzip
import threading
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.files.arrays import FileStamp
from napari_mpi.engine.files.blocks import BLOCK, Rearranged, blocks
from napari_mpi.engine.images.arrays import LazyArray
from napari_mpi.engine.images.axes import Index
from napari_mpi.engine.images.results import DiskArray
from napari_mpi.engine.runtime.errors import ImageFileError

_DENSEST = 1032  # bytes that gzip packs into one, at the most


class UnpackedArray(LazyArray):
    """An array in a file packed with gzip, whose first dimension runs fastest.

    Nothing of such a file can be read without all that is before it: it is unpacked
    whole into a temporary file when a part is first asked for. Any thread may read.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int
        Shape.
    dtype : numpy.dtype
        Type in the file, with its byte order; what is read has that of the machine.
    offset : int
        Unpacked bytes before the first element.
    """

    def __init__(
        self, path: Path, shape: tuple[int, ...], dtype: Any, offset: int
    ) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype).newbyteorder("=")
        self._stored, self._offset = np.dtype(dtype), offset
        self._stamp, self._lock = FileStamp.of(path), threading.Lock()
        if offset + self.nbytes > _DENSEST * self._stamp.size:
            raise ImageFileError(
                f"{path} is damaged: its {self._stamp.size} bytes cannot hold the"
                f" {offset + self.nbytes} that its header tells of; copy it again"
            )
        self._unpacked: Rearranged | None = None

    def read(self, index: Index) -> NDArray[np.generic]:
        """Return a part.

        Raises
        ------
        ImageFileError
            If the file is damaged, or there is no room to unpack it.
        """
        with self._lock:
            if self._unpacked is None:
                self._unpacked = self._unpack_to_disk()
        return self._unpacked[index]

    def whole(self) -> NDArray[np.generic]:
        """Return everything, unpacked in memory.

        Raises
        ------
        ImageFileError
            If the file is damaged.
        """
        array = np.empty(self.shape[::-1], self.dtype)
        self._unpack(array)
        return array.transpose()

    def _unpack_to_disk(self) -> Rearranged:
        try:
            disk = DiskArray(self.shape[::-1], self.dtype)
        except OSError as error:
            raise ImageFileError(
                f"{self._stamp.path} cannot be unpacked ({error.strerror or error}):"
                " make room on the disk of temporary files"
            ) from error
        self._unpack(disk)
        return Rearranged(disk, range(self.ndim)[::-1])

    def _unpack(self, target: Any) -> None:
        path, stored = self._stamp.path, self._stored
        self._stamp.require_unchanged()
        try:
            with gzip.open(path) as file:
                for start in range(0, self._offset, BLOCK):
                    file.read(min(BLOCK, self._offset - start))
                for index in blocks(target.shape, stored.itemsize):
                    sizes = np.broadcast_to(0, target.shape)[index].shape
                    content = file.read(int(np.prod(sizes)) * stored.itemsize)
                    target[index] = np.frombuffer(content, stored).reshape(sizes)
                while file.read(BLOCK):  # the checksum is at the end
                    pass
        except (EOFError, OSError, ValueError, zlib.error) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ImageFileError(
                f"{path} is damaged: {reason}; copy it again"
            ) from error
