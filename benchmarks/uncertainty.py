"""What the spread of the fills tells of the error: rank, size, and by decile.

On 256 x 256 from the middle of each image, with 'blind-fast' and the weights that ship
(start `shipped`), and, on 128 x 128 of a few, with the paper's settings, network and
weights ('fast', start `authors`). Ways to tell how uncertain a pixel is:
  spread        as the engine gives it: variances averaged over a few pixels
  not averaged  the same of every pixel by itself
  plain         standard deviation of the predictions with their weights in the result,
                variances averaged
  hidden        hidden prediction less the one that hides nothing, squares averaged
  less own      the spread, less the share of the pixel's own value that was merged in,
                and its noise: sqrt((1 - w)^2 spread^2 + w^2 s2)
  plus own      sqrt(spread^2 + w^2 s2)

"rank" is Spearman's correlation with the true absolute error (over colours the root of
the mean square) pixel by pixel, "of blocks" that of both averaged over 8 x 8 pixels;
"error / spread" the ratio of their root mean squares. By decile: root mean square of
the error, and of the spread, of the tenth of the pixels with the least spread, the next
tenth and so on, in units of the image's root mean square error; means over images.

Usage: python benchmarks/uncertainty.py [--csv FILE] [--groups NAME ...]
                                        [--starts shipped authors]
       python benchmarks/uncertainty.py --table FILE
"""

import argparse
import csv
import itertools
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import geometric_mean, mean
from typing import Any
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor

import tables
from cases import CSET, DATA, Case, in_groups, middle, photograph
from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.state import DenoisingState
from napari_mpi.engine.denoising.task import prepare
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.filling import passes, spread
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.images.intensity import measure
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.networks.weights import Weights
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.filling import FillingConfig
from napari_mpi.engine.settings.presets import preset
from studies import merge
from studies.pretrained import start_of

SIDE, SMALL = 256, 128
STARTS = ("shipped", "authors")
WEAK = (2, 5)  # sigma, where much of the pixels' own values is merged in
WAYS = ("spread", "not averaged", "plain", "hidden", "less own", "plus own")
BLOCK, PARTS = 8, 10
DECILES = tuple(f"{of} {n}" for of in ("error", "spread") for n in range(1, PARTS + 1))
FIELDS = ("group", "image", "start", "way", "rank", "rank of blocks", "rms error",
          "rms spread", *DECILES)  # fmt: skip

Real = NDArray[np.float64]


def main() -> None:
    """Measure and write, or print tables of what was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--csv", type=Path, default=Path("uncertainty.csv"))
    parser.add_argument("--groups", nargs="+")
    parser.add_argument("--starts", nargs="+", choices=STARTS, default=STARTS)
    parser.add_argument("--table", type=Path)
    options = parser.parse_args()
    if options.table is not None:
        print_tables(options.table)
        return
    for start in options.starts:
        chosen = in_groups(CASES[start](), options.groups)
        found = (rows(case, start) for case in chosen)
        tables.write(options.csv, FIELDS, itertools.chain.from_iterable(found))


# -- what is measured ----------------------------------------------------------------


def cases() -> Iterator[Case]:
    """Yield what `merge` measures, OCT, and photographs with weak noise."""
    yield from merge.cases()
    folder = DATA / "medical" / "oct"
    for name in ("1", "2"):
        noisy, clean = (
            read_image(folder / f"{name}_{kind}.tif").array
            for kind in ("test", "average")
        )
        yield middle("oct", name, noisy, clean, SIDE)
    for sigma, grey in itertools.product(WEAK, (True, False)):
        for name in CSET:
            yield photograph(name, grey=grey, side=SIDE, sigma=sigma)


def few_cases() -> Iterator[Case]:
    """Yield what the paper's network can do in reason without a GPU."""
    folder = DATA / "fmd"
    for path in sorted((folder / "raw").iterdir()):
        noisy, clean = (
            read_image(folder / kind / path.name).array for kind in ("raw", "gt")
        )
        yield middle("fmd", path.stem, noisy, clean, SMALL)
    for name in CSET:
        yield photograph(name, grey=False, side=SMALL, sigma=25)


CASES = {"shipped": cases, "authors": few_cases}


def settings(case: Case, start: str) -> tuple[Weights, FillingConfig]:
    """Return weights and settings of a start."""
    if start == "authors":
        return start_of(case, start, 200)
    return load_weights("auto"), preset("blind-fast")


def rows(case: Case, start: str) -> Iterator[dict[str, object]]:
    """Yield one line for each way to tell the uncertainty."""
    weights, config = settings(case, start)
    state, kept = DenoisingState(wants_spread=True), Kept()
    with kept.watching():
        task = prepare(
            case.noisy, case.axes, weights=weights, config=config, device="cpu"
        )
        job = denoise(task, state, snapshot_interval=1e9)
        result = np.asarray(run(job), dtype=np.float64)
    errors, scale = error_of(case, result)
    layout = ImageAxes(case.axes, case.noisy.shape)
    slope = measure([layout.channels_first(case.noisy)]).slope
    ways = {name: slope * root(image) for name, image in kept.variances().items()}
    for name, found in ({"spread": state.spread} | ways).items():
        line = {"group": case.group, "image": case.name, "start": start, "way": name}
        yield line | figures(errors, scale * np.asarray(found, dtype=np.float64))


def root(variances: Tensor) -> Real:
    """Return standard deviations (Y, X), over colours the root of the mean square."""
    return np.sqrt(variances.double().mean(dim=(0, 1)).numpy())


def error_of(case: Case, result: Real) -> tuple[Real, float]:
    """Return absolute errors (Y, X), and what a step of the result is in their units.

    The two images of w2s were stretched separately: the result is fitted.
    """
    clean, slope, offset = case.clean.astype(np.float64), 1.0, 0.0
    if case.group == "w2s":
        slope, offset = np.polyfit(result.ravel(), clean.ravel(), 1)
    squares = np.square(slope * result + offset - clean)
    return np.sqrt(squares.mean(-1) if case.is_colour else squares), abs(slope)


class Kept:
    """What a run has in hand that other ways need."""

    def __init__(self) -> None:
        self._predictions: list[Tensor] = []
        self._found: dict[str, Any] = {}

    def watching(self) -> Any:
        """Return a context in which predictions and merging are noted."""
        true_add, true_around = spread.PassSpread.add, spread.PassSpread.around
        true_merged, true_nearby = passes.merged, spread._nearby
        true_masks = passes._masks

        def masks(*arguments: Any) -> list[Tensor]:
            self._found["masks"] = true_masks(*arguments)
            return self._found["masks"]

        def add(owner: Any, prediction: Tensor) -> None:
            self._predictions.append(prediction)
            true_add(owner, prediction)

        def around(owner: Any, unmasked: Tensor, *void: Any) -> Tensor:
            self._found["unmasked"] = unmasked
            return true_around(owner, unmasked, *void)

        def nearby(image: Tensor) -> Tensor:
            self._found.setdefault("raw", image)
            return true_nearby(image)

        def merged(
            noisy: Tensor,
            predicted: Tensor,
            taken: Tensor,
            variance: Tensor,
            *void: Any,
        ) -> Tensor:
            image = true_merged(noisy, predicted, taken, variance, *void)
            left = noisy - predicted
            weight = torch.where(left == 0, 0, (image - predicted) / left)
            self._found |= {"weight": weight.clamp(0, 1), "variance": variance}
            return image

        return _Patches(
            mock.patch.object(spread.PassSpread, "add", add),
            mock.patch.object(spread.PassSpread, "around", around),
            mock.patch.object(spread, "_nearby", nearby),
            mock.patch.object(passes, "merged", merged),
            mock.patch.object(passes, "_masks", masks),
        )

    def variances(self) -> dict[str, Tensor]:
        """Return variances (N, C, Y, X), in network units, of all ways but ours."""
        ways = {"not averaged": self._found["raw"]}
        if not self._predictions:
            return ways
        seen, unmasked = torch.stack(self._predictions), self._found["unmasked"]
        middle = (seen.mean(0) + unmasked) / 2
        plain = ((seen - middle).square().mean(0) + (unmasked - middle).square()) / 2
        hidden = torch.zeros_like(unmasked)
        masks = self._found["masks"]
        for mask, prediction in zip(masks, seen, strict=False):
            hidden = torch.where(mask, prediction - unmasked, hidden)
        squared = spread._nearby(self._found["raw"])
        weight = self._found.get("weight", torch.zeros_like(unmasked))
        own = weight.square() * self._found.get("variance", 0)
        return ways | {
            "plain": spread._nearby(plain),
            "hidden": spread._nearby(hidden.square()),
            "less own": (1 - weight).square() * squared + own,
            "plus own": squared + own,
        }


class _Patches:
    """Several patches, made and taken back together."""

    def __init__(self, *patches: Any) -> None:
        self._patches = patches

    def __enter__(self) -> None:
        for patch in self._patches:
            patch.start()

    def __exit__(self, *_: object) -> None:
        for patch in self._patches:
            patch.stop()


def figures(errors: Real, deviations: Real) -> dict[str, object]:
    """Return the figures of one way on one image."""
    total = np.sqrt(np.square(errors).mean())
    by_spread = np.array_split(np.argsort(deviations, axis=None, kind="stable"), PARTS)
    deciles = [
        float(np.sqrt(np.square(image.ravel()[part]).mean()) / total)
        for image in (errors, deviations)
        for part in by_spread
    ]
    return {
        "rank": round(rank(deviations, errors), 4),
        "rank of blocks": round(rank(blocks(deviations), blocks(errors)), 4),
        "rms error": round(float(total), 4),
        "rms spread": round(float(np.sqrt(np.square(deviations).mean())), 4),
    } | {name: round(value, 4) for name, value in zip(DECILES, deciles, strict=True)}


def rank(one: Real, other: Real) -> float:
    """Return Spearman's correlation."""
    return float(spearmanr(one.ravel(), other.ravel()).statistic)


def blocks(image: Real) -> Real:
    """Return means over blocks; what is left over at the border does not count."""
    rows, columns = (size // BLOCK for size in image.shape)
    cut = image[: rows * BLOCK, : columns * BLOCK]
    return cut.reshape(rows, BLOCK, columns, BLOCK).mean(axis=(1, 3))


# -- tables --------------------------------------------------------------------------

Rows = list[dict[str, str]]


def print_tables(path: Path) -> None:
    """Print what the spread is worth by group, other ways, and the deciles."""
    with path.open(newline="") as file:
        entries = list(csv.DictReader(file))
    groups = grouped(entries, "start", "group")
    print_groups(groups)
    print_ways(grouped(entries, "start", "way"))
    print_deciles(groups)


def grouped(entries: Rows, *names: str) -> dict[tuple[str, ...], Rows]:
    """Return lines by the values that they have in some columns."""
    found: dict[tuple[str, ...], Rows] = defaultdict(list)
    for entry in entries:
        found[tuple(entry[name] for name in names)].append(entry)
    return found


def print_groups(groups: dict[tuple[str, ...], Rows]) -> None:
    """Print means over the images of each group, and the range of the ratio."""
    heads = ("images", "rank", "least", "of blocks", "error / spread", "from", "to")
    print_heads(("start", "group"), heads)
    for (start, group), lines in groups.items():
        own = [line for line in lines if line["way"] == "spread"]
        ranks = [float(line["rank"]) for line in own]
        of_blocks = mean(float(line["rank of blocks"]) for line in own)
        ratios = [ratio(line) for line in own]
        print(
            f"| {start} | {group} | {len(own)} | {mean(ranks):.2f} | {min(ranks):.2f} |"
            f" {of_blocks:.2f} | {geometric_mean(ratios):.2f} | {min(ratios):.2f} |"
            f" {max(ratios):.2f} |"
        )
    print()


def print_heads(words: tuple[str, ...], numbers: tuple[str, ...]) -> None:
    """Print the first two lines of a table of words, then numbers."""
    print(f"| {' | '.join((*words, *numbers))} |")
    print("|" + " --- |" * len(words) + " ---: |" * len(numbers))


def ratio(line: dict[str, str]) -> float:
    """Return how many times the spread the error is."""
    return float(line["rms error"]) / max(float(line["rms spread"]), 1e-9)


def print_ways(ways: dict[tuple[str, ...], Rows]) -> None:
    """Print means over groups, each counted alike, of every way."""
    heads = ("rank", "of blocks", "error / spread", "off by, at worst")
    print_heads(("start", "way"), heads)
    for (start, way), lines in ways.items():
        of_group = list(grouped(lines, "group").values())
        one, other = (
            mean(mean(float(line[name]) for line in group) for group in of_group)
            for name in ("rank", "rank of blocks")
        )
        ratios = [geometric_mean(map(ratio, group)) for group in of_group]
        worst = max(max(r, 1 / r) for r in ratios)
        print(
            f"| {start} | {way} | {one:.3f} | {other:.3f} |"
            f" {geometric_mean(ratios):.2f} | {worst:.2f} |"
        )
    print()


def print_deciles(groups: dict[tuple[str, ...], Rows]) -> None:
    """Print error, then spread, by decile of the spread, per RMS error of the image."""
    heads = tuple(str(n) for n in range(1, PARTS + 1))
    print_heads(("start", "group", "rms"), heads)
    for (start, group), lines in groups.items():
        own = [line for line in lines if line["way"] == "spread"]
        for of in ("error", "spread"):
            names = [name for name in DECILES if name.startswith(of)]
            values = (mean(float(line[name]) for line in own) for name in names)
            cells = " | ".join(f"{value:.2f}" for value in values)
            print(f"| {start} | {group} | {of} | {cells} |")


if __name__ == "__main__":
    main()
