"""How many frames a DICOM file holds, and bytes, whatever it says."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np

from napari_mpi.engine.files.patience import require_memory
from napari_mpi.engine.runtime.memory import free_memory

_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_DEFLATED = b"1.2.840.10008.1.2.1.99"  # the transfer syntax
_HEAD, _BLOCK = 4096, 1 << 24  # bytes
_BEFORE_META = 144  # bytes: preamble, mark and the element that tells of its length
_SMALL = 1024  # bytes, beyond which an element is not read but only measured


def frames_held(pydicom: Any, file: Path, header: Any) -> int | None:
    """Return how many whole frames a file's pixels are; None where that cannot be told.

    Parameters
    ----------
    pydicom : module
        The package.
    file : Path
        The file.
    header : pydicom.Dataset
        What it says; packed pixels are not counted.
    """
    if header.file_meta.TransferSyntaxUID.is_compressed:
        return None
    data = pydicom.dcmread(
        file, defer_size=_SMALL, specific_tags=list(_PIXELS), force=True
    )
    # Not by their names, which would read them.
    lengths = [_length(element) for element in data.values()]
    bits = int(header.get("BitsAllocated", 16)) * int(header.get("SamplesPerPixel", 1))
    frame = int(np.prod([int(header.Rows), int(header.Columns), bits])) // 8
    if not lengths or frame <= 0 or lengths[0] < frame:
        return None
    return int(lengths[0]) // frame


def _length(element: Any) -> int:
    """Return the bytes of an element, which may not have been read."""
    length = getattr(element, "length", None)
    return len(element.value) if length is None else int(length)


def require_inflatable(pydicom: Any, file: Path) -> None:
    """Raise ImageFileError if a deflated file would unpack to more than is free.

    pydicom (3.0) unpacks such a file whole before it looks at anything in it.

    Parameters
    ----------
    pydicom : module
        The package.
    file : Path
        The file, which need be no DICOM.
    """
    with file.open("rb") as opened:
        if _DEFLATED not in opened.read(_HEAD):
            return
        try:
            meta = pydicom.filereader.read_file_meta_info(file)
            opened.seek(_BEFORE_META + int(meta.FileMetaInformationGroupLength))
        except Exception:  # noqa: BLE001 told when it is read
            return
        most, unpacked = free_memory() // 4, 0
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        while (packed := inflater.unconsumed_tail or opened.read(_BLOCK)) and (
            unpacked <= most
        ):
            try:
                unpacked += len(inflater.decompress(packed, _BLOCK))
            except zlib.error:
                return
    require_memory(file, 4 * unpacked)
