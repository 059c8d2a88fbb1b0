"""What neighbouring planes give: stacks denoised with and without, BM4D, plain means.

Parts (all by default):
  table    series and volumes with known truth: dB and seconds of each way, in one run;
           BM4D (Maggioni et al. 2013, PyPI `bm4d`) is told the noise's deviation
  motion   a disc that jumps: flicker of what stands still, and what is left of the disc
           where it was before
  light    intensity over time of a region that bleaches, blinks and flashes
  cost     seconds of a plane of 448 x 448 with and without

Usage: python benchmarks/neighbours.py [PART ...] [--scenes NAME ...]
"""

import argparse
import math
import time
from collections.abc import Callable
from statistics import fmean, median

import numpy as np
from numpy.typing import NDArray

import tables
from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.state import DenoisingState
from napari_mpi.engine.denoising.task import prepare
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.presets import preset
from series import (
    FLASH,
    FRAMES,
    HEIGHT,
    Scene,
    Stack,
    blinking,
    grey,
    jumping_disc,
    middle,
    noised,
    scenes,
)

_FEWEST = 8
FIELDS = (
    "scene", "noisy", "alone", "alone s", "neighbours", "neighbours s", "BM4D",
    "BM4D s", "mean", "mean, denoised", "chosen",
)  # fmt: skip


def main() -> None:
    """Print the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", default=list(PARTS))
    parser.add_argument("--scenes", nargs="*", help="begins of names; all if not given")
    options = parser.parse_args()
    for part in options.parts:
        print(f"\n## {part}\n", flush=True)
        PARTS[part](options)


# -- ways ------------------------------------------------------------------------


def ours(scene: Scene, neighbours: str) -> tuple[Stack, float, str]:
    """Return our result, seconds, and what was chosen, in words."""
    state = DenoisingState()
    weights = load_weights("auto")
    config = preset("auto", neighbours=neighbours)
    started = time.perf_counter()
    task = prepare(
        scene.noisy, scene.axes, weights=weights, config=config, device="cpu"
    )
    result = np.asarray(run(denoise(task, state)))
    seconds = time.perf_counter() - started
    return result, seconds, "; ".join(state.neighbours_in_words())


def bm4d(scene: Scene) -> tuple[Stack, float]:
    """Return BM4D of each channel, told the deviation of the noise.

    It takes no fewer than eight planes.
    """
    from bm4d import bm4d as filtered

    if len(scene.noisy) < _FEWEST:
        return np.full(scene.clean.shape, np.nan), math.nan
    sigma = float(np.std(scene.noisy - scene.clean))
    volumes = np.moveaxis(scene.noisy, 1, 0) if "C" in scene.axes else [scene.noisy]
    started = time.perf_counter()
    results = [np.asarray(filtered(volume.astype(float), sigma)) for volume in volumes]
    seconds = time.perf_counter() - started
    return np.stack(results, axis=1) if "C" in scene.axes else results[0], seconds


def means(stack: Stack, reach: int = 2) -> Stack:
    """Return the mean of each plane and so many on either side."""
    parts = [
        stack[max(0, n - reach) : n + reach + 1].mean(axis=0) for n in range(len(stack))
    ]
    return np.stack(parts)


# -- parts -----------------------------------------------------------------------


def table(options: argparse.Namespace) -> None:
    """Print every scene, each way; FMD's as the mean of its series at the end."""
    rows = []
    tables.print_head(*FIELDS, numbers=len(FIELDS) - 1)
    for scene in scenes():
        if options.scenes and not scene.name.startswith(tuple(options.scenes)):
            continue
        rows.append(measured(scene))
        print_row(rows[-1])
    fmd = [row for row in rows if str(row["scene"]).startswith("FMD")]
    if fmd:
        numbers = {
            name: fmean(float(str(row[name])) for row in fmd) for name in FIELDS[1:-1]
        }
        print_row({"scene": f"FMD, mean of {len(fmd)}", **numbers, "chosen": ""})


def measured(scene: Scene) -> tables.Row:
    """Return decibels and seconds of all ways, one after the other."""
    alone, alone_s, _ = ours(scene, "none")
    beside, beside_s, chosen = ours(scene, "auto")
    volume_, volume_s = bm4d(scene)
    mean = means(scene.noisy.astype(np.float32))
    meant = Scene("", scene.clean, mean, scene.axes, scene.peak)
    numbers: dict[str, float] = {
        "noisy": scene.psnr(scene.noisy),
        "alone": scene.psnr(alone),
        "alone s": alone_s,
        "neighbours": scene.psnr(beside),
        "neighbours s": beside_s,
        "BM4D": scene.psnr(volume_),
        "BM4D s": volume_s,
        "mean": scene.psnr(mean),
        "mean, denoised": scene.psnr(ours(meant, "none")[0]),
    }
    return {"scene": scene.name, **numbers, "chosen": chosen}


def print_row(row: tables.Row) -> None:
    """Print a line of the table."""
    cells = (
        ""
        if math.isnan(value)
        else f"{value:{'.1f' if name.endswith(' s') else '.2f'}}"
        for name, value in row.items()
        if isinstance(value, float)
    )
    tables.print_line(row["scene"], *cells, row["chosen"])


def motion(options: argparse.Namespace) -> None:
    """Print flicker of what stands still, and what a disc leaves where it was."""
    clean, disc = jumping_disc()
    scene = noised("", clean, 0.1, "TYX")
    still = ~disc.any(axis=0)
    tables.print_head("way", "dB", "flicker", "ghost, % of the disc", numbers=3)
    ways = {"noisy": scene.noisy}
    ways |= {name: ours(scene, name)[0] for name in ("none", "auto")}
    ways["mean over 5"] = means(scene.noisy)
    for name, image in ways.items():
        flicker = np.abs(np.diff(image.astype(float), axis=0))[:, still].mean()
        tables.print_line(
            name,
            f"{scene.psnr(image):.2f}",
            f"{flicker:.2f}",
            f"{100 * ghost(image, clean, disc):.1f}",
        )


def ghost(image: Stack, clean: Stack, disc: NDArray[np.bool_]) -> float:
    """Return how much of the disc is seen a frame too early or too late."""
    error = image.astype(float) - clean
    left = []
    for frame in range(FRAMES):
        near = [n for n in (frame - 1, frame + 1) if 0 <= n < FRAMES]
        there = np.logical_or.reduce([disc[n] for n in near]) & ~disc[frame]
        left.append(error[frame][there].mean() - error[frame][~disc.any(axis=0)].mean())
    return float(np.mean(left)) / HEIGHT


def light(options: argparse.Namespace) -> None:
    """Print by how much peaks of cells differ from those of the noisy trace."""
    clean, cells = blinking()
    tables.print_head("radius", "noisy", "none", "auto", numbers=3)
    found: dict[tuple[int, str], list[float]] = {}
    for seed in range(TRIALS):
        noise = np.random.default_rng(seed).normal(0, SIGMA, clean.shape)
        noisy = (clean + noise).astype(np.float32)
        scene = Scene("", clean, noisy, "TYX", float(np.ptp(clean)))
        images = {"noisy": noisy}
        images |= {name: ours(scene, name)[0] for name in ("none", "auto")}
        for radius, cell in cells.items():
            for name, image in images.items():
                trace = image[:, cell].mean(axis=1)
                peak = trace[FRAMES // 2] - np.delete(trace, FRAMES // 2).mean()
                found.setdefault((radius, name), []).append(float(peak) / FLASH)
    for radius in cells:
        peaks = (f"{100 * fmean(found[radius, name]):.1f}" for name in images)
        tables.print_line(radius, *peaks)
    print(f"\nPeaks of one frame, % of the true one, mean of {TRIALS} trials.")


SIGMA, TRIALS = 25.0, 5  # grey levels, trials


def cost(options: argparse.Namespace) -> None:
    """Print seconds of a plane, once all that is done once is done; in turns."""
    photo = middle(grey("kodim08"), (448, 448))
    clean = np.stack([photo] * 8)
    ways = ("none", "1", "2", "4")
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(3):
        for way in ways:
            seconds[way].append(plane_seconds(noised("", clean, 0.1, "TYX"), way))
    tables.print_head("neighbours", "s a plane", "ratio", numbers=2)
    for way in ways:
        own, alone = median(seconds[way]), median(seconds["none"])
        tables.print_line(way, f"{own:.2f}", f"{own / alone:.2f}")


def plane_seconds(scene: Scene, neighbours: str) -> float:
    """Return the median time from one plane that is done to the next."""
    config = preset("auto", neighbours=neighbours, learning_rate=0.0)
    task = prepare(scene.noisy, scene.axes, weights="auto", config=config, device="cpu")
    ends: dict[int, float] = {}
    for snapshot in denoise(task):
        ends.setdefault(snapshot.done, time.perf_counter())
    return median(np.diff([ends[n] for n in sorted(ends)][2:]))


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "table": table,
    "motion": motion,
    "light": light,
    "cost": cost,
}

if __name__ == "__main__":
    main()
