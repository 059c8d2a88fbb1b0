"""What the result is made of: the paper's ensemble, ours, the passes, and merging.

One adaptation (the iterations of 'blind-full', on the whole of a 256 x 256 image) feeds
three ensembles side by side, then the last passes predict:
  paper     hidden pixels, starting at the noisy image (decay 0.9, as in the paper)
  unbiased  hidden pixels, averaged without bias: no leftover noise
  all       all pixels, averaged without bias
  passes    complementary masks and one pass that hides nothing, half each
  merged    these merged with the pixel's own value, with *estimated* noise
All but `paper` get the noisy image's local means.
"""

import argparse
import dataclasses
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

import tables
from cases import Case, cset_names, in_groups, photograph, scored, under, w2s
from napari_mpi.engine.denoising.noisy import as_tensor
from napari_mpi.engine.denoising.task import effective_config
from napari_mpi.engine.filling.adaptation import Adaptation
from napari_mpi.engine.filling.ensemble import Ensemble
from napari_mpi.engine.filling.iterative import CORRELATED
from napari_mpi.engine.filling.masks import random_mask, shape_of
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
from studies import effort
from study import Study
from tables import Entry, Row

SIDE = 256
CPU = torch.device("cpu")
GAINS = {2: 3, 16: 5}  # grey levels per photon: grey levels of read noise
METHODS = ("noisy", "paper", "unbiased", "all", "passes", "merged")
FIELDS = ("group", "image", "method", "psnr", "ssim", "merges")


def options(parser: argparse.ArgumentParser) -> None:
    """Add which images."""
    parser.add_argument("--groups", nargs="+")


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Yield the rows of every image."""
    for case in in_groups(cases(), options.groups):
        yield from rows_of(case)


def cases() -> Iterator[Case]:
    """Yield what `effort` measures, then photon noise, and the other instrument's."""
    yield from effort.cases(SIDE)
    for gain, read_noise in GAINS.items():
        law = PoissonGaussian(gain, read_noise)
        for name in cset_names():
            case = photograph(name, grey=True, side=SIDE)
            yield under(case, law, f"photon noise, gain {gain}")
    yield from w2s(SIDE)


def rows_of(case: Case) -> Iterator[Row]:
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
        reached = scored(case, layout.from_channels_first(values))
        yield {**reached, "method": name, "merges": merges}


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
    shape = shape_of(noisy, shared=config.shared_mask)
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


def table(entries: list[Entry]) -> None:
    """Print means over the images of each group, and what merging loses at worst."""
    tables.print_head(
        "group", *METHODS, "least gain", "merged in", numbers=len(METHODS) + 2
    )
    for (group,), found in tables.grouped(entries, "group").items():
        of = {name: runs for (name,), runs in tables.grouped(found, "method").items()}
        means = [
            f"{tables.mean(of[name], 'psnr'):.2f} / {tables.mean(of[name], 'ssim'):.3f}"
            for name in METHODS
        ]
        gains = [
            float(after["psnr"]) - float(before["psnr"])
            for before, after in zip(of["passes"], of["merged"], strict=True)
        ]
        images = {(entry["image"], entry["merges"]) for entry in found}
        count = sum(merged == "True" for _, merged in images)
        merged = f"{count} of {len(images)}"
        tables.print_line(group, *means, f"{min(gains):+.2f}", merged)


STUDY = Study(FIELDS, rows, table, options)
