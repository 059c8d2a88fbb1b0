"""Live curves: the masked loss of a denoising, the PSNR of a pre-training."""

from typing import Any

import numpy as np

from napari_mpi.widgets.runs.live_plot import LivePlot

_POINTS = 60  # of the training curve: single losses scatter with the crops drawn


class LossCurve(LivePlot):
    """Masked loss over iterations, on a logarithmic axis."""

    def __init__(self, viewer: Any) -> None:
        super().__init__(
            viewer, label="masked loss", lines=("masked loss",), logarithmic=True
        )
        self._losses: list[float] = []

    @property
    def losses(self) -> tuple[float, ...]:
        """All losses since the last `clear`."""
        return tuple(self._losses)

    def clear(self) -> None:
        """Forget all losses."""
        self._losses = []
        self.extend(())

    def extend(self, losses: tuple[float, ...]) -> None:
        """Add losses of further iterations."""
        self._losses.extend(losses)
        self.show_line(0, np.arange(len(self._losses)), self._losses)


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
