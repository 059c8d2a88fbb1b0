"""How many frames a DICOM file holds, whatever it says."""

from pathlib import Path
from typing import Any

import numpy as np

_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
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
