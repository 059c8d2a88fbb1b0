"""A small live curve of the masked loss."""

from typing import Any

from napari.utils.theme import get_theme
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

_HEIGHT = 120


class LossCurve(QWidget):
    """Masked loss over iterations, on a logarithmic axis, in the colours of the theme.

    Stays empty and hidden where pyqtgraph is not installed.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._losses: list[float] = []
        self._plot: Any = None
        self.setLayout(QVBoxLayout())
        self.layout().setContentsMargins(0, 0, 0, 0)
        self.setVisible(False)
        viewer.events.theme.connect(self._paint_theme)

    @property
    def losses(self) -> tuple[float, ...]:
        """All losses since the last `clear`."""
        return tuple(self._losses)

    def clear(self) -> None:
        """Forget all losses."""
        self._losses = []
        self._show()

    def extend(self, losses: tuple[float, ...]) -> None:
        """Add losses of further iterations."""
        self._losses.extend(losses)
        self._show()

    def _show(self) -> None:
        if self._plot is None and self._losses:
            self._make_plot()
        if self._plot is not None:
            self._curve.setData(self._losses)

    def _make_plot(self) -> None:
        try:
            import pyqtgraph
        except ImportError:  # the extra 'plot' is not installed
            return
        self._plot = pyqtgraph.PlotWidget()
        self._plot.setFixedHeight(_HEIGHT)
        # As wide as the dock happens to be: a plot asks for 640 pixels otherwise.
        policy = QSizePolicy.Policy
        self._plot.setSizePolicy(policy.Ignored, policy.Fixed)
        self._plot.setMouseEnabled(x=False, y=False)
        self._plot.hideButtons()
        self._plot.setMenuEnabled(False)
        self._plot.setLogMode(x=False, y=True)
        self._plot.setLabel("left", "masked loss")
        self._plot.setLabel("bottom", "iteration")
        left = self._plot.getAxis("left")
        left.enableAutoSIPrefix(False)
        left.setStyle(maxTickLevel=0, showValues=False)
        self._curve = self._plot.plot([])
        self.layout().addWidget(self._plot)
        self._paint_theme()
        self.setVisible(True)

    def _paint_theme(self) -> None:
        if self._plot is None:
            return
        theme = get_theme(self._viewer.theme)
        text, line = theme.text.as_hex(), theme.current.as_hex()
        self._plot.setBackground(theme.background.as_hex())
        self._curve.setPen(line, width=2)
        for side in ("left", "bottom"):
            self._plot.getAxis(side).setPen(text)
            self._plot.getAxis(side).setTextPen(text)
