"""How well each kind of noise is removed, by settings that are told nothing of it.

Three photographs in grey, the middle 256 x 256, under every law of `noise_laws`, two
seeds each; PSNR for a range of 255, clipped to it. Beside ours two classic methods of
scikit-image, which are told the noise level that `white_noise_level` finds.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Iterator

import numpy as np
from skimage.metrics import peak_signal_noise_ratio

import tables
from cases import CSET, photograph
from methods.classic import Method, non_local_means, total_variation
from napari_mpi import denoise
from napari_mpi.engine.noise import laws
from study import Study
from tables import Entry, Row

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


def options(parser: argparse.ArgumentParser) -> None:
    """Add how many images and seeds, and which methods."""
    parser.add_argument("--images", type=int, default=len(CSET))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=[*METHODS])


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Yield a row for every law, image, seed and method that is not there yet."""
    ways = (CSET[: options.images], range(options.seeds), LAWS, options.methods)
    for name, seed, law, method in itertools.product(*ways):
        if (law, name, str(seed), method) not in options.done:
            yield measured(law, name, seed, method)


def measured(law: str, name: str, seed: int, method: str) -> Row:
    """Return the row of a method."""
    clean = photograph(name, grey=True, side=SIDE).clean.astype(float)
    rng = np.random.default_rng(seed)
    noisy = (LAWS[law] or laws.blind_mixture(rng)).noisy(clean, rng=rng)
    begun = time.perf_counter()
    result = METHODS[method](noisy.astype(np.float32)).clip(0, 255).astype(float)
    seconds = time.perf_counter() - begun
    psnr = peak_signal_noise_ratio(clean, result, data_range=255)
    values = (law, name, seed, method, round(psnr, 2), round(seconds, 2))
    return dict(zip(FIELDS, values, strict=True))


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


def table(entries: list[Entry]) -> None:
    """Print mean PSNR by law and method, and the seconds of each method."""
    psnr = tables.grouped(entries, "law", "method")
    methods = [name for (name,) in tables.grouped(entries, "method")]
    tables.print_head("PSNR, dB", *methods)
    for (law,) in tables.grouped(entries, "law"):
        means = [tables.mean(psnr[law, name], "psnr") for name in methods]
        tables.print_line(law, *(f"{value:.2f}" for value in means))
    seconds = tables.grouped(entries, "method")
    times = [
        statistics.median(float(entry["seconds"]) for entry in seconds[name,])
        for name in methods
    ]
    tables.print_line("median s", *(f"{value:.2f}" for value in times))


STUDY = Study(FIELDS, rows, table, options, key=FIELDS[:4])
