"""One run of the Denoise widget: its worker, its layers, and how it ended."""

import dataclasses
from collections.abc import Callable
from typing import Any

from napari.layers import Image
from napari.viewer import Viewer

from napari_mpi.engine.noise.findings import NoiseFindings
from napari_mpi.engine.runtime.errors import EngineError
from napari_mpi.widgets.denoise.jobs.asked import Advance, Finished, Prepared, Request
from napari_mpi.widgets.denoise.jobs.job import denoise_job
from napari_mpi.widgets.denoise.result_layer import ResultLayer
from napari_mpi.widgets.denoise.spread_layer import SpreadLayer
from napari_mpi.widgets.denoise.words import end_in_words, one_story, stage_in_words
from napari_mpi.widgets.layers.looking import Looking
from napari_mpi.widgets.runs.curves import QualityCurve
from napari_mpi.widgets.runs.run import Ending, Run
from napari_mpi.widgets.runs.states import RunState
from napari_mpi.widgets.runs.time_left import TimeLeft, in_minutes, in_words

_STEPS = 1000  # of the progress bar, for one plane


class DenoiseRun(Run):
    """Everything that belongs to one run, on the main thread.

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
        parts = viewer, source, request.selection
        self.result_layer = ResultLayer(*parts, request.how)
        self.spread: SpreadLayer | None = None
        if request.wants_uncertainty:
            self.spread = SpreadLayer(*parts)
        self._viewer = viewer
        self._further = request.method.config.iterations
        self._state: Any = None
        self._looking: Looking | None = None
        self._prepared: Prepared | None = None
        self._newest: Advance | None = None
        self._unshown: dict[str, Any] = {}
        self._losses: list[float] = []
        self._psnr: float | None = None
        self._was_deleted = False
        self._finished = Finished()
        self._notes: list[str] = []
        self._warnings: list[str] = []
        self._with_neighbours = False
        self._found: list[NoiseFindings] = []
        self._time = TimeLeft()

    # -- what it does ------------------------------------------------------------

    def start(
        self,
        yielded: Callable[[Any], None],
        ended: Callable[[EngineError | None], None],
    ) -> None:
        """Start, or go on from the state that the run before left."""
        self._finished, self._time = Finished(), TimeLeft()
        if self._state is not None:
            self.result_layer.keep(self._state.result)
            if self.spread is not None:
                self.spread.keep(self._state.spread)
        self._looking = Looking(self._viewer, self.source, self.request.selection)
        name = f"denoising {self.source.name}"
        self._launch(
            denoise_job,
            self.request,
            self._state,
            self._looking,
            yielded=yielded,
            ended=ended,
            bar={"total": self._total, "desc": name, "initial": self._done},
        )

    def extend(self) -> None:
        """Ask for as many further iterations as the first time, if all are done."""
        if self.ending is Ending.COMPLETE:
            method = self.request.method
            further = method.config.iterations + self._further
            config = dataclasses.replace(method.config, iterations=further)
            method = dataclasses.replace(method, config=config)
            self.request = dataclasses.replace(self.request, method=method)

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
            self._finished = event

    def show_newest(self, *, layers: bool = True) -> None:
        """Bring the progress bar up to date, and the layers if they are wanted."""
        if self._bar is not None:
            self._bar.update(self._done - self._bar.n)
            self._time.note(self._worked, self.fraction)
        if not layers:
            return
        parts, self._unshown = list(self._unshown.values()), {}
        if parts and self._prepared is not None:
            fresh = [(snapshot.index, snapshot.image) for snapshot in parts]
            self.result_layer.preview(self._prepared.image, fresh, self._prepared.made)
            self._preview_spread([index for index, _ in fresh])

    def draw(self, curve: QualityCurve) -> None:
        """Tell a curve what is new since the last call."""
        losses, self._losses = self._losses, []
        if self._newest is None:
            return
        snapshot = self._newest.snapshot
        curve.take(losses, snapshot.checks)
        if self._psnr is not None and snapshot.planes == 1:
            curve.measure(snapshot.iteration, self._psnr)
        curve.show_all()

    def finish(self, error: EngineError | None, *, keep_layers: bool) -> None:
        """Put away the worker; leave the layers as the way it ended asks for.

        Parameters
        ----------
        error : EngineError, optional
            What went wrong.
        keep_layers : bool
            Whether there still is a viewer to show a result in.
        """
        if self._looking is not None:
            self._looking.close()
        self._was_deleted = self.result_layer.is_deleted
        if self._was_deleted:
            self.asked = Ending.CANCELLED
        self._put_away(error)
        self._looking = None
        self._unshown = {}
        if keep_layers:
            self._leave_layers()
        self._take_notes()
        if not self.can_continue:
            self._state = None  # and with it the network

    # -- how it stands -----------------------------------------------------------

    @property
    def result(self) -> Image | None:
        """The layer of the result, once there is one."""
        return self.result_layer.layer

    @property
    def has_result(self) -> bool:
        """Whether there is anything to keep."""
        return self._newest is not None

    @property
    def is_shown(self) -> bool:
        """Whether its result can be seen."""
        return self.result_layer.is_there

    @property
    def can_compare(self) -> bool:
        """Whether there are both a result, or a preview of it, and its source."""
        return self.is_shown and self.source in self._viewer.layers

    @property
    def can_show_removed(self) -> bool:
        """Whether there is a result to take from its source, and it has ended."""
        return self.is_over and self.is_shown

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
        is_file = self.request.output is not None  # more would make it anew
        return self.ending is Ending.STOPPED or (
            self.ending is Ending.COMPLETE and whole and not is_file
        )

    def describe(self) -> str:
        """Return in one line how far it has come, or how it ended."""
        if self.is_over:
            return self._described_end()
        if self.state is RunState.STOPPING:
            return "Stopping…"
        if self._newest is None:
            return "Preparing…"
        snapshot = self._newest.snapshot
        parts = [stage_in_words(snapshot)]
        parts += ["paused" if self.is_paused else self._time_left()]
        if self._psnr is not None:
            parts.append(f"{self._psnr:.1f} dB")
        return ", ".join(parts)

    def details(self) -> str:
        """Return what else is known, a line for each."""
        lines = []
        if self._newest is not None:
            snapshot = self._newest.snapshot
            lines.append(snapshot.stage)
            if snapshot.planes > 1:
                lines.append(f"{snapshot.done} of {snapshot.planes} planes done")
        if self._finished.quality is not None:
            lines.append(self._finished.quality)
        lines += self._notes
        if self.request.output is not None and self.ending is Ending.COMPLETE:
            lines.append(f"written to {self.request.output}")
        if self._prepared is not None:
            lines.append(f"on {self._prepared.device}")
        return "\n".join(lines)

    # -- its parts ---------------------------------------------------------------

    def _described_end(self) -> str:
        took = in_minutes(self._seconds)
        in_file = self.request.output is not None
        if self.ending is Ending.CANCELLED:
            kept = "; the file keeps what is done" * in_file
            return "Cancelled" + ": its layer was deleted" * self._was_deleted + kept
        if self.ending is Ending.FAILED:
            is_kept = in_file or self.result_layer.is_there
            return "Failed" + ", what was done is kept" * is_kept
        if self._newest is None:
            return "Done: the image is constant, there is nothing to denoise"
        how = "Done" if self.ending is Ending.COMPLETE else "Stopped, result kept,"
        return end_in_words(
            f"{how} in {took}",
            self._found,
            self._finished,
            self._warnings,
            with_neighbours=self._with_neighbours,
        )

    def _take_notes(self) -> None:
        """Keep what there is to tell of the noise; the state may not last."""
        if self._state is not None:
            found = [f"noise: {line}" for line in self._state.noise_in_words()]
            planes = self._state.neighbours_in_words()
            found += [f"planes: {line}" for line in planes]
            self._with_neighbours = self._state.uses_neighbours
            self._warnings = self._state.notes_on(self.request.method.config)
            self._found = self._state.found()
            self._notes = found + one_story(self._found, self._warnings)

    @property
    def _total(self) -> int:
        return _STEPS * int(self.request.selection.planes)

    @property
    def _done(self) -> int:
        """Steps of the bar that are done, over all planes."""
        return round(self.fraction * self._total)

    def _time_left(self) -> str:
        return in_words(self._time.seconds_left(self._worked))

    def _leave_layers(self) -> None:
        if self._is_worth_keeping():
            self._show_result()
        elif self.result_layer.has_kept:
            self._restore_kept()
        else:
            self.result_layer.remove()
            if self.spread is not None:
                self.spread.remove()

    def _is_worth_keeping(self) -> bool:
        """Whether a plane is done, or the person asked to keep what there is."""
        if self._state is None or self._state.result is None:
            return False
        kept = self.ending in (Ending.COMPLETE, Ending.STOPPED)
        failed_late = self.ending is Ending.FAILED and len(self._state.done) > 0
        return kept or (failed_late and not self.result_layer.has_kept)

    def _show_result(self) -> None:
        """Show the result itself; in a new layer if the previews' was deleted."""
        assert self._prepared is not None
        made = {
            **self._prepared.made,
            "reached": self._state.reached(),
            "ended": self.ending.value,
        }
        self.result_layer.show(self._state.result, made)
        if self.spread is not None and self._state.spread is not None:
            whole = (slice(None),) * self._state.result.ndim
            index = whole if self._newest is None else self._newest.snapshot.index
            self.spread.show_all(self._state.spread, index, made)

    def _preview_spread(self, indices: list[Any]) -> None:
        """Show it of planes that are done; that of the one at work comes and goes."""
        assert self._newest is not None
        assert self._prepared is not None
        if self.spread is not None and self._newest.snapshot.done:
            self.spread.update(self._state.spread, indices, self._prepared.made)

    def _restore_kept(self) -> None:
        """Bring back what an earlier ending kept; its metadata still says how."""
        self.result_layer.restore()
        if self.spread is not None:
            self.spread.restore()
        self._state = None
