"""Whether openly licensed images, and images that nobody took, can replace the others.

Two networks of the same kind, from the same random weights, make as many steps of as
many crops, with the same settings: one on all images of TRAIN, one on those of them
that are under CC0 or CC BY and on procedural ones. Both are cooled down for their last
third and judged on the same held-out images.

Usage: python benchmarks/procedural.py DRAWN --count 2000
       python benchmarks/open_images.py CLONES TRAIN/open_photographs
       python benchmarks/licences.py OUT TRAIN HELD_OUT DRAWN [--only all|open]
                                     [--steps 10000] [--link] [--stacks]

OUT gets a folder of links for each set, and with --link nothing else: OUT/open is what
weights that need nobody's permission are trained on; with --stacks in the shares that
were used for a network with neighbours. The two can run
side by side (--only). Rows go to OUT/licences.csv, weights beside it.
"""

import argparse
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tifffile
import torch

import training
from judge import SUFFIXES, Judge
from napari_mpi.engine.pretraining.state import start_pretraining
from napari_mpi.engine.settings.recipes import recipe

OPEN = {"gb82": 20, "open_photographs": 6, "micro_dsb2018": 2, ".": 1}
"""Folders of TRAIN under CC0 and CC BY ('.': the volumes), and how often each image
counts: of photographs there are only 60, 36 of them in tiles (`open_images.py`)."""

OPEN_STACKS = {"gb82": 30, "open_photographs": 9, "micro_dsb2018": 2, ".": 2}
"""The same for a network that sees neighbours, beside drawn volumes."""

SMALL = {"width": 32, "widest": 128, "blocks": 1, "crop_size": 64, "batch_size": 16}
CROP, LITTLE = 128, 8  # pixels
COOLED = 1 / 3  # of the steps


def main() -> None:
    """Train on both sets, or on one of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name in ("out", "train", "held_out", "drawn"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--only", choices=("all", "open"))
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--link", action="store_true", help="only make the folders")
    parser.add_argument("--stacks", action="store_true", help="for neighbours")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in ("all", "open") if options.only is None else (options.only,):
        folder = options.out / name
        if name == "all":
            link_all(options.train, options.drawn, folder)
        else:
            times = OPEN_STACKS if options.stacks else OPEN
            link_open(options.train, options.drawn, folder, times)
        if options.link:
            continue
        train(folder, Judge.of(options.held_out), options.steps)


def link_all(train: Path, drawn: Path, folder: Path) -> None:
    """Make a folder of links to the photographs and micrographs of TRAIN."""
    for source in (path for path in train.iterdir() if path.is_dir()):
        _link(source, folder / source.name, 1)


def link_open(
    train: Path, drawn: Path, folder: Path, counts: Mapping[str, int] = OPEN
) -> None:
    """Make a folder of links to what is openly licensed, and to what was drawn."""
    for name, times in counts.items():
        _link(train / name, folder / name, times)
    _link(drawn, folder / "drawn", 1)


def _link(source: Path, folder: Path, times: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(p for p in source.iterdir() if p.suffix.lower() in SUFFIXES):
        for number in range(times):
            target = folder / f"{number}-{path.name}"
            target.unlink(missing_ok=True)
            if not widened(path, target):
                target.symlink_to(path.resolve())


def widened(path: Path, target: Path) -> bool:
    """Write a volume whose planes are a little too small for a crop, its border twice.

    Those of the brain have 160 x 127 pixels, a border of nothing.
    """
    if path.suffix != ".tif":
        return False
    volume = tifffile.imread(path)
    lacking = [max(0, CROP - side) for side in volume.shape[-2:]]
    if not 0 < sum(lacking) < LITTLE:
        return False
    around = [(0, 0)] * (volume.ndim - 2) + [(0, pixels) for pixels in lacking]
    tifffile.imwrite(target, np.pad(volume, around, mode="edge"))
    return True


def train(folder: Path, judge: Judge, steps: int) -> None:
    """Train, cool down, judge, save."""
    images = training.read_images(folder)
    print(
        f"{folder.name}: {images.files} files, {len(images.images)} planes", flush=True
    )
    asked = recipe("grey", schedule="constant", **SMALL)
    state = start_pretraining(asked.network, asked.pretraining)
    log = folder.with_name("licences.csv")
    stretch = training.Stretch(images, judge, "cpu", log, folder.name)
    began = time.process_time()
    last = stretch.cool_down(state, round(COOLED * steps), after=steps)
    seconds = time.process_time() - began
    print(f"{folder.name}: {seconds:.0f} processor seconds", flush=True)
    training.save(last, images, folder.with_name(f"{folder.name}.safetensors"))


if __name__ == "__main__":
    main()
