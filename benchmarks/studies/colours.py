"""Colours: by their opponents with weights for grey, or all at once, or one by one.

The middle 192 x 192 of photographs under Gaussian noise (sigma 15, 25 and 50) and under
photon noise (25 and 6 photons at full scale), `auto-fast`. Weights with three channels
take the colours all at once; those with one channel take their opponents. "one by one"
denoises each colour as an image of its own.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import tables
from cases import Case, photograph, scored, under
from napari_mpi import denoise
from napari_mpi.engine.noise.laws import Poisson
from study import Study
from tables import Entry, Row

SIGMAS, PHOTONS = (15, 25, 50), (25, 6)
IMAGES = {
    "cset9": ("House", "Baboon", "kodim03"),
    "kodak24": ("kodim05", "kodim08", "kodim19", "kodim23"),
}
FIELDS = ("group", "image", "colours", "psnr", "ssim", "seconds")


def options(parser: argparse.ArgumentParser) -> None:
    """Add the ways."""
    parser.add_argument("--weights", nargs="*", default=["auto"])
    parser.add_argument("--one-by-one", action="store_true")


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Yield the rows of every image."""
    ways = {Path(name).stem: by_weights(name) for name in options.weights}
    if options.one_by_one:
        ways["one by one"] = one_by_one
    for case in cases():
        yield from rows_of(case, ways)


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
    return under(case, Poisson(255 / photons), f"{case.group}, {photons:g} photons")


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


def rows_of(case: Case, ways: dict[str, Way]) -> Iterator[Row]:
    """Yield quality and seconds of the noisy image and of every way."""
    yield {**scored(case, case.noisy), "colours": "noisy", "seconds": 0.0}
    for label, way in ways.items():
        started = time.process_time()
        result = way(case.noisy)
        seconds = round(time.process_time() - started, 1)
        yield {**scored(case, result), "colours": label, "seconds": seconds}


def table(entries: list[Entry]) -> None:
    """Print the means of every group: PSNR, and seconds."""
    labels = [label for (label,) in tables.grouped(entries, "colours")]
    of = tables.grouped(entries, "group", "colours")
    tables.print_head("mean of", *labels)
    for (group,) in tables.grouped(entries, "group"):
        cells = [_cell(of.get((group, label), [])) for label in labels]
        tables.print_line(group, *cells)


def _cell(found: list[Entry]) -> str:
    if not found:
        return ""
    psnr, seconds = (tables.mean(found, field) for field in ("psnr", "seconds"))
    return f"{psnr:.2f} ({seconds:.1f} s)" if seconds else f"{psnr:.2f}"


STUDY = Study(FIELDS, rows, table, options)
