"""What bfloat16 in the last passes changes: PSNR against passes in float32.

The steps are in the precision that the device is faster with, both times.
"""

import argparse
from collections.abc import Iterator
from unittest import mock

from torch import Tensor

import tables
from cases import Case, fmd, photograph, scored
from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.task import prepare
from napari_mpi.engine.filling.adaptation import Adaptation
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.presets import preset
from study import Study
from tables import Entry, Row

FIELDS = ("group", "image", "noisy", "float32", "as adapted")
NAMES = ("kodim03", "Baboon")
SIGMAS = (2, 5, 10, 25, 50)


def options(parser: argparse.ArgumentParser) -> None:
    """Add how much of the images."""
    parser.add_argument("--side", type=int, default=256)


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Yield one row per image."""
    for case in cases(options.side):
        exact, fast = (psnr(case, exact=exact) for exact in (True, False))
        noisy = scored(case, case.noisy)["psnr"]
        values = (case.group, case.name, noisy, exact, fast)
        yield dict(zip(FIELDS, values, strict=True))


def cases(side: int) -> Iterator[Case]:
    """Yield the instruments' images, and two photographs with noise of any strength."""
    yield from fmd(side)
    for name in NAMES:
        for sigma in SIGMAS:
            grey = name == NAMES[0]
            yield photograph(name, grey=grey, side=side, sigma=sigma)


def psnr(case: Case, *, exact: bool) -> float:
    """Return PSNR of the default settings, with passes in float32 if exact."""
    true_predict = Adaptation.predict

    def predict(
        self: Adaptation, noisy: Tensor, masked: Tensor | None = None
    ) -> Tensor:
        kept, self._bfloat16 = self._bfloat16, self._bfloat16 and not exact
        try:
            return true_predict(self, noisy, masked)
        finally:
            self._bfloat16 = kept

    config = preset("blind-auto")
    task = prepare(case.noisy, case.axes, weights="auto", config=config, device="cpu")
    with mock.patch.object(Adaptation, "predict", predict):
        return float(str(scored(case, run(denoise(task)))["psnr"]))


def table(entries: list[Entry]) -> None:
    """Print every image, and the difference."""
    tables.print_head(
        "group", "image", "noisy, dB", "float32", "as adapted", "difference", numbers=4
    )
    for entry in entries:
        values = [float(entry[field]) for field in FIELDS[2:]]
        told = [f"{value:.2f}" for value in values]
        lost = f"{values[2] - values[1]:+.2f}"
        tables.print_line(entry["group"], entry["image"], *told, lost)


STUDY = Study(FIELDS, rows, table, options)
