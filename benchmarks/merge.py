"""What the result is made of: the paper's ensemble, ours, the passes, and merging.

One adaptation (the iterations of 'blind-full', on the whole of a 256 x 256 image) feeds
three ensembles side by side, then the last passes predict:
  paper     hidden pixels, starting at the noisy image (decay 0.9, as in the paper)
  unbiased  hidden pixels, averaged without bias: no leftover noise
  all       all pixels, averaged without bias
  passes    complementary masks and one pass that hides nothing, half each
  merged    these merged with the pixel's own value, with *estimated* noise
All but `paper` get the noisy image's local means.

Usage: python benchmarks/merge.py [--csv FILE] [--groups NAME ...]
       python benchmarks/merge.py --table FILE
"""

import argparse
import csv
import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from torch import Tensor

import effort
import pretrained
from napari_mpi.engine.denoising.planes import as_tensor
from napari_mpi.engine.denoising.task import effective_config
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.filling.adaptation import Adaptation
from napari_mpi.engine.filling.ensemble import Ensemble
from napari_mpi.engine.filling.iterative import CORRELATED
from napari_mpi.engine.filling.masks import random_mask
from napari_mpi.engine.filling.passes import finish
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.images.intensity import measure
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.noise.correlation import (
    REPEATED,
    neighbour_correlation,
    repeated_share,
)
from napari_mpi.engine.noise.laws import PoissonGaussian
from napari_mpi.engine.noise.smoothing import smoothed
from napari_mpi.engine.settings.filling import FillingConfig
from napari_mpi.engine.settings.presets import preset

SIDE = 256
CPU = torch.device("cpu")
GAINS = {2: 3, 16: 5}  # grey levels per photon: grey levels of read noise
METHODS = ("noisy", "paper", "unbiased", "all", "passes", "merged")
FIELDS = ("group", "image", "method", "psnr", "ssim", "merges")


def main() -> None:
    """Measure and write, or print a table of what was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--csv", type=Path, default=Path("merge.csv"))
    parser.add_argument("--groups", nargs="+")
    parser.add_argument("--table", type=Path)
    options = parser.parse_args()
    if options.table is not None:
        print_table(options.table)
        return
    chosen = pretrained.in_groups(cases(), options.groups)
    lines = itertools.chain.from_iterable(map(rows, chosen))
    pretrained.write(options.csv, FIELDS, lines)


def cases() -> Iterator[pretrained.Case]:
    """Yield what `effort` measures, then photon noise, and the other instrument's."""
    yield from effort.cases(SIDE)
    names = sorted(path.stem for path in (pretrained.DATA / "cset9").glob("*.png"))
    for (gain, read_noise), name in ((g, n) for g in GAINS.items() for n in names):
        case = pretrained.photograph(name, grey=True, side=SIDE)
        law, rng = PoissonGaussian(gain, read_noise), np.random.default_rng(0)
        noisy = law.noisy(case.clean.astype(float), rng=rng)
        yield dataclasses.replace(
            case, group=f"photon noise, gain {gain}", noisy=noisy.astype(np.float32)
        )
    folder = pretrained.DATA / "w2s"
    for path in sorted(folder.glob("input_avg1_*.tif")):
        name = path.stem.removeprefix("input_avg1_")
        clean = read_image(folder / f"target_avg400_{name}.tif").array
        yield pretrained.middle("w2s", name, read_image(path).array, clean, SIDE)


def rows(case: pretrained.Case) -> Iterator[dict[str, object]]:
    """Yield one line for each way to make the result."""
    layout = ImageAxes(case.axes, case.noisy.shape)
    planes = layout.channels_first(case.noisy)
    intensities = measure([planes], opponents=case.is_colour)
    weights = load_weights("auto")
    noisy = as_tensor(intensities.to_network(planes), weights.network.channels)
    config = effective_config(preset("blind-full"), layout, weights, CPU)
    images, merges = made(noisy, weights.to_network(CPU), config)
    for name, image in images.items():
        values = intensities.from_network(image[:, 0].numpy(), np.dtype("f4"))
        line = pretrained.row(case, "", 0, layout.from_channels_first(values), 0.0)
        line |= {"method": name, "merges": merges}
        yield {field: line[field] for field in FIELDS}


def made(
    noisy: Tensor, network: torch.nn.Module, config: FillingConfig
) -> tuple[dict[str, Tensor], bool]:
    """Return the image by every method, and whether the noise was found white."""
    network.train()
    adaptation = Adaptation(network, config, CPU)
    kinds = {
        "paper": {"ema_decay": 0.9, "ensemble_start": "noisy", "ensemble_of": "hidden"},
        "unbiased": {"ensemble_start": "unbiased", "ensemble_of": "hidden"},
        "all": {"ensemble_start": "unbiased", "ensemble_of": "all"},
    }
    ensembles = {
        name: Ensemble(noisy, dataclasses.replace(config, **changes))
        for name, changes in kinds.items()
    }
    rng = torch.Generator().manual_seed(config.seed)
    left = noisy - adaptation.predict(noisy)
    adapts = (
        neighbour_correlation(left) < CORRELATED or repeated_share(left) >= REPEATED
    )
    shape = (1, 1 if config.shared_mask else noisy.shape[1], *noisy.shape[2:])
    for _ in range(config.iterations):
        masked = random_mask(shape, config.mask_ratio, rng=rng)
        advance = adaptation.step if adapts else adaptation.score
        filled, _ = advance(noisy, masked, masked)
        for ensemble in ensembles.values():
            ensemble.move(filled, masked, (...,))
    images = {"noisy": noisy}
    for name, ensemble in ensembles.items():
        image = ensemble.image
        means = 0 if name == "paper" else smoothed(noisy - image)
        images[name] = image + means
    unmerged = dataclasses.replace(config, merge=False)
    *_, passes = finish(noisy, adaptation.predict, unmerged)
    *_, merged = finish(noisy, adaptation.predict, config)
    return {**images, "passes": passes.image, "merged": merged.image}, merged.merged


def print_table(path: Path) -> None:
    """Print means over the images of each group, and what merging loses at worst."""
    groups: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(dict)
    merges = defaultdict(set)
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            found = groups[row["group"]].setdefault(row["method"], [])
            found.append((float(row["psnr"]), float(row["ssim"])))
            merges[row["group"]].add((row["image"], row["merges"]))
    print(f"| group | {' | '.join(METHODS)} | least gain | merged in |")
    print("| --- |" + " ---: |" * (len(METHODS) + 2))
    for group, methods in groups.items():
        means = [
            f"{mean(p for p, _ in methods[name]):.2f} / "
            f"{mean(s for _, s in methods[name]):.3f}"
            for name in METHODS
        ]
        gains = [
            after - before
            for (before, _), (after, _) in zip(
                methods["passes"], methods["merged"], strict=True
            )
        ]
        count = sum(merged == "True" for _, merged in merges[group])
        print(
            f"| {group} | {' | '.join(means)} | {min(gains):+.2f} |"
            f" {count} of {len(merges[group])} |"
        )


if __name__ == "__main__":
    main()
