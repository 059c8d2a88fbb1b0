"""What a TIFF file says of its structure, and cannot be: chains and counts."""

import math
import struct
from pathlib import Path
from typing import Any, BinaryIO

from napari_mpi.engine.runtime.errors import ImageFileError

_TOLERATED = 1000  # segments that may lack; tifffile fills them with 0


def require_segments(path: Path, page: Any) -> None:
    """Raise ImageFileError if a page is cut into far more segments than it has.

    A changed number in a header makes thousands of millions of them, each of which
    tifffile (2026.7) would look for.

    Parameters
    ----------
    path : Path
        The file.
    page : tifffile.TiffPage
        Of the open file.
    """
    told, there = math.prod(page.chunked), len(page.dataoffsets)
    if told > 4 * there + _TOLERATED:
        raise ImageFileError(
            f"{path} is damaged: its pixels would lie in {told} parts, and it has"
            f" {there}; copy it again"
        )


def require_end_of_chain(path: Path) -> None:
    """Raise ImageFileError if a file's chain of pages comes back to a page.

    tifffile (2026.7) would follow it for ever.

    Parameters
    ----------
    path : Path
        A file, which need be no TIFF.
    """
    with path.open("rb") as file:
        chain = _Chain.of(file)
        seen: set[int] = set()
        while chain is not None and (place := chain.next_page()):
            if place in seen:
                raise ImageFileError(
                    f"{path} is damaged: its chain of pages has no end, it comes back"
                    f" to byte {place}; copy it again"
                )
            seen.add(place)


class _Chain:
    """Walks from page to page of an open file."""

    def __init__(self, file: BinaryIO, order: str, *, is_big: bool) -> None:
        self._file = file
        self._count, self._place = (f"{order}Q", f"{order}Q") if is_big else (
            f"{order}H", f"{order}I"
        )  # fmt: skip
        self._entry = 20 if is_big else 12  # bytes
        file.seek(8 if is_big else 4)

    @classmethod
    def of(cls, file: BinaryIO) -> "_Chain | None":
        """Return the chain of a file; None if it is no TIFF."""
        head = file.read(4)
        order = {b"II": "<", b"MM": ">"}.get(head[:2])
        if order is None or len(head) < 4:
            return None
        version = struct.unpack(f"{order}H", head[2:])[0]
        return cls(file, order, is_big=version == 43) if version in (42, 43) else None

    def next_page(self) -> int:
        """Go to the next page, and return where it is; 0 at the end."""
        place = self._number(self._place)
        self._file.seek(min(place, 2**63 - 1) if place else 0)
        entries = self._number(self._count) if place else 0
        skipped = self._file.tell() + entries * self._entry
        self._file.seek(min(skipped, 2**63 - 1))
        return place

    def _number(self, code: str) -> int:
        """Read a number; 0 where the file has ended."""
        size = struct.calcsize(code)
        content = self._file.read(size)
        return int(struct.unpack(code, content)[0]) if len(content) == size else 0
