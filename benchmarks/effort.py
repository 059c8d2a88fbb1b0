"""Whether `effort: auto` stops where it should: against fixed numbers of iterations.

For each image, PSNR after fixed numbers of iterations (the settings of 'blind-full'),
and where 'blind-auto' stops. "Below the best": what auto's mean lacks to that of the
best fixed number, chosen with the clean images in hand; "worst" the same for the single
image where it is most, each with its own best; "saved" is the share of the iterations
of 'blind-full'.

Usage: python benchmarks/effort.py [--side 512] [--csv FILE] [--groups fmd ...]
       python benchmarks/effort.py --table FILE
"""

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import pretrained
from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.state import DenoisingState
from napari_mpi.engine.denoising.task import prepare
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.presets import preset

FIXED = (12, 24, 48, 100)
SIGMAS = (10, 25, 50)
FIELDS = ("group", "image", *(str(number) for number in FIXED), "auto", "stopped at")


def main() -> None:
    """Measure and write, or print a table of what was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--csv", type=Path, default=Path("effort.csv"))
    parser.add_argument("--groups", nargs="+")
    parser.add_argument("--table", type=Path)
    options = parser.parse_args()
    if options.table is not None:
        print_table(options.table)
        return
    chosen = pretrained.in_groups(cases(options.side), options.groups)
    known = already(options.csv)
    left = (case for case in chosen if (case.group, case.name) not in known)
    pretrained.write(options.csv, FIELDS, map(measured, left))


def already(path: Path) -> set[tuple[str, str]]:
    """Return group and image of the lines that a table has, to go on after them."""
    if not path.exists():
        return set()
    with path.open(newline="") as file:
        return {(row["group"], row["image"]) for row in csv.DictReader(file)}


def cases(side: int) -> Iterator[pretrained.Case]:
    """Yield the instruments' images, then photographs with noise of three strengths."""
    folder = pretrained.DATA / "fmd"
    for path in sorted((folder / "raw").iterdir()):
        noisy, clean = (
            read_image(folder / kind / path.name).array for kind in ("raw", "gt")
        )
        yield pretrained.middle("fmd", path.stem, noisy, clean, side)
    names = sorted(path.stem for path in (pretrained.DATA / "cset9").glob("*.png"))
    for sigma in SIGMAS:
        for grey in (True, False):
            for name in names:
                yield pretrained.photograph(name, grey=grey, side=side, sigma=sigma)


def measured(case: pretrained.Case) -> dict[str, object]:
    """Return one line: PSNR by iterations, and what auto makes of it."""
    weights = load_weights("auto")
    row: dict[str, object] = {"group": case.group, "image": case.name}

    def reached(name: str, state: DenoisingState, **changes: int) -> object:
        config = preset(name, **changes)
        job = denoise(
            prepare(
                case.noisy, case.axes, weights=weights, config=config, device="cpu"
            ),
            state=state,
            snapshot_interval=1e9,
        )
        return pretrained.row(case, "", 0, run(job), 0.0)["psnr"]

    state = DenoisingState()
    for number in FIXED:  # each goes on from the one before
        row[str(number)] = reached("blind-full", state, iterations=number)
    state = DenoisingState()
    row["auto"] = reached("blind-auto", state)
    row["stopped at"] = state.iteration
    return row


def print_table(path: Path) -> None:
    """Print means over the images of each group, and the worst image."""
    groups = defaultdict(list)
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            groups[row["group"]].append(row)
    heads = [f"{number}" for number in FIXED]
    print(f"| group | {' | '.join(heads)} | auto | below the best | worst | saved |")
    print("| --- |" + " ---: |" * (len(heads) + 4))
    for group, rows in groups.items():
        means = [f"{mean(float(row[head]) for row in rows):.2f}" for head in heads]
        best = max(mean(float(row[head]) for row in rows) for head in heads)
        auto = mean(float(row["auto"]) for row in rows)
        worst = max(
            max(float(row[head]) for head in heads) - float(row["auto"]) for row in rows
        )
        saved = 1 - mean(int(row["stopped at"]) for row in rows) / FIXED[-1]
        print(
            f"| {group} | {' | '.join(means)} | {auto:.2f} | {best - auto:.2f} |"
            f" {worst:.2f} | {saved:.0%} |"
        )


if __name__ == "__main__":
    main()
