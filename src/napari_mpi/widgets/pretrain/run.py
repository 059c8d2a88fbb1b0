"""One run of the Pre-train widget: its worker, its preview layer, how it ended."""

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.layers import Image
from napari.utils import progress
from napari.utils.notifications import show_warning
from napari.viewer import Viewer
from numpy.typing import NDArray

from napari_mpi.engine.runtime.errors import EngineError
from napari_mpi.widgets.layers.roles import shows
from napari_mpi.widgets.pretrain.job import (
    Begun,
    Measuring,
    PretrainRequest,
    Saved,
    pretrain_job,
)
from napari_mpi.widgets.runs.run import Ending, Run

_GAP = 4  # pixels between the pictures of a preview


class PretrainRun(Run):
    """Everything that belongs to one run, on the main thread.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where the preview goes.
    request : PretrainRequest
        What was asked for.
    """

    def __init__(self, viewer: Viewer, request: PretrainRequest) -> None:
        super().__init__()
        self.request = request
        self.preview: Image | None = None
        self.begun: Begun | None = None
        self._viewer = viewer
        self._newest: Any = None
        self._reading: Any = None
        self._psnr = float("nan")
        self._measures = False

    # -- what it does ------------------------------------------------------------

    def start(
        self,
        yielded: Callable[[Any], None],
        ended: Callable[[EngineError | None], None],
    ) -> None:
        """Start, or go on from the checkpoint."""
        self._launch(
            pretrain_job,
            self.request,
            yielded=yielded,
            ended=ended,
            bar={"total": 0, "desc": f"pre-training {self.name}"},
        )

    def ask(self, ending: Ending) -> None:
        """Ask the run to end; it does so after the step at work."""
        if ending is Ending.CANCELLED and self.buttons.cancel:
            self.request.cancelled.set()
        super().ask(ending)

    def take(self, event: Any) -> None:
        """Keep what the job told, and show a preview if it has one."""
        if isinstance(event, Begun):
            self.begun = event
        elif isinstance(event, Measuring):
            self._measures = True
        elif isinstance(event, Saved):
            pass
        elif self.begun is None:
            self._reading = event
        else:
            self._take_snapshot(event)

    def finish(self, error: EngineError | None, **_: bool) -> None:
        """Put away the worker, and take the preview off if nothing was kept."""
        self._put_away(error)
        if self.ending is Ending.CANCELLED and self._preview_is_there():
            self._viewer.layers.remove(self.preview)

    # -- how it stands -----------------------------------------------------------

    @property
    def name(self) -> str:
        """Name of the weights."""
        return self.request.weights_path.stem

    @property
    def has_result(self) -> bool:
        """Whether there is anything to keep."""
        return self._newest is not None

    def describe(self) -> str:
        """Return where the run stands, for the status line."""
        if self.ending is Ending.FAILED:
            return "failed"
        if self.is_over:
            return self._described_end()
        if self.asked is not Ending.NOT_YET:
            return "stopping…"
        if self.begun is None:
            return self._described_reading()
        if self._newest is None:
            return f"{self.begun.images}, on {self.begun.device}"
        newest = self._newest
        left = progress.format_interval(newest.seconds_left)
        return (
            f"{'paused at ' if self.is_paused else ''}iteration {newest.iteration:,} of"
            f" {newest.iterations:,}; held out {self._psnr:.2f} dB;"
            f" {newest.images_per_second:.1f} images per second, {left} left; on"
            f" {self.begun.device}"
        )

    # -- its parts ---------------------------------------------------------------

    def _described_reading(self) -> str:
        if self._measures:
            return "finding out how fast this device learns…"
        if self._reading is None:
            return "preparing…"
        return f"reading file {self._reading.files:,} of {self._reading.total:,}…"

    def _described_end(self) -> str:
        if self.ending is Ending.CANCELLED or self._newest is None:
            return "cancelled" if self.ending is Ending.CANCELLED else "nothing learnt"
        reached = f"{self._newest.iteration:,} iterations, held out {self._psnr:.2f} dB"
        kept = f"weights {self.name!r} are in the Denoise widget's list"
        how = "complete" if self.ending is Ending.COMPLETE else "stopped and kept"
        return f"{how}: {reached}; {kept}"

    def _take_snapshot(self, snapshot: Any) -> None:
        self._newest = snapshot
        if self._bar is not None:
            if not self._bar.total:
                self._bar.reset(total=snapshot.iterations)
            self._bar.update(snapshot.iteration - self._bar.n)
        if snapshot.warning:
            show_warning(snapshot.warning)
        if snapshot.evaluation is not None:
            self._psnr = snapshot.evaluation.psnr
            if self.asked is Ending.NOT_YET:
                self._show_preview(side_by_side(snapshot.evaluation))

    def _show_preview(self, picture: NDArray[np.float32]) -> None:
        """Show it on a layer of its own, unless that has been deleted."""
        if self.preview is None:
            self.preview = self._viewer.add_image(
                picture,
                name=f"{self.name}: input | filled | truth",
                rgb=picture.ndim == 3,
                contrast_limits=(0, _brightest(picture)),
                metadata=shows("preview"),
            )
        elif self._preview_is_there():
            self.preview.data = picture

    def _preview_is_there(self) -> bool:
        return self.preview is not None and self.preview in self._viewer.layers


def _brightest(picture: NDArray[np.float32]) -> float:
    """Return what is to look white: the brightest of the truth, on the right."""
    truth = picture[:, -(picture.shape[1] // 3) :]
    return max(float(truth.max()), 0.1)


def side_by_side(evaluation: Any) -> NDArray[np.float32]:
    """Return input with its hidden pixels black, reconstruction and truth in a row.

    Returns
    -------
    NDArray
        Shape (Y, 3 X + gaps), or with 3 colours last; float32, 0..1.
    """
    shown = np.where(evaluation.masked, 0, evaluation.noisy)
    gap = np.ones((*shown.shape[:2], _GAP), np.float32)
    row = [shown, gap, evaluation.reconstruction, gap, evaluation.clean]
    picture = np.concatenate(row, axis=2).clip(0, 1).astype(np.float32)
    return picture[0] if len(picture) == 1 else np.moveaxis(picture, 0, -1)
