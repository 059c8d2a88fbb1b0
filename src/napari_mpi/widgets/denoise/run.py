"""One run of the Denoise widget: its worker, its result layer, and how it ended."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from napari.layers import Image
from napari.utils import progress
from napari.utils.notifications import show_warning
from napari.viewer import Viewer

from napari_mpi.engine.images.difference import Removed
from napari_mpi.engine.images.results import is_small
from napari_mpi.engine.runtime.errors import EngineError
from napari_mpi.widgets.denoise.job import (
    Advance,
    Finished,
    Prepared,
    Request,
    denoise_job,
)
from napari_mpi.widgets.denoise.looking import Looking
from napari_mpi.widgets.denoise.spread_layer import SpreadLayer
from napari_mpi.widgets.layers.result import add_result
from napari_mpi.widgets.runs.run import Ending, Pausable
from napari_mpi.widgets.runs.worker import start_job

_STEPS = 1000  # of the progress bar, for one plane


class DenoiseRun(Pausable):
    """Everything that belongs to one run, on the main thread.

    It holds the layers themselves, not their names: they may be renamed, reordered
    or deleted meanwhile.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where the result layer goes.
    source : napari.layers.Image
        The noisy layer.
    request : Request
        What was asked for.
    """

    def __init__(self, viewer: Viewer, source: Image, request: Request) -> None:
        super().__init__()
        self.source = source
        self.request = request
        self.ending = Ending.NOT_YET
        self.asked = Ending.NOT_YET
        self.result: Image | None = None
        self.spread: SpreadLayer | None = None
        if request.wants_uncertainty:
            self.spread = SpreadLayer(viewer, source, request.selection)
        self._viewer = viewer
        self._further = request.method.config.iterations
        self._state: Any = None
        self._kept: Any = None  # the result that a run goes on from
        self._looking: Looking | None = None
        self._prepared: Prepared | None = None
        self._newest: Advance | None = None
        self._unshown: dict[str, Any] = {}
        self._losses: list[float] = []
        self._psnr: float | None = None
        self._quality: str | None = None
        self._notes: list[str] = []
        self._seconds = 0.0

    # -- what it does ------------------------------------------------------------

    def start(
        self,
        yielded: Callable[[Any], None],
        ended: Callable[[EngineError | None], None],
    ) -> None:
        """Start, or go on from the state that the run before left."""
        self.ending = self.asked = Ending.NOT_YET
        self._quality = None
        self._started = time.monotonic()
        if self.result not in self._viewer.layers:
            self.result = None
        if self._state is not None:
            self._kept = _copy(self._state.result)
            if self.spread is not None:
                self.spread.keep(self._state.spread)
        name = f"denoising {self.source.name}"
        self._bar = progress(total=self._total, desc=name, initial=self._done)
        self._looking = Looking(self._viewer, self.source, self.request.selection)
        self._worker = start_job(
            denoise_job,
            self.request,
            self._state,
            self._looking,
            yielded=yielded,
            warned=show_warning,
            ended=ended,
        )

    def extend(self) -> None:
        """Ask for as many further iterations as the first time, if all are done."""
        if self.ending is Ending.COMPLETE:
            method = self.request.method
            further = method.config.iterations + self._further
            config = dataclasses.replace(method.config, iterations=further)
            method = dataclasses.replace(method, config=config)
            self.request = dataclasses.replace(self.request, method=method)

    def ask(self, ending: Ending) -> None:
        """Ask the run to end; it does so after the iteration at work."""
        if self._worker is not None and self.asked is Ending.NOT_YET:
            self.asked = ending
            self._worker.quit()

    def take(self, event: Prepared | Advance | Finished) -> None:
        """Keep what the job told; of its snapshots only each plane's newest."""
        if isinstance(event, Prepared):
            self._state = event.state
            self._prepared = dataclasses.replace(event, state=None)
        elif isinstance(event, Advance):
            self._newest = event
            self._take_notes()
            self._losses.extend(event.snapshot.losses)
            if event.snapshot.image is not None:
                self._unshown[repr(event.snapshot.index)] = event.snapshot
                self._psnr = event.psnr
        else:
            self._quality = event.quality

    def show_newest(self) -> tuple[float, ...]:
        """Bring layer and progress bar up to date; return the losses since then."""
        losses, self._losses = tuple(self._losses), []
        parts, self._unshown = self._unshown, {}
        if self._bar is not None:
            self._bar.update(self._done - self._bar.n)
        layer = self._result_layer() if parts else None
        if layer is not None:
            for snapshot in parts.values() if self._shows_copies else ():
                layer.data[snapshot.index] = snapshot.image
            layer.refresh(extent=False)
        if parts:
            self._update_spread([snapshot.index for snapshot in parts.values()])
        return losses

    def finish(
        self, error: EngineError | None, *, keep_layers: bool
    ) -> tuple[float, ...]:
        """Put away the worker; leave the layer as the way it ended asks for.

        Parameters
        ----------
        error : EngineError, optional
            What went wrong.
        keep_layers : bool
            Whether there still is a viewer to show a result in.

        Returns
        -------
        tuple of float
            The losses since the last preview.
        """
        if self._looking is not None:
            self._looking.close()
        if self._bar is not None:
            self._bar.close()
        if self.is_paused:
            self.toggle_pause()
        self._seconds += time.monotonic() - self._started
        self.ending = self._how_it_ended(error)
        self._worker = self._bar = self._looking = None
        losses, self._losses = tuple(self._losses), []
        self._unshown = {}
        if keep_layers and self._is_worth_keeping():
            self._show_result()
        elif keep_layers and self._kept is not None:
            self._restore_kept()
        elif keep_layers:
            self._remove_result()
        self._take_notes()
        if not self.can_continue:
            self._state = None  # and with it the network
        return losses

    def show_removed(self) -> None:
        """Add a layer of source minus result, in which no structure should be seen."""
        assert self.result is not None
        selection = self.request.selection
        removed = Removed(
            selection.lazy(), self.result.data, colour=bool(self.source.rgb)
        )
        add_result(
            self._viewer,
            self.source,
            np.asarray(removed) if is_small(removed) else removed,
            selection.index,
            {**self.result.metadata["napari-mpi"], "shows": "source minus result"},
            what="noise removed",
            contrast_limits=removed.limits(),
            colormap="gray",
            rgb=False,
        )

    # -- how it stands -----------------------------------------------------------

    @property
    def has_result(self) -> bool:
        """Whether there is anything to keep."""
        return self._newest is not None

    @property
    def can_show_removed(self) -> bool:
        """Whether there is a result to take from its source, and it has ended."""
        over = self.ending is not Ending.NOT_YET
        return over and self.result is not None and self.result in self._viewer.layers

    @property
    def fraction(self) -> float:
        """Share of the work that is done, 0..1."""
        return 0.0 if self._newest is None else float(self._newest.snapshot.fraction)

    @property
    def can_continue(self) -> bool:
        """Whether it can go on from where it ended."""
        if self._state is None or self._newest is None:
            return False
        # Planes that are adapted to one by one are done with, but for the last.
        whole = self._newest.snapshot.planes == 1 or self.request.method.config.share
        return self.ending is Ending.STOPPED or (
            self.ending is Ending.COMPLETE and whole
        )

    def describe(self) -> str:
        """Return in one line how far it has come."""
        if self._newest is None:
            flat = " · constant: nothing to denoise"
            return self.ending.value + flat * (self.ending is Ending.COMPLETE)
        snapshot = self._newest.snapshot
        parts = [snapshot.stage]
        if snapshot.planes > 1:
            parts.insert(0, f"{snapshot.done} of {snapshot.planes} planes done")
        if self.ending is Ending.NOT_YET:
            parts += ["paused" if self.is_paused else self._time_left()]
        else:
            parts += [self.ending.value, f"{self._seconds:.0f} s"]
        if self._quality is not None:
            parts.append(self._quality)
        elif self._psnr is not None:
            parts.append(f"{self._psnr:.2f} dB")
        parts += self._notes
        if self._prepared is not None:
            parts.append(self._prepared.device)
        return " · ".join(parts)

    def _take_notes(self) -> None:
        """Keep what there is to tell of the noise; the state may not last."""
        if self._state is not None:
            found = [f"noise: {line}" for line in self._state.noise_in_words()]
            self._notes = found + self._state.notes_on(self.request.method.config)

    @property
    def _shows_copies(self) -> bool:
        """Whether the layer has an array of its own, and not the result on disk."""
        return self._prepared is not None and isinstance(
            self._prepared.image, np.ndarray
        )

    # -- its parts ---------------------------------------------------------------

    @property
    def _total(self) -> int:
        return _STEPS * int(self.request.selection.planes)

    @property
    def _done(self) -> int:
        """Steps of the bar that are done, over all planes."""
        return round(self.fraction * self._total)

    def _how_it_ended(self, error: EngineError | None) -> Ending:
        assert self._worker is not None
        if error is not None:
            return Ending.FAILED
        if self.asked is Ending.NOT_YET and self._worker.abort_requested:
            return Ending.STOPPED  # by napari itself, which is about to close
        return Ending.COMPLETE if self.asked is Ending.NOT_YET else self.asked

    def _time_left(self) -> str:
        """Return the time left at the pace of the last iterations, as the bar does."""
        rate = self._bar.format_dict["rate"] if self._bar is not None else None
        if not rate or self._bar is None:
            return "time left not known yet"
        return f"{progress.format_interval((self._total - self._bar.n) / rate)} left"

    def _result_layer(self) -> Image | None:
        """Return the layer to preview on, made when first needed; None if deleted."""
        if self.result is None and self._prepared is not None:
            self.result = self._add_layer(_copy(self._prepared.image))
        return self.result if self.result in self._viewer.layers else None

    def _add_layer(self, image: Any) -> Image:
        assert self._prepared is not None
        index = self.request.selection.index
        return add_result(self._viewer, self.source, image, index, self._prepared.made)

    def _is_worth_keeping(self) -> bool:
        """Whether a plane is done, or the person asked to keep what there is."""
        if self._state is None or self._state.result is None:
            return False
        kept = self.ending in (Ending.COMPLETE, Ending.STOPPED)
        failed_late = self.ending is Ending.FAILED and len(self._state.done) > 0
        return kept or (failed_late and self._kept is None)

    def _show_result(self) -> None:
        """Show the result itself; in a new layer if the previews' was deleted."""
        layer = self._result_layer()
        if layer is None:
            layer = self.result = self._add_layer(self._state.result)
        layer.data = _copy(self._state.result)
        assert self._prepared is not None
        made = {
            **self._prepared.made,
            "reached": self._state.reached(),
            "ended": self.ending.value,
        }
        layer.metadata = {**layer.metadata, "napari-mpi": made}
        if self.spread is not None and self._state.spread is not None:
            whole = (slice(None),) * self._state.result.ndim
            index = whole if self._newest is None else self._newest.snapshot.index
            self.spread.show(self._state.spread, index, made)

    def _update_spread(self, indices: list[Any]) -> None:
        """Show it of planes that are done; that of the one at work comes and goes."""
        assert self._newest is not None
        assert self._prepared is not None
        if self.spread is not None and self._newest.snapshot.done:
            self.spread.update(self._state.spread, indices, self._prepared.made)

    def _restore_kept(self) -> None:
        """Bring back what an earlier ending kept; its metadata still says how."""
        if self.result is not None and self.result in self._viewer.layers:
            self.result.data = self._kept
        if self.spread is not None:
            self.spread.restore()
        self._state = None

    def _remove_result(self) -> None:
        if self.result is not None and self.result in self._viewer.layers:
            self._viewer.layers.remove(self.result)
        self.result = None
        if self.spread is not None:
            self.spread.remove()


def _copy(result: Any) -> Any:
    """Return a copy, since the result changes on the worker's thread.

    One on disk is too large for that: the layer shows the result itself.
    """
    return result.copy() if isinstance(result, np.ndarray) else result
