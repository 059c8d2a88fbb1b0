"""The figures that others publish, measured their way, with the weights that ship.

  fmd48       FMD's official mixed test set: mean over 48 images of 8 bits, PSNR against
              the average of 50 frames, nothing fitted
  w2s         12 pairs of W2S, which were stretched to 8 bits apart: as it is, and with
              scale and offset fitted to the clean image before the PSNR
  kodak24, cset9
              photographs with Gaussian noise that is not clipped, as published for
              CBSD68: grey and colour, sigma 15, 25 and 50

No setting is given but the preset: the noise is found out from each image.
"""

import argparse
import itertools
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

import tables
from cases import DATA, Case, fitted, fmd, photograph, w2s
from napari_mpi import denoise
from study import Study
from tables import Entry, Row

FIELDS = (
    "group", "image", "weights", "preset", "noisy", "psnr", "fitted", "seconds"
)  # fmt: skip
SIGMAS = (15, 25, 50)
WHOLE = 10_000  # pixels: no image is larger


def options(parser: argparse.ArgumentParser) -> None:
    """Add which images, and what denoises them."""
    parser.add_argument("--groups", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--weights", default="auto")
    parser.add_argument("--preset", default="auto-fast")
    parser.add_argument("--first", type=int, help="only so many images of each group")
    parser.add_argument("--side", type=int, default=WHOLE, help="their middles")


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Yield a row for every image."""
    for name in options.groups:
        for case in GROUPS[name](options.first, options.side):
            yield measured(case, options.weights, options.preset)


def measured(case: Case, weights: str, chosen: str) -> Row:
    """Denoise one image and compare it with its clean partner."""
    started = time.perf_counter()
    result = denoise(
        case.noisy, case.axes, weights=weights, preset=chosen, device="cpu"
    )
    seconds = time.perf_counter() - started
    return {
        "group": case.group,
        "image": case.name,
        "weights": weights,
        "preset": chosen,
        "noisy": round(psnr(case.noisy, case.clean), 3),
        "psnr": round(psnr(result, case.clean), 3),
        "fitted": round(psnr(fitted(result, case.clean), case.clean), 3),
        "seconds": round(seconds, 2),
    }


def psnr(image: NDArray[np.generic], clean: NDArray[np.generic]) -> float:
    """Return the PSNR in dB for a range of 255; what is beyond it is clipped."""
    error = image.astype(float).clip(0, 255) - clean.astype(float)
    return float(10 * np.log10(255**2 / np.mean(error**2)))


def photographs(folder: str, first: int | None, side: int) -> Iterator[Case]:
    """Yield grey and coloured photographs with noise of every strength."""
    for path in sorted((DATA / folder).glob("*.png"))[:first]:
        for grey in (True, False):
            for sigma in SIGMAS:
                yield photograph(
                    path.stem, grey=grey, side=side, sigma=sigma, folder=folder
                )


GROUPS = {
    "fmd48": lambda first, side: itertools.islice(fmd(side, "fmd48"), first),
    "w2s": lambda first, side: itertools.islice(w2s(side), first),
    "kodak24": lambda first, side: photographs("kodak24", first, side),
    "cset9": lambda first, side: photographs("cset9", first, side),
}


def table(entries: list[Entry]) -> None:
    """Print the means of every group."""
    columns = ("noisy", "psnr", "fitted", "seconds")
    tables.print_head("group", "weights", "preset", "images", *columns)
    found = tables.grouped(entries, "group", "weights", "preset")
    for names, lines in found.items():
        means = [f"{tables.mean(lines, key):.2f}" for key in columns]
        tables.print_line(*names, len(lines), *means)


STUDY = Study(FIELDS, rows, table, options)
