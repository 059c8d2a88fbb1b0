"""The figures that others publish, measured their way, with the weights that ship.

  fmd48       FMD's official mixed test set: mean over 48 images of 8 bits, PSNR against
              the average of 50 frames, nothing fitted
  w2s         12 pairs of W2S, which were stretched to 8 bits apart: as it is, and with
              scale and offset fitted to the clean image before the PSNR
  kodak24, cset9
              photographs with Gaussian noise that is not clipped, as published for
              CBSD68: grey and colour, sigma 15, 25 and 50

No setting is given but the preset: the noise is found out from each image.

Usage: python benchmarks/published.py [GROUP ...] [--csv FILE] [--weights grey]
                                      [--preset auto-fast] [--first N] [--side N]
       python benchmarks/published.py --table FILE
"""

import argparse
import csv
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

import pretrained
from napari_mpi import denoise
from napari_mpi.engine.files.formats import read_image
from pretrained import DATA, Case

FIELDS = (
    "group", "image", "weights", "preset", "noisy", "psnr", "fitted", "seconds"
)  # fmt: skip
SIGMAS = (15, 25, 50)
WHOLE = 10_000  # pixels: no image is larger


def main() -> None:
    """Measure and write, or print a table of what was written."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("groups", nargs="*", default=list(GROUPS))
    parser.add_argument("--csv", type=Path, default=Path("published.csv"))
    parser.add_argument("--weights", default="auto")
    parser.add_argument("--preset", default="auto-fast")
    parser.add_argument("--first", type=int, help="only so many images of each group")
    parser.add_argument("--side", type=int, default=WHOLE, help="their middles")
    parser.add_argument("--table", type=Path, help="print this file as a table")
    options = parser.parse_args()
    if options.table is not None:
        print_table(options.table)
        return
    rows = (
        measured(case, options.weights, options.preset)
        for name in options.groups
        for case in GROUPS[name](options.first, options.side)
    )
    pretrained.write(options.csv, FIELDS, rows)


def measured(case: Case, weights: str, chosen: str) -> dict[str, object]:
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


def fitted(
    image: NDArray[np.generic], clean: NDArray[np.generic]
) -> NDArray[np.float64]:
    """Return an image with the scale and offset that bring it closest to the clean."""
    scale, offset = np.polyfit(
        image.ravel().astype(float), clean.ravel().astype(float), 1
    )
    return scale * image.astype(float) + offset


def fmd48(first: int | None, side: int) -> Iterator[Case]:
    """Yield FMD's official mixed test set."""
    for path in sorted((DATA / "fmd48" / "raw").iterdir())[:first]:
        noisy = read_image(path).array
        clean = read_image(DATA / "fmd48" / "gt" / path.name).array
        yield pretrained.middle("fmd48", path.stem, noisy, clean, side)


def w2s(first: int | None, side: int) -> Iterator[Case]:
    """Yield the pairs of W2S."""
    for path in sorted((DATA / "w2s").glob("input_avg1_*"))[:first]:
        partner = path.with_name(path.name.replace("input_avg1", "target_avg400"))
        noisy, clean = read_image(path).array, read_image(partner).array
        yield pretrained.middle("w2s", path.stem[-5:], noisy, clean, side)


def photographs(folder: str, first: int | None, side: int) -> Iterator[Case]:
    """Yield grey and coloured photographs with noise of every strength."""
    for path in sorted((DATA / folder).glob("*.png"))[:first]:
        for grey in (True, False):
            for sigma in SIGMAS:
                yield pretrained.photograph(
                    path.stem, grey=grey, side=side, sigma=sigma, folder=folder
                )


GROUPS = {
    "fmd48": fmd48,
    "w2s": w2s,
    "kodak24": lambda first, side: photographs("kodak24", first, side),
    "cset9": lambda first, side: photographs("cset9", first, side),
}


def print_table(path: Path) -> None:
    """Print the means of every group."""
    groups = defaultdict(list)
    with path.open(newline="") as file:
        for line in csv.DictReader(file):
            groups[line["group"], line["weights"], line["preset"]].append(line)
    columns = ("noisy", "psnr", "fitted", "seconds")
    print("| group | weights | preset | images | " + " | ".join(columns) + " |")
    print("| --- |" + " --- |" * 7)
    for names, lines in groups.items():
        means = [f"{fmean(float(line[key]) for line in lines):.2f}" for key in columns]
        print(f"| {' | '.join(names)} | {len(lines)} | {' | '.join(means)} |")


if __name__ == "__main__":
    main()
