"""What bfloat16 in the last passes changes: PSNR against passes in float32.

The steps are in the precision that the device is faster with, both times.

Usage: python benchmarks/precision.py [--side 256]
"""

import argparse
from collections.abc import Iterator
from unittest import mock

from torch import Tensor

import effort
import pretrained
from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.task import prepare
from napari_mpi.engine.filling.adaptation import Adaptation
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.presets import preset

NAMES = ("kodim03", "Baboon")
SIGMAS = (2, 5, 10, 25, 50)


def main() -> None:
    """Print one line per image."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=256)
    side = parser.parse_args().side
    print("| group | image | noisy, dB | float32 | as adapted | difference |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for case in cases(side):
        noisy = pretrained.row(case, "", 0, case.noisy, 0.0)["psnr"]
        exact, fast = (psnr(case, exact=exact) for exact in (True, False))
        print(
            f"| {case.group} | {case.name} | {noisy:.2f} | {exact:.2f} | {fast:.2f} |"
            f" {fast - exact:+.2f} |",
            flush=True,
        )


def cases(side: int) -> Iterator[pretrained.Case]:
    """Yield the instruments' images, and two photographs with noise of any strength."""
    for case in effort.cases(side):
        if case.group != "fmd":
            break
        yield case
    for name in NAMES:
        for sigma in SIGMAS:
            grey = name == NAMES[0]
            yield pretrained.photograph(name, grey=grey, side=side, sigma=sigma)


def psnr(case: pretrained.Case, *, exact: bool) -> float:
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

    weights = load_weights("auto")
    with mock.patch.object(Adaptation, "predict", predict):
        job = denoise(
            prepare(
                case.noisy,
                case.axes,
                weights=weights,
                config=preset("blind-auto"),
                device="cpu",
            )
        )
        return float(pretrained.row(case, "", 0, run(job), 0.0)["psnr"])


if __name__ == "__main__":
    main()
