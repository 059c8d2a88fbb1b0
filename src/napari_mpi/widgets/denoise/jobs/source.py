"""What a layer's file says besides its pixels, for a result that is a file too."""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from napari.layers import Image

from napari_mpi.engine.files.metadata import (
    NO_UNIT,
    Calibration,
    ImageFile,
    Metadata,
    unit_of,
)
from napari_mpi.engine.files.ngff.metadata import NgffSource
from napari_mpi.engine.runtime.errors import EngineError


@dataclass(frozen=True, slots=True)
class Source:
    """Where a layer comes from, and what its steps measure.

    Parameters
    ----------
    path : Path, optional
        Its file, if it has one.
    steps : dict of str to (float, str)
        See `Calibration`.
    """

    path: Path | None = None
    steps: dict[str, tuple[float, str]] = field(default_factory=dict)

    def image(self, pixels: Any, axes: str) -> ImageFile:
        """Return pixels with all that is known of them.

        What a layer's OME-Zarr says is kept, if it fits: levels, chunks, channels. The
        pixels are those of the layer all the same, which may have been changed.

        Parameters
        ----------
        pixels : array-like
            The layer's, unread.
        axes : str
            One letter per dimension.
        """
        from napari_mpi.engine.files.formats import read_image

        if self.path is not None and self.path.is_dir():
            with suppress(EngineError):  # of another kind, which says nothing here
                image = read_image(self.path, lazy=True)
                source = image.metadata.source
                same = tuple(image.array.shape) == tuple(pixels.shape)
                if isinstance(source, NgffSource) and same and image.axes == axes:
                    return replace(image, array=pixels)
        metadata = Metadata(calibration=Calibration(self.steps))
        return ImageFile(pixels, axes, metadata)


def source_of(layer: Image, axes: str) -> Source:
    """Return what a layer says of its file and its steps.

    Parameters
    ----------
    layer : Image
        The layer.
    axes : str
        One letter per dimension.
    """
    path = layer.source.path
    units = [unit_of(str(unit)) for unit in getattr(layer, "units", ())]
    steps = {}
    for axis, step, unit in zip(axes, layer.scale, units, strict=False):
        if axis in "TZYX" and (unit is not None or step != 1):
            steps[axis] = float(step), unit or NO_UNIT
    return Source(None if path is None else Path(path), steps)
