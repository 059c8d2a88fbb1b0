"""What stored values of DICOM stand for: slope, intercept and padding of each plane."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from napari_mpi.engine.files.dicom.series import Header, frames
from napari_mpi.engine.files.metadata import Scaling


@dataclass(frozen=True, slots=True)
class Rescaling:
    """Slope and intercept of every plane, and the values that are padding.

    Parameters
    ----------
    planes : tuple of Scaling
        One per plane, in order.
    padding : tuple of (float, float)
        Ranges of stored values, ends included, that are padding.
    """

    planes: tuple[Scaling, ...] = field(repr=False)
    padding: tuple[tuple[float, float], ...] = ()

    @property
    def as_one(self) -> Scaling:
        """The scaling of the image: one for all planes, or one for each."""
        if len(set(self.planes)) < 2:
            return self.planes[0]
        return Scaling(planes=tuple((p.slope, p.intercept) for p in self.planes))


def rescaling_of(ordered: Sequence[Header]) -> Rescaling:
    """Return what the stored values of files in order stand for.

    Parameters
    ----------
    ordered : sequence of headers
        Of all files.
    """
    planes = tuple(scaling for header in ordered for scaling in _scalings(header))
    return Rescaling(planes, tuple(_padding(ordered[0])))


def _scalings(header: Header) -> list[Scaling]:
    """Return that of every plane of a file."""
    count = frames(header)
    groups = list(header.get("PerFrameFunctionalGroupsSequence") or [])
    shared = list(header.get("SharedFunctionalGroupsSequence") or [])
    own = [_transformed(group) for group in groups]
    if len(own) == count and all(found is not None for found in own):
        return [found for found in own if found is not None]
    whole = _transformed(shared[0]) if shared else None
    return [whole or _said(header)] * count


def _transformed(group: Any) -> Scaling | None:
    found = group.get("PixelValueTransformationSequence")
    return _said(found[0]) if found else None


def _said(header: Any) -> Scaling:
    slope = header.get("RescaleSlope")
    intercept = header.get("RescaleIntercept")
    return Scaling(
        float(slope) if slope not in (None, "", 0) else 1.0, float(intercept or 0)
    )


def _padding(header: Header) -> list[tuple[float, float]]:
    value = header.get("PixelPaddingValue")
    if value is None:
        return []
    limit = header.get("PixelPaddingRangeLimit")
    ends = [_signed(header, int(v)) for v in (value, value if limit is None else limit)]
    return [(float(min(ends)), float(max(ends)))]


def _signed(header: Header, value: int) -> int:
    """Return a value as the pixels have it, should it have lost its sign."""
    bits: int = int(header.get("BitsAllocated") or 16)
    if not header.get("PixelRepresentation"):
        return int(value % 2**bits)
    return int(value - 2**bits) if value >= 2 ** (bits - 1) else value
