"""Live curves: how close a denoising comes, and the PSNR of a pre-training."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_mpi.widgets.runs.live_plot import LivePlot

_SEEN = 0.1  # dB, less than which nobody sees
_FEWEST = 4  # points, by which a curve can be called flat
_POINTS = 60  # of the training curve: single losses scatter with the crops drawn


class QualityCurve(LivePlot):
    """How close the result comes, in dB: estimated, and against a reference if any.

    It is estimated from the pixels that the network never learns from, whose squared
    difference from their own noisy value is the error plus the noise. Hidden where
    nothing was learnt: one point is no curve.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__(viewer, label="dB", lines=("estimated", "reference"))
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.estimated: list[tuple[int, float]] = []
        self.measured: list[tuple[int, float]] = []
        self.losses: list[float] = []
        self.show_all()

    def take(
        self, losses: Sequence[float], checks: Sequence[tuple[int, float]]
    ) -> None:
        """Take losses of further iterations, and all checks so far."""
        self.losses += losses
        self.estimated = [(n, -10 * math.log10(error)) for n, error in checks]

    def measure(self, iteration: int, psnr: float) -> None:
        """Take the PSNR against the reference at an iteration."""
        if not self.measured or self.measured[-1][0] < iteration:
            self.measured.append((iteration, psnr))

    @property
    def paid_until(self) -> int | None:
        """Iteration after which nothing was gained that is seen; None while it pays.

        By the reference, where there is one.
        """
        line = self.measured if len(self.measured) > 1 else self.estimated
        if len(line) < _FEWEST:
            return None
        last = line[-1][1]
        paid = next(n for n, (_, reached) in enumerate(line) if last - reached < _SEEN)
        # Half of the way without a gain: sooner, it may still come.
        is_flat = line[-1][0] >= 2 * max(1, line[paid][0])
        return line[paid][0] if is_flat else None

    def show_all(self) -> None:
        """Bring both lines up to date."""
        lines = self.estimated, self.measured
        is_telling = any(len(line) > 1 for line in lines)
        for number, line in enumerate(lines):
            points = np.array(line if is_telling else [], float).reshape(-1, 2)
            self.show_line(number, *points.T)
        self.show_mark(self.paid_until if is_telling else None, "paid until here")
        self.setVisible(is_telling and self._plot is not None)


class PretrainingCurve(LivePlot):
    """PSNR in training, averaged over stretches, and on held-out images."""

    def __init__(self, viewer: Any) -> None:
        super().__init__(
            viewer, label="PSNR (dB)", lines=("training", "held out"), height=160
        )
        self.held_out: list[tuple[int, float]] = []
        self.losses: list[float] = []

    def begin(self, losses: list[float], held_out: list[tuple[int, float]]) -> None:
        """Start from what a run that is gone on with had reached."""
        self.losses, self.held_out = list(losses), list(held_out)
        self.show_all()

    def show_all(self) -> None:
        """Bring both lines up to date."""
        stretch = max(1, len(self.losses) // _POINTS)
        whole = len(self.losses) // stretch * stretch
        mean = -np.array(self.losses[:whole]).reshape(-1, stretch).mean(axis=1)
        self.show_line(0, (np.arange(len(mean)) + 0.5) * stretch, mean)
        self.show_line(1, *np.array(self.held_out).reshape(-1, 2).T)
