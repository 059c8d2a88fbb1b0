"""What one adaptation for a whole stack costs and gives, and what tiles leave behind.

Parts (all but `tiles`, `camera` and `huge` by default):
  stack    30 planes: each adapted to from scratch, against one adaptation for all;
           seconds, PSNR, and how much a region flickers in which nothing moves
  windows  from how many windows the shared adaptation learns
  growth   seconds and peak memory for 1, 10 and 30 planes
  seams    a large image by tiles against as a whole: PSNR, jumps at borders
  tiles    processor seconds of a plane of 2048 x 2048 by the size of its tiles
  camera   2048 x 2048 x 30, end to end
  huge     20,000 x 20,000 of 16 bits from a file to a file, on the command line, with
           its peak memory; and a run that is killed (some GB of disk, half an hour)

Usage: python benchmarks/stacks.py [PART ...] [--device cpu] [--folder FOLDER]
"""

import argparse
import dataclasses
import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import tifffile

from cases import DATA, photograph
from napari_mpi.engine.denoising import task
from napari_mpi.engine.denoising.adapted import tile_filling
from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.sampling import windows as sampled
from napari_mpi.engine.denoising.state import DenoisingState
from napari_mpi.engine.denoising.task import prepare
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.images import tiles
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.noise.laws import PoissonGaussian
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.filling import FillingConfig
from napari_mpi.engine.settings.presets import preset

PLANES = 30
PRESETS = ("blind-auto",)
HUGE = 20_000
KILLED_AFTER = 60  # seconds


@dataclass(frozen=True)
class Scene:
    """A clean stack, the same with noise, and where nothing moves."""

    name: str
    clean: np.ndarray
    noisy: np.ndarray
    still: np.ndarray | None = None


def main() -> None:
    """Print the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "parts", nargs="*", default=["stack", "windows", "growth", "seams"]
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--folder", type=Path, help="where huge files are to be")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one_size(*json.loads(options.one), options.device)
        return
    for part in options.parts:
        print(f"\n## {part}\n", flush=True)
        PARTS[part](options)


def denoised(
    image: np.ndarray, axes: str, config: FillingConfig, device: str
) -> tuple[np.ndarray, float, int]:
    """Return the result, seconds, and iterations of the last adaptation."""
    weights, state = load_weights("grey"), DenoisingState()
    started = time.perf_counter()
    job = denoise(
        prepare(image, axes, weights=weights, config=config, device=device), state=state
    )
    result = np.asarray(run(job)[...])
    return result, time.perf_counter() - started, state.iteration


def psnr(image: np.ndarray, clean: np.ndarray) -> float:
    """Return the mean over all planes of PSNR, for the range of the clean stack."""
    span = np.ptp(clean)
    errors = ((image.astype(float) - clean) ** 2).mean(axis=(-2, -1))
    return float(np.mean(10 * np.log10(span**2 / errors)))


# -- scenes ----------------------------------------------------------------------


def scenes() -> Iterator[Scene]:
    """Yield a volume, a time series and a larger stack, each with camera noise."""
    head = volume()
    for name, gain, read in (("weak", 4, 20), ("strong", 40, 60)):
        yield Scene(f"MR volume, {name} noise", head, with_noise(head, gain, read))
    clean, still = time_series()
    yield Scene("time series", clean, with_noise(clean, 30, 40), still)
    photo = photograph("kodim03", grey=True, side=512, sigma=10).clean
    moving = np.stack([np.roll(photo, 5 * n, axis=1) for n in range(PLANES)]) * 16.0
    yield Scene("photograph, moving, 512 x 512", moving, with_noise(moving, 40, 60))


def volume() -> np.ndarray:
    """Return 30 planes of an MR scan, 100 to some 4,000 grey levels."""
    image = read_image(DATA / "medical" / "MR_Gd.nii.gz")
    stack = image.array.transpose(2, 1, 0).astype(float)
    stack -= stack.min()
    stack = stack / np.quantile(stack, 0.9995) * 4000 + 100
    first = (len(stack) - PLANES) // 2
    return stack[first : first + PLANES]


def time_series() -> tuple[np.ndarray, np.ndarray]:
    """Return cells that stand still, with beads that move, and where none comes by."""
    still = read_image(DATA / "fmd" / "gt" / "Confocal_FISH_3.png").array
    still = still[128:384, 128:384].astype(float)
    rows, columns = np.mgrid[:256, :256]
    frames = []
    for frame in range(PLANES):
        image = still / still.max() * 3000 + 100
        for bead in range(6):
            row, column = 35 * bead + 20 + 2 * frame, 150 + 3 * frame
            away = (rows - row % 256) ** 2 + (columns - column) ** 2
            image += 2500 * np.exp(-away / (2 * 2.0**2))
        frames.append(image)
    moves = np.ptp(frames, axis=0) > 1
    return np.stack(frames), ~moves


def with_noise(clean: np.ndarray, gain: float, read: float) -> np.ndarray:
    """Return what a camera of 16 bits makes of it."""
    rng = np.random.default_rng(0)
    noisy = PoissonGaussian(gain, read).noisy(clean, rng=rng)
    return np.rint(noisy).clip(0, 65535).astype(np.uint16)


def flicker(image: np.ndarray, still: np.ndarray | None) -> str:
    """Return the mean change from frame to frame where nothing moves, grey levels."""
    if still is None:
        return ""
    return f"{np.abs(np.diff(image.astype(float), axis=0))[:, still].mean():.2f}"


# -- parts -----------------------------------------------------------------------


def stack(options: argparse.Namespace) -> None:
    """Print each scene plane by plane, and with one adaptation."""
    print("| scene | preset | adapted to | s | ratio | iterations | dB | flicker |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for scene in scenes():
        noise = f"{psnr(scene.noisy, scene.clean):.2f}"
        shape = " x ".join(map(str, scene.noisy.shape))
        print(
            f"| {scene.name} ({shape}) | | noisy | | | | {noise} |"
            f" {flicker(scene.noisy, scene.still)} |",
            flush=True,
        )
        for name in PRESETS:
            alone = 0.0
            for share in (False, True):
                config = preset(name, share=share)
                result, seconds, iterations = denoised(
                    scene.noisy, "ZYX", config, options.device
                )
                alone = alone or seconds
                print(
                    f"| | {name} | {'the stack' if share else 'each plane'} |"
                    f" {seconds:.1f} | {seconds / alone:.3f} | {iterations} |"
                    f" {psnr(result, scene.clean):.2f} |"
                    f" {flicker(result, scene.still)} |",
                    flush=True,
                )


def windows(options: argparse.Namespace) -> None:
    """Print PSNR by the number of windows that are adapted to."""
    numbers = (1, 4, 16, 64)
    print(f"| scene | {' | '.join(map(str, numbers))} |")
    print("| --- |" + " ---: |" * len(numbers))
    for scene in scenes():
        found = []
        for number in numbers:
            with mock.patch.object(sampled, "WINDOWS", number):
                result, _, _ = denoised(
                    scene.noisy, "ZYX", preset("blind-full"), options.device
                )
            found.append(f"{psnr(result, scene.clean):.2f}")
        print(f"| {scene.name} | {' | '.join(found)} |", flush=True)


def growth(options: argparse.Namespace) -> None:
    """Print seconds and memory of stacks of 512 x 512, each in its own process."""
    print("| planes | s | s / plane | peak memory, MB |")
    print("| ---: | ---: | ---: | ---: |")
    for planes in (1, 10, 30):
        print_size(planes, 512, options.device)


def camera(options: argparse.Namespace) -> None:
    """Print seconds and memory of a camera's stack."""
    print("| planes | s | s / plane | peak memory, MB |")
    print("| ---: | ---: | ---: | ---: |")
    print_size(30, 2048, options.device)


def print_size(planes: int, side: int, device: str) -> None:
    """Print the line of one size."""
    one = json.dumps([planes, side])
    command = [sys.executable, __file__, "--one", one, "--device", device]
    print(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def one_size(planes: int, side: int, device: str) -> None:
    """Denoise a stack and print what it took."""
    photo = photograph("kodim03", grey=True, side=512, sigma=10).clean
    times = -(-side // 512)
    wide = np.tile(photo, (times, times))[:side, :side] * 16.0
    image = np.stack(
        [with_noise(np.roll(wide, 5 * n, axis=1), 40, 60) for n in range(planes)]
    )
    _, seconds, _ = denoised(image, "ZYX", preset("blind-auto"), device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"| {planes} | {seconds:.1f} | {seconds / planes:.2f} | {peak:.0f} |", end="")


def seams(options: argparse.Namespace) -> None:
    """Print what tiles change in an image of 1536 x 1536."""
    photo = photograph("kodim03", grey=True, side=512, sigma=10).clean
    clean = np.tile(photo, (3, 3)) * 16.0
    noisy = with_noise(clean, 40, 60)
    config = preset("blind-full", iterations=24)

    def result(side: int, whole: int, halo: int | None) -> tuple[np.ndarray, float]:
        with (
            mock.patch.object(tile_filling, "LARGEST", side),
            mock.patch.object(tile_filling, "HALVED", side),
            mock.patch.object(task, "WHOLE", whole),
            mock.patch.object(tile_filling, "tiles", with_halo(halo)),
        ):
            image, seconds, _ = denoised(noisy, "YX", config, options.device)
        return image.astype(float), seconds

    print("| how | s | dB | mean difference | largest | jump at borders / elsewhere |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    print(f"| noisy | | {psnr(noisy[None], clean[None]):.2f} | | | |")
    alone, seconds = result(4096, 4096**2, None)
    print(f"| adapted to as a whole | {seconds:.1f} | {psnr(alone, clean):.2f} | | | |")
    whole, seconds = result(4096, 0, None)
    print(f"| windows, one tile | {seconds:.1f} | {psnr(whole, clean):.2f} | | | |")
    # The photograph repeats: tiles as planes would be averaged with their copies.
    config = dataclasses.replace(config, share=False, neighbours="none")
    apart, seconds, _ = denoised(in_tiles(noisy, 512), "ZYX", config, options.device)
    image = put_together(apart, len(noisy) // 512).astype(float)
    print(
        f"| each tile of 512 adapted to from scratch | {seconds:.1f} |"
        f" {psnr(image, clean):.2f} | {np.abs(image - whole).mean():.3f} |"
        f" {np.abs(image - whole).max():.0f} |"
        f" {jump(image - clean, 512) / jump(whole - clean, 512):.3f} |",
        flush=True,
    )
    for side in (768, 512, 256):
        for halo in (None, 256, 0):
            image, seconds = result(side, 0, halo)
            away = np.abs(image - whole)
            known = {None: "halo as shipped", 0: "no halo"}.get(halo, f"halo of {halo}")
            print(
                f"| tiles of {side}, {known} | {seconds:.1f} | {psnr(image, clean):.2f}"
                f" | {away.mean():.3f} | {away.max():.0f} |"
                f" {jump(image - clean, side) / jump(whole - clean, side):.3f} |",
                flush=True,
            )
    print(
        f"\nThe noise is {np.std(noisy - clean):.0f} grey levels. The jump is the mean"
    )
    print(
        "step of the error across borders by that elsewhere; of this ratio, what it is"
    )
    print("in the same places without tiles is divided out.")


def sizes(options: argparse.Namespace) -> None:
    """Print processor seconds of a plane of 2048 x 2048 by the size of its tiles."""
    photo = photograph("kodim03", grey=True, side=512, sigma=10).clean
    noisy = with_noise(np.tile(photo, (4, 4)) * 16.0, 40, 60)
    weights = load_weights("grey", seed=0)
    seconds: dict[tuple[str, int], list[float]] = {}
    config = preset("blind-fast", learning_rate=0.0)
    for side in (2048, 1024, 768, 512) * 3:
        how = {"weights": weights, "config": config, "device": options.device}
        prepared = prepare(noisy, "YX", tile=side, **how)
        begun = time.process_time()
        run(denoise(prepared))
        key = prepared.config.precision, side
        seconds.setdefault(key, []).append(time.process_time() - begun)
    print("| precision | tiles | processor s |\n| --- | ---: | ---: |")
    for (precision, side), spent in seconds.items():
        print(f"| {precision} | {side} | {np.median(spent):.1f} |")


def in_tiles(image: np.ndarray, side: int) -> np.ndarray:
    """Return a square image's tiles as a stack, row by row."""
    count = len(image) // side
    parts = image.reshape(count, side, count, side).transpose(0, 2, 1, 3)
    return parts.reshape(count**2, side, side)


def put_together(parts: np.ndarray, count: int) -> np.ndarray:
    """Undo `in_tiles`, for so many tiles a row."""
    side = parts.shape[-1]
    rows = parts.reshape(count, count, side, side).transpose(0, 2, 1, 3)
    return rows.reshape(count * side, count * side)


def with_halo(halo: int | None) -> Callable[..., list[tiles.Tile]]:
    """Return `tiles` with another halo; with its own for None."""

    def cut(*arguments: object, **options: object) -> list[tiles.Tile]:
        changed = options if halo is None else {**options, "halo": halo}
        return tiles.tiles(*arguments, **changed)  # type: ignore[arg-type]

    return cut


def jump(error: np.ndarray, side: int) -> float:
    """Return the mean step across borders of tiles, by that elsewhere."""
    steps = np.abs(np.diff(error, axis=1)).mean(axis=0)
    cut = tiles.tiles(error.shape, side, step=16)
    borders = sorted({tile.core[1].start - 1 for tile in cut} - {-1})
    return float(steps[borders].mean() / np.delete(steps, borders).mean())


# -- a file larger than memory should be ---------------------------------------------


def huge(options: argparse.Namespace) -> None:
    """Denoise a huge file on the command line; then again, and kill it."""
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        source, target = Path(folder, "huge.tif"), Path(folder, "huge-denoised.tif")
        write_huge(source)
        print(f"{source.stat().st_size / 1e6:.0f} MB, {HUGE} x {HUGE}, uint16\n")
        command = [
            sys.executable, "-m", "napari_mpi", "denoise", str(source),
            "-o", str(target), "--device", options.device, "--quiet",
        ]  # fmt: skip
        killed = subprocess.Popen(command)
        time.sleep(KILLED_AFTER)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        left = sorted(p.name for p in Path(folder).iterdir() if p != source)
        print(f"killed after {KILLED_AFTER} s: left behind {left or 'nothing'}")
        started = time.perf_counter()
        subprocess.run(command, check=True)
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"{seconds:.0f} s, peak memory {peak:.0f} MB")
        report_huge(source, target)


def write_huge(path: Path) -> None:
    """Write a photograph side by side, with noise, band by band."""
    photo = photograph("kodim03", grey=True, side=512, sigma=10).clean
    wide = np.tile(photo, (1, -(-HUGE // 512)))[:, :HUGE] * 16.0
    image = tifffile.memmap(path, shape=(HUGE, HUGE), dtype=np.uint16)
    for first in range(0, HUGE, 512):
        rows = min(512, HUGE - first)
        image[first : first + rows] = with_noise(wide[:rows], 40, 60)
        image.flush()


def report_huge(source: Path, target: Path) -> None:
    """Print shape, type and PSNR of the first band of what was written."""
    before, after = (tifffile.memmap(path, mode="r") for path in (source, target))
    photo = photograph("kodim03", grey=True, side=512, sigma=10).clean
    clean = np.tile(photo, (1, -(-HUGE // 512)))[:, :HUGE] * 16.0
    noisy, denoised_ = (psnr(image[:512], clean) for image in (before, after))
    print(
        f"{after.shape} {after.dtype}; the first 512 rows {noisy:.2f} dB ->"
        f" {denoised_:.2f} dB"
    )


PARTS = {
    "stack": stack, "windows": windows, "growth": growth, "seams": seams,
    "tiles": sizes,
    "camera": camera, "huge": huge,
}  # fmt: skip

if __name__ == "__main__":
    main()
