"""A small plot in the colours of napari's theme, which stays hidden until needed."""

from typing import Any

from napari.utils.theme import get_theme
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget


class LivePlot(QWidget):
    """Lines over iterations; hidden while empty, and where pyqtgraph is missing.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose theme it follows.
    label : str
        Of the vertical axis.
    lines : tuple of str
        A name for each line; a legend shows them if there are several.
    logarithmic : bool
        Whether the vertical axis is, without numbers then.
    height : int
        In pixels.
    """

    def __init__(
        self,
        viewer: Any,
        *,
        label: str,
        lines: tuple[str, ...],
        logarithmic: bool = False,
        height: int = 120,
    ) -> None:
        super().__init__()
        self._viewer = viewer
        self._label, self._names = label, lines
        self._logarithmic, self._height = logarithmic, height
        self._plot: Any = None
        self._lines: list[Any] = []
        self.setLayout(QVBoxLayout())
        self.layout().setContentsMargins(0, 0, 0, 0)
        self.setVisible(False)
        viewer.events.theme.connect(self._paint_theme)

    def show_line(self, number: int, x: Any, y: Any) -> None:
        """Replace the points of one line."""
        if self._plot is None and len(y):
            self._make_plot()
        if self._plot is not None:
            self._lines[number].setData(x, y)

    def _make_plot(self) -> None:
        try:
            import pyqtgraph
        except ImportError:  # the extra 'plot' is not installed
            return
        self._plot = pyqtgraph.PlotWidget()
        self._plot.setFixedHeight(self._height)
        # As wide as the dock happens to be: a plot asks for 640 pixels otherwise.
        policy = QSizePolicy.Policy
        self._plot.setSizePolicy(policy.Ignored, policy.Fixed)
        self._plot.setMouseEnabled(x=False, y=False)
        self._plot.hideButtons()
        self._plot.setMenuEnabled(False)
        self._plot.setLogMode(x=False, y=self._logarithmic)
        self._plot.setLabel("left", self._label)
        self._plot.setLabel("bottom", "iteration")
        left = self._plot.getAxis("left")
        left.enableAutoSIPrefix(False)
        self._plot.getAxis("bottom").enableAutoSIPrefix(False)
        if self._logarithmic:
            left.setStyle(maxTickLevel=0, showValues=False)
        if len(self._names) > 1:
            self._legend = self._plot.addLegend(offset=(-5, -5))
        self._lines = [self._plot.plot([], name=name) for name in self._names]
        self.layout().addWidget(self._plot)
        self._paint_theme()
        self.setVisible(True)

    def _paint_theme(self) -> None:
        if self._plot is None:
            return
        theme = get_theme(self._viewer.theme)
        text = theme.text.as_hex()
        colours = (theme.current.as_hex(), theme.warning.as_hex())
        self._plot.setBackground(theme.background.as_hex())
        for line, colour in zip(self._lines, colours, strict=False):
            line.setPen(colour, width=2)
        for side in ("left", "bottom"):
            self._plot.getAxis(side).setPen(text)
            self._plot.getAxis(side).setTextPen(text)
        if len(self._names) > 1:
            for _, label in self._legend.items:
                label.setText(label.text, color=text)
