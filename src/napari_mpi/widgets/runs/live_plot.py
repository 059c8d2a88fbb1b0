"""A small plot in the colours of napari's theme, which stays hidden until needed."""

from typing import Any

from napari.utils.theme import get_theme
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

_ENOUGH = 3.0  # contrast of a line with its background
_MIXES = 10  # steps from a colour to that of the text


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
        self._mark: Any = None
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

    def show_mark(self, x: float | None, words: str = "") -> None:
        """Show a dashed line across all others, with words beside it; None hides it."""
        if self._plot is None or (x is None and self._mark is None):
            return
        if self._mark is None:
            import pyqtgraph

            label = {"position": 0.15, "anchors": [(0, 0.5), (1, 0.5)]}
            self._mark = pyqtgraph.InfiniteLine(label=words, labelOpts=label)
            self._plot.addItem(self._mark, ignoreBounds=True)
            self._paint_theme()
        self._mark.setVisible(x is not None)
        if x is not None:
            self._mark.setValue(x)

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
        text, background = (
            colour.as_hex("long") for colour in (theme.text, theme.background)
        )
        colours = [
            readable(colour.as_hex("long"), background, text)
            for colour in (theme.current, theme.warning)
        ]
        self._plot.setBackground(background)
        for line, colour in zip(self._lines, colours, strict=False):
            line.setPen(colour, width=2)
        if self._mark is not None:
            self._mark.setPen(text, style=Qt.PenStyle.DashLine)
            self._mark.label.setColor(text)
        for side in ("left", "bottom"):
            self._plot.getAxis(side).setPen(text)
            self._plot.getAxis(side).setTextPen(text)
        if len(self._names) > 1:
            for _, label in self._legend.items:
                label.setText(label.text, color=text)


def readable(colour: str, background: str, text: str) -> str:
    """Mix a colour with that of the text until it stands out enough to be seen.

    Enough is a contrast of 3 : 1, which the Web Content Accessibility Guidelines 2.1
    ask of graphics (criterion 1.4.11, level AA).

    Parameters
    ----------
    colour, background, text : str
        As '#rrggbb'.
    """
    for step in range(_MIXES + 1):
        pairs = zip(_channels(colour), _channels(text), strict=True)
        mixed = [round(a + (b - a) * step / _MIXES) for a, b in pairs]
        found = "#" + "".join(f"{value:02x}" for value in mixed)
        if contrast(found, background) >= _ENOUGH:
            return found
    return text


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21 (WCAG 2.1)."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    shares = [value / 255 for value in _channels(colour)]
    red, green, blue = (
        share / 12.92 if share <= 0.03928 else ((share + 0.055) / 1.055) ** 2.4
        for share in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _channels(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
