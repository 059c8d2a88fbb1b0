"""The layer of a run's result: previewed while it works, whole at the end."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from napari.layers import Image
from napari.viewer import Viewer

from napari_mpi.engine.images.difference import Removed
from napari_mpi.engine.images.results import is_small
from napari_mpi.widgets.layers.result import add_result
from napari_mpi.widgets.layers.selection import Selection


class ResultLayer:
    """A layer that is made when there is something to show, and filled in parts.

    It holds the layer itself, not its name: it may be renamed or reordered meanwhile.
    One that a person deletes does not come back.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where it goes.
    source : napari.layers.Image
        The noisy layer.
    selection : Selection
        What of it is denoised.
    how : str
        What else its name should say: how it is denoised.
    """

    def __init__(
        self, viewer: Viewer, source: Image, selection: Selection, how: str = ""
    ) -> None:
        self.layer: Image | None = None
        self._how = how
        self._viewer, self._source, self._selection = viewer, source, selection
        self._kept: Any = None

    @property
    def is_there(self) -> bool:
        """Whether there is a layer, and nobody has deleted it."""
        return self.layer is not None and self.layer in self._viewer.layers

    @property
    def has_kept(self) -> bool:
        """Whether there is something to `restore`."""
        return self._kept is not None

    def keep(self, result: Any) -> None:
        """Remember what a run goes on from, for `restore`."""
        if not self.is_there:
            self.layer = None
        self._kept = copied(result)

    def preview(
        self, whole: Any, parts: list[tuple[Any, Any]], made: Mapping[str, Any]
    ) -> None:
        """Bring parts of the layer up to date, while the work goes on.

        Parameters
        ----------
        whole : NDArray or LazyArray
            What a layer starts from that is not there yet.
        parts : list of (index, NDArray)
            What has changed, and where.
        made : mapping
            Provenance, for a layer that is not there yet.
        """
        if self.layer is None:
            self._add(copied(whole), made)
        if self.is_there:
            assert self.layer is not None
            # A result on disk is too large for a copy: the layer shows it itself.
            for index, part in parts if isinstance(whole, np.ndarray) else ():
                self.layer.data[index] = part
            self.layer.refresh(extent=False)

    def show(self, result: Any, made: Mapping[str, Any]) -> None:
        """Show all of it at the end, unless a person has deleted it."""
        if self.layer is None:
            self._add(finished(result), made)
        elif self.is_there:
            self.layer.data = finished(result)
            self.layer.metadata = {**self.layer.metadata, "napari-mpi": dict(made)}

    def restore(self) -> None:
        """Bring back what was there before the run went on; its metadata says how."""
        if self.is_there and self._kept is not None:
            assert self.layer is not None
            self.layer.data = self._kept

    def remove(self) -> None:
        """Take the layer away; nobody is to think that a person has."""
        layer, self.layer = self.layer, None
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def show_removed(self) -> None:
        """Add a layer of source minus result, in which no structure should be seen."""
        assert self.layer is not None
        removed = Removed(
            self._selection.lazy(), self.layer.data, colour=bool(self._source.rgb)
        )
        self._add_beside(
            np.asarray(removed) if is_small(removed) else removed,
            {**self.layer.metadata["napari-mpi"], "shows": "source minus result"},
            what=self._worded("noise removed"),
            contrast_limits=removed.limits(),
            colormap="gray",
        )

    def _add(self, image: Any, made: Mapping[str, Any]) -> None:
        index = self._selection.index
        self.layer = add_result(
            self._viewer,
            self._source,
            image,
            index,
            dict(made),
            what=self._worded(how=self._how),
        )

    @property
    def is_deleted(self) -> bool:
        """Whether there was a layer, and a person has deleted it."""
        return self.layer is not None and not self.is_there

    def _worded(self, what: str = "denoised", how: str = "") -> str:
        """Return what a layer's name says of it: what it is, where, and how made."""
        return ", ".join(word for word in (what, self._selection.where, how) if word)

    def _add_beside(self, image: Any, made: Mapping[str, Any], **looks: Any) -> Image:
        """Add a grey layer that overlays the source too."""
        index = self._selection.index
        return add_result(
            self._viewer, self._source, image, index, dict(made), rgb=False, **looks
        )


def finished(result: Any) -> Any:
    """Return a result that no more is written to, as an array that behaves as one.

    One on disk becomes a dask array: it is read when it is asked for, and can be
    reduced, compared, saved and duplicated.
    """
    if isinstance(result, np.ndarray):
        return result.copy()
    import dask.array

    # A chunk is a plane: that is how it is read.
    chunks = [1] * (result.ndim - 2) + list(result.shape[-2:])
    if result.ndim > 2 and result.shape[-1] in (3, 4):
        chunks = [1] * (result.ndim - 3) + list(result.shape[-3:])
    from_array: Any = dask.array.from_array
    return from_array(result, chunks=chunks, asarray=True, fancy=False, name=False)


def copied(result: Any) -> Any:
    """Return a copy, since the result changes on the worker's thread.

    One on disk is too large for that: the layer shows the result itself.
    """
    return result.copy() if isinstance(result, np.ndarray) else result
