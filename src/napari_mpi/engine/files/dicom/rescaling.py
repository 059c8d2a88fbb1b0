"""What stored values of DICOM stand for: slope, intercept and padding of each plane."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.files.arrays import PagedArray
from napari_mpi.engine.files.dicom.series import Header, frames
from napari_mpi.engine.files.metadata import Scaling
from napari_mpi.engine.images.arrays import LazyArray
from napari_mpi.engine.images.axes import Index

Array = NDArray[np.generic]


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
    def differs(self) -> bool:
        """Whether stored values of different planes cannot be compared."""
        return len(set(self.planes)) > 1


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


class TrueValues(PagedArray):
    """True values of planes whose stored ones have slopes of their own; NaN is padding.

    Parameters
    ----------
    stored : PagedArray
        The stored values.
    rescaling : Rescaling
        What they stand for.
    outer : int
        How many dimensions count planes.
    """

    def __init__(self, stored: PagedArray, rescaling: Rescaling, outer: int) -> None:
        shape = stored.shape
        super().__init__(shape[:outer], shape[outer:], np.dtype(np.float32))
        self._stored, self._rescaling = stored, rescaling

    def read_page(self, number: int, inside: Index) -> Array:
        """Return a part of one plane."""
        stored: Any = self._stored.read_page(number, inside)
        scaling = self._rescaling.planes[number]
        true = stored * scaling.slope + scaling.intercept
        for low, high in self._rescaling.padding:
            true = np.where((stored >= low) & (stored <= high), np.nan, true)
        return np.asarray(true, np.float32)


class StoredValues(LazyArray):
    """Stored values of a plane's true ones: undoes `TrueValues`, rounds and clips.

    Parameters
    ----------
    true : ArrayLike
        The plane.
    scaling : Scaling
        Of the plane.
    padding : float
        What NaN becomes.
    dtype : numpy.dtype
        Of the stored values.
    """

    def __init__(self, true: Any, scaling: Scaling, padding: float, dtype: Any) -> None:
        self._true, self._scaling, self._padding = true, scaling, padding
        self.shape, self.dtype = tuple(true.shape), np.dtype(dtype)

    def read(self, index: Index) -> Array:
        """Return a part."""
        true = np.asarray(self._true[index], np.float64)
        stored = (true - self._scaling.intercept) / self._scaling.slope
        limits = np.iinfo(self.dtype)
        whole = np.rint(stored).clip(limits.min, limits.max)
        kept = np.where(np.isfinite(true), whole, self._padding)
        return np.asarray(kept, self.dtype)
