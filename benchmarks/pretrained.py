"""What pre-training buys: quality and seconds by iterations, from four starts.

Starts: our network at random, with the shipped weights, and the paper's network with
its authors' weights. Images: 192 x 192 from the middle of each of the subset below.
"Fills" means no adaptation: the same masks and ensemble, and no gradient; "unmasked"
one pass that hides nothing.

Every method is timed on the same machine, images interleaved, so that the seconds of
one table may be compared with each other and with nothing else.

Usage: python benchmarks/pretrained.py [--csv FILE] [--starts random shipped authors]
                                       [--groups fmd w2s ...] [--side 512]
                                       [--read-at 25 100]
       python benchmarks/pretrained.py --table FILE
"""

import argparse
import csv
import dataclasses
import itertools
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.task import effective_config, prepare
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.images.quality import quality
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.networks.weights import Weights, random_weights
from napari_mpi.engine.settings.filling import FillingConfig
from napari_mpi.engine.settings.presets import preset
from napari_mpi.engine.settings.recipes import RECIPES

DATA = Path(os.environ.get("NAPARI_MPI_DATA", "../shared")) / "data" / "eval"
CHECKPOINTS = DATA.parents[1] / "weights"
SIDE, SIGMA, SEED = 192, 25, 0
READ_AT = (25, 50, 100, 200)
FILLS = 12
STARTS = ("random", "shipped", "authors")
CSET = ("House", "Baboon", "kodim03")
# The ensemble of the iterations is read on the way, so there are no last passes.
ENSEMBLE = {
    "passes": 0,
    "crop": 0,
    "merge": False,
    "weights_ema_decay": 0.0,
    "learning_rate": 3e-5,
    "precision": "float32",
}


@dataclass(frozen=True)
class Case:
    """One noisy image and its clean partner."""

    group: str
    name: str
    noisy: NDArray[np.generic]
    clean: NDArray[np.generic]
    axes: str

    @property
    def is_colour(self) -> bool:
        return "S" in self.axes


def main() -> None:
    """Measure and write, or print a table of what was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--csv", type=Path, default=Path("pretrained.csv"))
    parser.add_argument("--starts", nargs="+", choices=STARTS, default=STARTS)
    parser.add_argument("--table", type=Path, help="print this file as a table")
    parser.add_argument("--side", type=int, default=SIDE, help="of the crops")
    parser.add_argument("--groups", nargs="+", help="of the images (default: all)")
    parser.add_argument("--read-at", nargs="+", type=int, default=READ_AT)
    options = parser.parse_args()
    if options.table is not None:
        print_table(options.table)
        return
    chosen = in_groups(cases(options.side), options.groups)
    found = (rows(case, options.starts, tuple(options.read_at)) for case in chosen)
    write(options.csv, FIELDS, itertools.chain.from_iterable(found))


FIELDS = ("group", "image", "start", "iterations", "psnr", "ssim", "seconds")


def in_groups(cases: Iterator[Case], groups: list[str] | None) -> Iterator[Case]:
    """Leave out the cases of other groups than those named; none if None."""
    return (case for case in cases if not groups or case.group in groups)


def write(path: Path, fields: tuple[str, ...], lines: Iterable[dict]) -> None:
    """Append lines to a table, each as soon as it is there, and print them."""
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=fields)
        if file.tell() == 0:
            writer.writeheader()
        for line in lines:
            writer.writerow(line)
            file.flush()
            print(line, flush=True)


def cases(side: int = SIDE) -> Iterator[Case]:
    """Yield the subset: Gaussian noise on photographs, then what instruments gave."""
    for grey in (True, False):
        for name in CSET:
            yield photograph(name, grey=grey, side=side)
    for path in sorted((DATA / "fmd" / "raw").iterdir()):
        clean = read_image(DATA / "fmd" / "gt" / path.name).array
        yield middle("fmd", path.stem, read_image(path).array, clean, side)
    for channel in range(3):
        noisy, clean = (
            read_image(DATA / "w2s" / f"{kind}_081_{channel}.tif").array
            for kind in ("input_avg1", "target_avg400")
        )
        yield middle("w2s", f"081_{channel}", noisy, clean, side)
    oct_folder = DATA / "medical" / "oct"
    noisy, clean = (
        read_image(oct_folder / f"1_{kind}.tif").array for kind in ("test", "average")
    )
    yield middle("oct", "1", noisy, clean, side)


def photograph(
    name: str,
    *,
    grey: bool,
    side: int = SIDE,
    sigma: float | None = None,
    folder: str = "cset9",
) -> Case:
    """Return a photograph with Gaussian noise, unclipped as in the paper.

    Its group tells a sigma that was asked for; it is 25 otherwise.
    """
    clean = read_image(DATA / folder / f"{name}.png").array[..., :3]
    if grey:
        clean = np.rint(clean @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    group = f"{folder} {'grey' if grey else 'colour'}"
    group += "" if sigma is None else f", sigma {sigma:g}"
    case = middle(group, name, clean, clean, side)
    noise = np.random.default_rng(SEED).normal(0, sigma or SIGMA, case.clean.shape)
    return dataclasses.replace(case, noisy=(case.clean + noise).astype(np.float32))


def middle(
    group: str,
    name: str,
    noisy: NDArray[np.generic],
    clean: NDArray[np.generic],
    side: int,
) -> Case:
    """Cut the middle out of both."""
    noisy, clean = np.squeeze(noisy), np.squeeze(clean)
    top, left = (max(0, (size - side) // 2) for size in clean.shape[:2])
    inside = (slice(top, top + side), slice(left, left + side))
    axes = "YXS" if clean.ndim == 3 else "YX"
    return Case(group, name, noisy[inside], clean[inside], axes)


def rows(
    case: Case, starts: tuple[str, ...], read_at: tuple[int, ...] = READ_AT
) -> Iterator[dict[str, object]]:
    """Yield the quality of the noisy image, then of every start and iteration."""
    yield row(case, "noisy", 0, case.noisy, 0.0)
    for start in starts:
        weights, config = start_of(case, start, max(read_at))
        adapting = effective_config(config, ImageAxes(case.axes, case.noisy.shape),
                                    weights, torch.device("cpu"))  # fmt: skip
        filling = dataclasses.replace(adapting, learning_rate=0.0, iterations=FILLS)
        if start == "shipped":  # the only ones trained to see all pixels
            whole = dataclasses.replace(filling, mask_ratio=0.0, iterations=1)
            yield from measured(case, start, weights, whole, (1,), "unmasked")
        yield from measured(case, start, weights, filling, (FILLS,), "fills")
        yield from measured(case, start, weights, adapting, read_at)


def start_of(case: Case, start: str, iterations: int) -> tuple[Weights, FillingConfig]:
    """Return weights and settings of a start, for the kind of noise that a case has."""
    synthetic = case.group.startswith(("cset9", "kodak24"))
    if start == "shipped":
        weights = load_weights("auto")
        return weights, preset("blind-full", iterations=iterations, **ENSEMBLE)
    if start == "random":
        network = RECIPES["grey"].network
        # The paper's rate of 2e-3 is for a network with batch normalisation.
        config = preset("independent-fast", iterations=iterations, learning_rate=1e-3)
        return random_weights(network, seed=SEED), config
    file = "30_multchannel" if synthetic else "80_95_singlechannel"
    weights = load_weights(CHECKPOINTS / f"imgnet_{file}_skip.pth")
    name = "independent-fast" if synthetic else "real-fast"
    return weights, preset(name, iterations=iterations)


def measured(
    case: Case,
    start: str,
    weights: Weights,
    config: FillingConfig,
    read_at: tuple[int, ...],
    label: str = "",
) -> Iterator[dict[str, object]]:
    """Run once and read the ensemble on the way; the reading is not timed."""
    job = denoise(
        prepare(case.noisy, case.axes, weights=weights, config=config, device="cpu"),
        snapshot_interval=0,
    )
    seconds, started = 0.0, time.perf_counter()
    with closing(job):
        for snapshot in job:
            if snapshot.iteration in read_at:
                seconds += time.perf_counter() - started
                made = label or snapshot.iteration
                yield row(case, start, made, snapshot.image, seconds)
                started = time.perf_counter()


def row(
    case: Case,
    start: str,
    iterations: object,
    image: NDArray[np.generic],
    seconds: float,
) -> dict[str, object]:
    """Return one line of the table."""
    clean = case.clean
    values = image.astype(np.float64)
    if case.group == "w2s":  # noisy and clean were stretched separately
        slope, offset = np.polyfit(values.ravel(), clean.astype(float).ravel(), 1)
        values = slope * values + offset
    layout = ImageAxes(case.axes, clean.shape)
    reached = quality(values.clip(0, 255), clean, layout, data_range=255)
    return {
        "group": case.group,
        "image": case.name,
        "start": start,
        "iterations": iterations,
        "psnr": round(reached.psnr, 2),
        "ssim": round(reached.ssim, 3),
        "seconds": round(seconds, 1),
    }


def print_table(path: Path) -> None:
    """Print the file as two tables in Markdown: means of the groups, every image."""
    with path.open(newline="") as file:
        entries = list(csv.DictReader(file))
    by_group: dict[str, Table] = {}
    by_image: dict[str, Table] = {}
    for entry in entries:
        key = (entry["start"], entry["iterations"])
        group, image = entry["group"], f"{entry['group']} {entry['image']}"
        by_group.setdefault(group, {}).setdefault(key, []).append(entry)
        by_image.setdefault(image, {}).setdefault(key, []).append(entry)
    print_rows("mean of", by_group)
    print()
    print_rows("image", by_image)


Table = dict[tuple[str, str], list[dict[str, str]]]


def print_rows(title: str, tables: dict[str, Table]) -> None:
    """Print PSNR / SSIM of every start and number of iterations."""
    columns = ["unmasked", "fills", *map(str, READ_AT)]
    print(f"| {title} | start |", " | ".join(columns), "| seconds for 100 |")
    print("| --- " * (len(columns) + 3) + "|")
    for name, table in tables.items():
        noisy = _cell(table["noisy", "0"])
        print(f"| {name} | noisy | {noisy} |" + " |" * len(columns))
        for start in STARTS:
            cells = [_cell(table.get((start, at), [])) for at in columns]
            seconds = [float(e["seconds"]) for e in table.get((start, "100"), [])]
            last = f"{sum(seconds) / len(seconds):.1f}" if seconds else ""
            print(f"| | {start} |", " | ".join(cells), f"| {last} |")


def _cell(entries: list[dict[str, str]]) -> str:
    if not entries:
        return ""
    psnr, ssim = (
        sum(float(e[of]) for e in entries) / len(entries) for of in ("psnr", "ssim")
    )
    return f"{psnr:.2f} / {ssim:.3f}"


if __name__ == "__main__":
    main()
