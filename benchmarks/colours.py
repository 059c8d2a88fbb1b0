"""Colours: by their opponents with weights for grey, or all at once, or one by one.

The middle 192 x 192 of photographs under Gaussian noise (sigma 15, 25 and 50) and under
photon noise (25 and 6 photons at full scale), `auto-fast`. Weights with three channels
take the colours all at once; those with one channel take their opponents. "one by one"
denoises each colour as an image of its own.

Usage: python benchmarks/colours.py [--csv FILE] [--weights NAME ...] [--one-by-one]
       python benchmarks/colours.py --table FILE
"""

import argparse
import csv
import dataclasses
import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_mpi import denoise
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.images.quality import quality
from napari_mpi.engine.noise.laws import Poisson
from pretrained import SEED, Case, photograph, write

SIGMAS, PHOTONS = (15, 25, 50), (25, 6)
IMAGES = {
    "cset9": ("House", "Baboon", "kodim03"),
    "kodak24": ("kodim05", "kodim08", "kodim19", "kodim23"),
}
FIELDS = ("group", "image", "colours", "psnr", "ssim", "seconds")


def main() -> None:
    """Measure and write, or print a table of what was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--csv", type=Path, default=Path("colours.csv"))
    parser.add_argument("--weights", nargs="*", default=["auto"])
    parser.add_argument("--one-by-one", action="store_true")
    parser.add_argument("--table", type=Path, help="print this file as a table")
    options = parser.parse_args()
    if options.table is not None:
        print_table(options.table)
        return
    ways = {Path(name).stem: by_weights(name) for name in options.weights}
    if options.one_by_one:
        ways["one by one"] = one_by_one
    found = (rows(case, ways) for case in cases())
    write(options.csv, FIELDS, itertools.chain.from_iterable(found))


def cases() -> Iterator[Case]:
    """Yield every photograph under every noise."""
    for folder, names in IMAGES.items():
        for name in names:
            for sigma in SIGMAS:
                yield photograph(name, grey=False, folder=folder, sigma=sigma)
            for photons in PHOTONS:
                yield in_photons(photograph(name, grey=False, folder=folder), photons)


def in_photons(case: Case, photons: float) -> Case:
    """Return a photograph, so many photons of which make its full scale."""
    law = Poisson(255 / photons)
    noisy = law.noisy(case.clean, rng=np.random.default_rng(SEED))
    group = f"{case.group}, {photons:g} photons"
    return dataclasses.replace(case, group=group, noisy=noisy.astype(np.float32))


Way = Callable[[NDArray[np.generic]], NDArray[np.generic]]


def by_weights(name: str) -> Way:
    """Return what denoises with some weights."""

    def denoised(noisy: NDArray[np.generic]) -> NDArray[np.generic]:
        return denoise(noisy, "YXS", weights=name, preset="auto-fast", device="cpu")

    return denoised


def one_by_one(noisy: NDArray[np.generic]) -> NDArray[np.generic]:
    """Denoise each colour as an image of its own."""
    parts = [
        denoise(noisy[..., n], "YX", preset="auto-fast", device="cpu") for n in range(3)
    ]
    return np.stack(parts, axis=-1)


def rows(case: Case, ways: dict[str, Way]) -> Iterator[dict[str, object]]:
    """Yield quality and seconds of the noisy image and of every way."""
    yield row(case, "noisy", case.noisy, 0.0)
    for label, way in ways.items():
        started = time.process_time()
        result = way(case.noisy)
        yield row(case, label, result, time.process_time() - started)


def row(
    case: Case, label: str, image: NDArray[np.generic], seconds: float
) -> dict[str, object]:
    """Return one line of the table."""
    layout = ImageAxes(case.axes, case.clean.shape)
    values = image.astype(np.float64).clip(0, 255)
    reached = quality(values, case.clean, layout, data_range=255)
    return {
        "group": case.group,
        "image": case.name,
        "colours": label,
        "psnr": round(reached.psnr, 2),
        "ssim": round(reached.ssim, 3),
        "seconds": round(seconds, 1),
    }


def print_table(path: Path) -> None:
    """Print the means of every group in Markdown: PSNR, and seconds."""
    groups: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(dict)
    with path.open(newline="") as file:
        for entry in csv.DictReader(file):
            found = groups[entry["group"]].setdefault(entry["colours"], [])
            found.append((float(entry["psnr"]), float(entry["seconds"])))
    labels = list(dict.fromkeys(label for ways in groups.values() for label in ways))
    print("| mean of |", " | ".join(labels), "|")
    print("| --- " * (len(labels) + 1) + "|")
    for group, ways in groups.items():
        cells = [_cell(ways.get(label, [])) for label in labels]
        print(f"| {group} |", " | ".join(cells), "|")


def _cell(found: list[tuple[float, float]]) -> str:
    if not found:
        return ""
    psnr, seconds = np.mean(found, axis=0)
    return f"{psnr:.2f} ({seconds:.1f} s)" if seconds else f"{psnr:.2f}"


if __name__ == "__main__":
    main()
