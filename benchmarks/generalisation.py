"""How well each kind of noise is removed, by settings that are told nothing of it.

Three photographs in grey, the middle 256 x 256, under every law of `noise_laws`, two
seeds each; PSNR for a range of 255, clipped to it. Beside ours two classic methods of
scikit-image, which are told the noise level that `white_noise_level` finds.

Usage: python benchmarks/generalisation.py [FILE.csv] [--images 3] [--seeds 2]
           [--methods auto]
"""

import argparse
import csv
import statistics
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from skimage.metrics import peak_signal_noise_ratio

import pretrained
from baselines import Image, Method, non_local_means, total_variation
from napari_mpi import denoise
from napari_mpi.engine.noise import laws

FIELDS = ("law", "image", "seed", "method", "psnr", "seconds")
SIDE = 256
LAWS: dict[str, laws.NoiseLaw | None] = {
    "Gaussian, 10": laws.Gaussian(10),
    "Gaussian, 25": laws.Gaussian(25),
    "Gaussian, 50": laws.Gaussian(50),
    "Poisson, 4 levels a photon": laws.Poisson(4),
    "Poisson-Gaussian, 2 levels, read noise 8": laws.PoissonGaussian(2, 8),
    "signal-dependent Gaussian": laws.SignalDependentGaussian(4, 25),
    "speckle, 20 %": laws.Speckle(0.2),
    "salt and pepper, 5 %": laws.SaltAndPepper(0.05),
    "correlated Gaussian, 25, blur 0.5": laws.CorrelatedGaussian(25, 0.5),
    "correlated Gaussian, 25, blur 1": laws.CorrelatedGaussian(25, 1.0),
    "blind mixture": None,  # drawn anew for every image and seed
}


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "file", nargs="?", type=Path, default=Path("generalisation.csv")
    )
    parser.add_argument("--images", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=[*METHODS],
                        help="those to measure; the file keeps the others")  # fmt: skip
    options = parser.parse_args()
    rows = kept(options.file, options.methods)
    for name in pretrained.CSET[: options.images]:
        clean = pretrained.photograph(name, grey=True, side=SIDE).clean.astype(float)
        for seed in range(options.seeds):
            for law in LAWS:
                rows += measured(law, name, clean, seed, options.methods)
    with options.file.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows(rows)
    print_table(rows)


def kept(path: Path, methods: list[str]) -> list[dict[str, object]]:
    """Return what the file holds of other methods."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["method"] not in methods]


def measured(
    law: str, name: str, clean: Image, seed: int, methods: list[str]
) -> list[dict[str, object]]:
    """Return a row for every method."""
    rng = np.random.default_rng(seed)
    noisy = (LAWS[law] or laws.blind_mixture(rng)).noisy(clean, rng=rng)
    rows = []
    for method in methods:
        apply = METHODS[method]
        begun = time.perf_counter()
        result = apply(noisy.astype(np.float32))
        seconds = time.perf_counter() - begun
        psnr = peak_signal_noise_ratio(clean, result.clip(0, 255).astype(float),
                                       data_range=255)  # fmt: skip
        values = (law, name, seed, method, round(psnr, 2), round(seconds, 2))
        rows.append(dict(zip(FIELDS, values, strict=True)))
    print(law, name, seed, *(f"{row['method']} {row['psnr']}" for row in rows),
          flush=True)  # fmt: skip
    return rows


def ours(preset: str, **settings: int) -> Method:
    """Return a preset with the weights that ship, and settings otherwise."""
    return lambda noisy: np.asarray(
        denoise(noisy, "YX", preset=preset, device="cpu", **settings)
    )


METHODS: dict[str, Method] = {
    "noisy": lambda noisy: noisy,
    "non-local means": non_local_means,
    "total variation": total_variation,
    "blind-fast": ours("blind-fast"),
    "blind-auto": ours("blind-auto"),
    "auto": ours("auto"),
    "blind-fast, pixel-unshuffle 2": ours("blind-fast", pixel_unshuffle=2),
}


def print_table(rows: list[dict[str, object]]) -> None:
    """Print mean PSNR by law and method, and the seconds of each method."""
    psnr: dict[tuple[object, object], list[float]] = defaultdict(list)
    seconds: dict[object, list[float]] = defaultdict(list)
    for row in rows:
        psnr[row["law"], row["method"]].append(float(str(row["psnr"])))
        seconds[row["method"]].append(float(str(row["seconds"])))
    print(f"\n| PSNR, dB | {' | '.join(METHODS)} |")
    print("| --- |" + " --- |" * len(METHODS))
    for law in LAWS:
        means = [f"{statistics.mean(psnr[law, method]):.2f}" for method in METHODS]
        print(f"| {law} | {' | '.join(means)} |")
    times = [f"{statistics.median(seconds[method]):.2f}" for method in METHODS]
    print(f"| median s | {' | '.join(times)} |")


if __name__ == "__main__":
    main()
