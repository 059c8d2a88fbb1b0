"""Which weights are better: held-out images, noise of several kinds, one pass each.

Of the images that networks are pre-trained on (docs/model-card.md), every twentieth, by
the hash of its name, is held out. `split` makes two folders of links, one to train on,
one to judge by; no image under eval/ is in either. Each held-out image is cut to its
middle, gets noise from a seed, and is denoised by one pass that hides nothing: no
adaptation, no choice, so that a difference is the weights'.

Usage: python benchmarks/judge.py split IMAGES TRAIN HELD_OUT
       python benchmarks/judge.py HELD_OUT WEIGHTS [WEIGHTS ...] [--csv FILE]
"""

import argparse
import csv
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.networks.filling_network import FillingNetwork
from napari_mpi.engine.networks.loading import load_weights

SIDE = 192
ONE_IN = 20
PHOTOGRAPHS = ("imagenet", "bsds", "gb82", "sunhays")  # folders of the training sets
SUFFIXES = (".jpg", ".png", ".tif")
# Standard deviations of 255 grey levels, and photons that white stands for.
NOISES: dict[str, float] = {"5": 5, "15": 15, "25": 25, "50": 50}
PHOTONS: dict[str, float] = {"200 photons": 200, "20 photons": 20}


def main() -> None:
    """Split a folder, or print how good weights are on its held-out part."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("first", help="'split', or the folder of held-out images")
    parser.add_argument("others", nargs="+")
    parser.add_argument("--csv", type=Path, help="append the rows to this file")
    options = parser.parse_args()
    if options.first == "split":
        split(*map(Path, options.others))
        return
    judge = Judge.of(Path(options.first))
    for name in options.others:
        network = load_weights(name).to_network()
        row = judge.psnr(network)
        told = ", ".join(f"{key} {value:.2f}" for key, value in row.items())
        print(f"{name}: {told}", flush=True)
        if options.csv is not None:
            write_row(options.csv, {"weights": name, **row})


def split(images: Path, train: Path, held_out: Path) -> None:
    """Make two folders of links, one to train on and one to judge by."""
    for path in sorted(images.rglob("*")):
        if path.suffix.lower() in SUFFIXES:
            folder = held_out if is_held_out(path) else train
            target = folder / path.relative_to(images)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path.resolve())


def is_held_out(path: Path) -> bool:
    """Whether an image is never trained on; its name alone decides."""
    return int(hashlib.sha256(path.name.encode()).hexdigest(), 16) % ONE_IN == 0


def write_row(path: Path, row: dict[str, object]) -> None:
    """Append a row to a table."""
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(row), lineterminator="\n")
        if file.tell() == 0:
            writer.writeheader()
        writer.writerow(row)


@dataclass(frozen=True)
class Judge:
    """Held-out images by group, with their noisy versions, on one device."""

    clean: dict[str, Tensor]
    noisy: dict[str, dict[str, Tensor]]

    @classmethod
    def of(cls, folder: Path) -> "Judge":
        """Read the middle of every held-out image that is large enough."""
        groups: dict[str, list[np.ndarray]] = defaultdict(list)
        for group, plane in middles(folder):
            groups[group].append(plane)
        clean, noisy = {}, {}
        for group, planes in groups.items():
            stack = np.stack(planes)[:, None].astype(np.float32)
            clean[group] = torch.from_numpy(stack)
            noisy[group] = {
                kind: torch.from_numpy(add(stack)) for kind, add in kinds_of_noise()
            }
        return cls(clean, noisy)

    def to(self, device: torch.device) -> "Judge":
        """Return the same on another device."""
        noisy = {
            group: {kind: image.to(device) for kind, image in kinds.items()}
            for group, kinds in self.noisy.items()
        }
        clean = {group: image.to(device) for group, image in self.clean.items()}
        return Judge(clean, noisy)

    @torch.no_grad()
    def psnr(self, network: FillingNetwork) -> dict[str, float]:
        """Return the mean PSNR in dB by group and kind of noise, by one open pass."""
        network.eval()
        found = {}
        for group, clean in self.clean.items():
            for kind, noisy in self.noisy[group].items():
                filled = torch.cat([_open(network, part) for part in noisy.split(8)])
                error = (filled - clean).square().mean(dim=(1, 2, 3))
                found[f"{group} {kind}"] = float((-10 * error.log10()).mean())
            means = [v for k, v in found.items() if k.startswith(group)]
            found[group] = float(np.mean(means))
        return found


def _open(network: FillingNetwork, noisy: Tensor) -> Tensor:
    masked = torch.zeros_like(noisy, dtype=torch.bool)
    return network(noisy, masked).float()


def middles(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield group and middle of every image, grey, 0..1."""
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES):
        image = np.squeeze(read_image(path).array)
        image = image[..., :3].mean(axis=-1) if image.shape[-1] in (3, 4) else image
        if image.ndim != 2 or min(image.shape) < SIDE:
            continue
        top, left = ((side - SIDE) // 2 for side in image.shape)
        inside = image[top : top + SIDE, left : left + SIDE] / 255
        kind = path.relative_to(folder).parts[0]
        group = "photographs" if kind.startswith(PHOTOGRAPHS) else "micrographs"
        yield group, inside


def kinds_of_noise() -> Iterator[tuple[str, Callable[[np.ndarray], np.ndarray]]]:
    """Yield what adds each kind of noise, always the same."""
    for kind, sigma in NOISES.items():
        yield (
            f"sigma {kind}",
            lambda clean, s=sigma: (
                clean + np.random.default_rng(0).normal(0, s / 255, clean.shape)
            ).astype(np.float32),
        )
    for kind, photons in PHOTONS.items():
        yield (
            kind,
            lambda clean, n=photons: (
                np.random.default_rng(0).poisson(clean * n) / n
            ).astype(np.float32),
        )


if __name__ == "__main__":
    main()
