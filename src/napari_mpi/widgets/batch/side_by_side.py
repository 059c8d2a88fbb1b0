"""Input and result of a file of a batch, next to each other in the viewer."""

from pathlib import Path
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image
from numpy.typing import NDArray

from napari_mpi.batch.outcomes import Outcome, Status
from napari_mpi.batch.request import Folders
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.files.metadata import ImageFile
from napari_mpi.engine.runtime.errors import ImageFileError
from napari_mpi.widgets.layers.view import grid

_DARKEST, _BRIGHTEST = 0.1, 99.9  # percentiles that look black and white
_WITH_RESULT = (Status.DONE, Status.SKIPPED)


class SideBySide:
    """Shows one file at a time, so that one can browse through a folder.

    Parameters
    ----------
    viewer : ViewerModel
        Where the layers go; those of others are left alone.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._shown: list[Image] = []

    def show(self, outcome: Outcome, folders: Folders) -> str | None:
        """Open a file and its result, unread, in place of those shown before.

        Parameters
        ----------
        outcome : Outcome
            What became of the file.
        folders : Folders
            Where it and its result are.

        Returns
        -------
        str, optional
            Why there is no result to show, in a sentence.

        Raises
        ------
        ImageFileError
            If a file cannot be read; everything stays as it was.
        """
        paths = [source_path(outcome, folders)]
        result = result_path(outcome, folders)
        paths += [result] if result is not None else []
        files = [read_image(path, lazy=True) for path in paths]
        # Of both, so that what is damaged is told before anything is shown.
        planes = [_middle_plane(*pair) for pair in zip(paths, files, strict=True)]
        before = self._take_off_list()
        for path, file in zip(paths, files, strict=True):
            attributes = layer_attributes(file)
            layer = self._viewer.add_image(file.array, name=path.name, **attributes)
            self._shown.append(layer)
        self._share_limits(planes[0])
        self._make_room(before)
        return None if result is not None else _why_not(outcome)

    def _take_off_list(self) -> list[Image]:
        """Return the layers shown before, as far as they are still there."""
        before = [layer for layer in self._shown if layer in self._viewer.layers]
        self._shown = []
        return before

    def _share_limits(self, plane: NDArray[Any]) -> None:
        """Let both layers be as bright as suits the plane of the input."""
        values = plane[np.isfinite(plane)].astype(float)
        if self._shown[0].rgb or not values.size or values.min() == values.max():
            return
        limits = np.percentile(values, (_DARKEST, _BRIGHTEST))
        for layer in self._shown:
            layer.contrast_limits_range = (values.min(), values.max())
            layer.contrast_limits = limits

    def _make_room(self, before: list[Image]) -> None:
        """Remove what was shown; keep the view where the next lies in the same place.

        They go last: without any layer napari would forget zoom and sliders.
        """
        first = self._shown[0]
        alike = bool(before) and np.array_equal(before[0].extent.world,
                                                first.extent.world)  # fmt: skip
        for layer in before:
            self._viewer.layers.remove(layer)
        if len(self._shown) > 1 and not grid(self._viewer).enabled:
            grid(self._viewer).enabled = True
            alike = False
        if not alike:
            self._viewer.reset_view()


def source_path(outcome: Outcome, folders: Folders) -> Path:
    """Return the path of a file, or the folder itself if that is the image."""
    path = folders.source / outcome.file
    is_folder = not path.exists() and outcome.file == folders.source.resolve().name
    return folders.source if is_folder else path


def result_path(outcome: Outcome, folders: Folders) -> Path | None:
    """Return the path of a file's result, or None if there is none."""
    path = folders.output / outcome.output
    there = outcome.output and outcome.status in _WITH_RESULT and path.exists()
    return path if there else None


def layer_attributes(file: ImageFile) -> dict[str, Any]:
    """Return how a layer shows an image: its sizes, units, labels and colours.

    The labels are the axes, in small letters, by which the Denoise widget knows them.
    """
    size = file.array.shape[-1]
    rgb = file.axes.endswith("S") and size in (3, 4)
    axes = file.axes[:-1] if rgb else file.axes
    pixel = (1.0, "pixel")
    steps = [file.calibration.steps.get(axis, pixel) for axis in axes]
    return {
        "rgb": rgb,
        "scale": [length or 1.0 for length, _ in steps],
        "units": [unit for _, unit in steps],
        "axis_labels": list(axes.lower()),
        "multiscale": False,
    }


def _middle_plane(path: Path, file: ImageFile) -> NDArray[Any]:
    """Read the plane that is looked at first.

    Raises
    ------
    ImageFileError
        If its pixels cannot be read.
    """
    middle = tuple(
        slice(None) if axis in "YXS" else size // 2
        for axis, size in zip(file.axes, file.array.shape, strict=True)
    )
    try:
        return np.asarray(file.array[middle])
    except Exception as error:  # decoders raise whatever a damaged file provokes
        raise ImageFileError(
            f"{path} cannot be shown, its pixels are damaged: {error}"
        ) from error


def _why_not(outcome: Outcome) -> str:
    reason = outcome.message or "it was not denoised"
    return f"{outcome.file} has no result to show: {reason}"
