"""An OME-Zarr image without its pixels: group, levels, attributes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_mpi.engine.files.blocks import rearranged
from napari_mpi.engine.files.metadata import ImageFile
from napari_mpi.engine.files.ngff.levels import factors_of
from napari_mpi.engine.files.ngff.metadata import (
    NgffSource,
    group_attributes,
    stored_axes,
)
from napari_mpi.engine.runtime.optional import extra

_CHUNK = 1024  # pixels along Y and X


@dataclass(frozen=True, slots=True)
class Frame:
    """An image that is to be written as OME-Zarr, but for its pixels.

    Parameters
    ----------
    array : array-like
        The pixels in the order in which they are stored.
    axes : str
        Letters of its dimensions.
    version : str
        '0.4' or '0.5'.
    attributes : dict
        Of the group.
    models : tuple
        Arrays of the source whose shape, chunks, shards and compressors the levels
        get; none where the image gets a single level of its own.
    """

    array: Any = field(repr=False)
    axes: str
    version: str
    attributes: dict[str, Any] = field(repr=False)
    models: tuple[Any, ...] = field(default=(), repr=False)

    @property
    def unit(self) -> tuple[int, ...]:
        """What of the finest level can be written apart: a chunk, or a shard."""
        if self.models:
            unit: tuple[int, ...] = self.models[0].shards or self.models[0].chunks
            return unit
        shape = self.array.shape
        return (
            *[1] * (len(shape) - 2),
            *(min(_CHUNK, length) for length in shape[-2:]),
        )

    @property
    def left_out(self) -> int:
        """How many levels of the source are no whole fractions of those before them."""
        return len(self.models) - len(kept_levels(self.models))

    def create(self, store: Any) -> tuple[Any, list[Any]]:
        """Create group and levels, without attributes and pixels.

        Parameters
        ----------
        store : str or zarr store
            What is there is replaced.

        Returns
        -------
        tuple of zarr.Group and list of zarr.Array
            The group, and its levels from the finest on.
        """
        zarr = extra("zarr", "zarr", store)
        format_ = 2 if self.version == "0.4" else 3
        group = zarr.open_group(store, mode="w", zarr_format=format_)
        if not self.models:
            return group, [self._own_level(group, format_)]
        return group, [
            zarr.from_array(
                group.store,
                name=str(number),
                data=model,
                write_data=False,
                attributes=model.attrs.asdict(),
                dimension_names=self._names,
            )
            for number, model in enumerate(kept_levels(self.models))
        ]

    @property
    def _names(self) -> list[str] | None:
        """Names of the dimensions, which the arrays of 0.5 have."""
        if self.version == "0.4":
            return None
        axes = self.attributes["ome"]["multiscales"][0]["axes"]
        return [axis["name"] for axis in axes]

    def _own_level(self, group: Any, format_: int) -> Any:
        """Create the only level, in chunks of one plane."""
        options: dict[str, Any] = {"dimension_names": self._names}
        if format_ == 2:
            options = {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
        return group.create_array(
            "0",
            shape=self.array.shape,
            dtype=np.dtype(self.array.dtype).newbyteorder("="),
            chunks=self.unit,
            **options,
        )


def framed(image: ImageFile, provenance: Mapping[str, Any]) -> Frame:
    """Return how an image is written.

    Parameters
    ----------
    image : ImageFile
        Pixels, axes and metadata; levels, chunks and version are those of its source,
        if that is of NGFF and has the same axes and shape.
    provenance : mapping
        JSON values, kept under 'napari-mpi'.

    Raises
    ------
    AxesError
        If NGFF has no place for all axes.
    """
    stored = stored_axes(image.axes)
    array = rearranged(image.array, image.axes, stored)
    source, models = image.metadata.source, ()
    if isinstance(source, NgffSource) and source.fits(array, stored):
        models = source.levels
    count = len(kept_levels(models)) if models else 1
    version, attributes = group_attributes(image, stored, provenance, levels=count)
    return Frame(array, stored, version, attributes, models)


def kept_levels(models: Sequence[Any]) -> tuple[Any, ...]:
    """Return the levels that are whole fractions of those before them.

    Parameters
    ----------
    models : sequence of zarr.Array
        From the finest on.
    """
    kept = list(models[:1])
    for model in models[1:]:
        if factors_of(kept[-1].shape, model.shape) is None:
            break
        kept.append(model)
    return tuple(kept)
