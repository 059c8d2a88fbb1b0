"""What neighbouring planes give: stacks denoised with and without, BM4D, plain means.

Parts (all by default):
  table    series and volumes with known truth: dB and seconds of each way, in one run;
           BM4D (Maggioni et al. 2013, PyPI `bm4d`) is told the noise's deviation
  motion   a disc that jumps: flicker of what stands still, and what is left of the disc
           where it was before
  light    intensity over time of a region that bleaches, blinks and flashes
  cost     seconds of a plane of 512 x 512 with and without

Usage: python benchmarks/neighbours.py [PART ...] [--csv FILE]
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

import numpy as np
from numpy.typing import NDArray

import tables
from cases import DATA, photograph
from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.state import DenoisingState
from napari_mpi.engine.denoising.task import prepare
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.presets import preset

Stack = NDArray[np.floating]

SEED = 0
FRAMES, SIDE, STEP = 12, 192, 5  # of the series made from photographs
FIELDS = (
    "scene", "noisy", "alone", "alone s", "neighbours", "neighbours s", "BM4D",
    "BM4D s", "mean", "mean, denoised", "chosen",
)  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """A stack with its truth."""

    name: str
    clean: Stack
    noisy: Stack
    axes: str
    peak: float
    is_by_plane: bool = False  # mean of the planes' decibels, as FMD's table has it

    def psnr(self, image: Stack) -> float:
        """Return decibels of all planes."""
        squares = (image.astype(float) - self.clean) ** 2
        errors = squares.mean(axis=(-2, -1)) if self.is_by_plane else squares.mean()
        return float(np.mean(10 * np.log10(self.peak**2 / errors)))


def main() -> None:
    """Print the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", default=list(PARTS))
    parser.add_argument("--csv", type=Path, help="append the rows of the table to it")
    parser.add_argument("--scenes", nargs="*", help="begins of names; all if not given")
    options = parser.parse_args()
    for part in options.parts:
        print(f"\n## {part}\n", flush=True)
        PARTS[part](options)


# -- scenes ----------------------------------------------------------------------


def scenes() -> Iterator[Scene]:
    """Yield what the table is of."""
    for sigma in (0.05, 0.1, 0.2):
        yield noised(f"MR volume, {sigma:g}", volume("MR_Gd"), sigma)
    for sigma in (0.05, 0.1):
        yield noised(f"CT volume, {sigma:g}", volume("CT_AVM"), sigma)
    golgi = read_stack("neubias_xyz_calibrated_16bit__golgi_bfa.tif")
    yield noised("golgi, depth, 0.1", golgi, 0.1)
    cells = read_stack("neubias_xyzc_16bit__dna_conf_wf.tif")
    yield noised("nuclei, depth and channels, 0.1", cells, 0.1, "ZCYX")
    yield noised("still photograph, 0.1", moving(0), 0.1, "TYX")
    yield noised("photograph, 1 pixel a frame, 0.1", moving(1), 0.1, "TYX")
    yield noised("photograph, 5 pixels a frame, 0.1", moving(STEP), 0.1, "TYX")
    yield noised("a cut, 0.1", cut(), 0.1, "TYX")
    yield noised("independent photographs, 0.1", independent(), 0.1, "TYX")
    yield from fmd_series()


def noised(name: str, clean: Stack, sigma: float, axes: str = "ZYX") -> Scene:
    """Return a stack with white noise, a share of its range."""
    peak = float(np.ptp(clean))
    noise = np.random.default_rng(SEED).normal(0, sigma * peak, clean.shape)
    return Scene(name, clean, (clean + noise).astype(np.float32), axes, peak)


def volume(name: str) -> Stack:
    """Return the middle of a scan, 32 x 128 x 128."""
    whole = read_image(DATA / "medical" / f"{name}.nii.gz").array
    return middle(whole.transpose(2, 1, 0).astype(float), (32, 128, 128))


def middle(whole: Stack, shape: tuple[int, ...]) -> Stack:
    """Cut out the middle."""
    starts = [(have - want) // 2 for have, want in zip(whole.shape, shape, strict=True)]
    return whole[tuple(slice(s, s + n) for s, n in zip(starts, shape, strict=True))]


def read_stack(name: str) -> Stack:
    """Return a stack as it is; what it holds of noise counts for truth."""
    return np.asarray(read_image(DATA / "stacks" / name).array).astype(float)


def grey(name: str) -> Stack:
    """Return a photograph of 500 x 500 without noise."""
    case = photograph(name, grey=True, side=500, sigma=1, folder="kodak24")
    return case.clean.astype(float)


def moving(step: int) -> Stack:
    """Return frames of a photograph that goes by, so many pixels a frame."""
    photo = grey("kodim08")
    return np.stack(
        [photo[100 : 100 + SIDE, 100 + step * n :][:, :SIDE] for n in range(FRAMES)]
    )


def cut() -> Stack:
    """Return frames of one photograph, then of another."""
    return np.stack([middle(grey(name), (SIDE, SIDE)) for name in ("kodim05",) * 6 + ("kodim13",) * 6])


def independent() -> Stack:
    """Return photographs that have nothing in common."""
    names = [f"kodim{n:02d}" for n in range(1, FRAMES + 1)]
    return np.stack([middle(grey(name), (SIDE, SIDE)) for name in names])


def fmd_series() -> Iterator[Scene]:
    """Yield FMD's test set as twelve series of four frames of one field of view."""
    folder = DATA / "fmd48"
    for name in sorted({p.stem.rpartition("_")[0] for p in (folder / "raw").iterdir()}):
        noisy, clean = (
            np.stack(
                [read_image(folder / kind / f"{name}_{n}.png").array for n in range(1, 5)]
            )
            for kind in ("raw", "gt")
        )
        yield Scene(f"FMD {name}", clean.astype(float), noisy, "TYX", 255, True)


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
    """Return BM4D of each channel, told the deviation of the noise."""
    from bm4d import bm4d as filtered

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
        numbers = {name: fmean(float(str(r[name])) for r in fmd) for name in FIELDS[1:-1]}
        print_row({"scene": f"FMD, mean of {len(fmd)}", **numbers, "chosen": ""})
    if options.csv is not None:
        tables.write(options.csv, FIELDS, rows)


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
        f"{value:.1f}" if name.endswith(" s") else f"{value:.2f}"
        for name, value in row.items()
        if isinstance(value, float)
    )
    print("|", row["scene"], "|", " | ".join(cells), "|", row["chosen"], "|", flush=True)


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {"table": table}

if __name__ == "__main__":
    main()
