"""Buttons that compare a result with its source, from its first preview on."""

from napari.viewer import Viewer
from qtpy.QtWidgets import QPushButton

from napari_mpi.widgets.denoise.run import DenoiseRun
from napari_mpi.widgets.layers.before_after import BeforeAfter


class Comparing:
    """Before, side by side, and what was removed.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers they show.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._run: DenoiseRun | None = None
        self._layers = BeforeAfter(viewer)
        self.before = QPushButton("Before", checkable=True)
        self.before.setToolTip("show the image without its denoising (Ctrl+Alt+B)")
        self.beside = QPushButton("Side by side", checkable=True)
        self.beside.setToolTip("the image and its result next to each other")
        self.removed = QPushButton("Removed")
        self.removed.setToolTip(
            "a layer of source minus result: structure that you see in it was lost"
        )
        self.before.toggled.connect(self._show_before)
        self.beside.toggled.connect(self._show_beside)
        self.removed.clicked.connect(self._show_removed)

    @property
    def buttons(self) -> tuple[QPushButton, ...]:
        """All of them, in their order."""
        return self.before, self.beside, self.removed

    def about(self, run: DenoiseRun | None) -> None:
        """Let the buttons be about this run; they are off where there is no result."""
        if run is not self._run:
            self.end()
        self._run = run
        can_compare = run is not None and run.can_compare
        if not can_compare:
            self.end()
        self.before.setEnabled(can_compare and not self.beside.isChecked())
        self.beside.setEnabled(can_compare)
        self.removed.setEnabled(run is not None and run.can_show_removed)

    def end(self) -> None:
        """Show the layers as they were before comparing."""
        self.before.setChecked(False)
        self.beside.setChecked(False)

    def _show_before(self, on: bool) -> None:
        run = self._run
        if on and run is not None and run.result is not None:
            self._layers.show_source(run.source)
        else:
            self._layers.back()

    def _show_beside(self, on: bool) -> None:
        run = self._run
        self.before.setChecked(False)
        self.before.setEnabled(not on)
        if on and run is not None and run.result is not None:
            self._layers.side_by_side(run.source, run.result)
        else:
            self._layers.together()

    def _show_removed(self) -> None:
        if self._run is not None and self._run.can_show_removed:
            self.end()
            self._run.result_layer.show_removed()
