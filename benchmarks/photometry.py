"""Whether brightness, lines and empty places stay what they were.

Scenes of known brightness are imaged by a camera (gain, read noise, and an offset that
is no whole number; uint16) under three strengths of noise, and denoised with the
settings that a user gets who chooses none. In brackets stands the same of the noisy
image, so that one sees what the noise alone does: 'mean' and 'region, changed by' are
about denoised - noisy, beside the noise itself.

Limits: no bias over 0.5 % of full scale, R2 of linearity over 0.999, the brightest bead
within 2 %, and an empty plane stays empty: neither spread nor bumps exceed the noise's.
"MISSED": a limit is not kept. "noise": not kept either by the noisy image, of which the
denoised one is no worse witness (a fifth farther off at the most).

Usage: python benchmarks/photometry.py [-o FILE.csv] [--seeds 4] [--scenes beads ...]
                                       [--levels weak ...] [--preset blind-auto]
                                       [--type float32]
       python benchmarks/photometry.py --table FILE.csv
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import photometry_scenes
from napari_mpi import denoise
from napari_mpi.engine.noise.laws import PoissonGaussian
from photometry_scenes import Array, Scene, Values

GAIN, READ_NOISE, OFFSET = 2.0, 3.0, 100.3  # grey levels; per photon the first
PHOTONS = {"weak": 2000, "medium": 200, "strong": 20}  # of full light, by noise
FIELDS = ("scene", "measure", "level", "denoised", "noisy", "limit", "verdict")

LIMITS = {
    "mean, changed by % of full scale": (-0.5, 0.5),
    "worst region, changed by % of full scale": (-0.5, 0.5),
    "brightness of beads of 1, error in %": (-2.0, 2.0),
    "ramp: R2 of linearity": (0.999, 1.0),
    "stair: R2 of linearity": (0.999, 1.0),
    "ramp: worst region, % of full scale": (-0.5, 0.5),
    "stair: worst region, % of full scale": (-0.5, 0.5),
    "dim disc, error in % of full scale": (-0.5, 0.5),
    "dim threads, error in % of full scale": (-0.5, 0.5),
}
"""Least and most, by measure."""

NO_LARGER = ("spread, % of full scale", "largest bump, % of full scale")
"""Measures that must not exceed those of the noisy image."""

WORSE = 1.2  # times as far off as the noisy image, and still due to its noise


def main() -> None:
    """Measure, print and write; or print a table of what was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--csv", type=Path, help="where to write the table")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--scenes", nargs="+")
    parser.add_argument("--levels", nargs="+", choices=PHOTONS, default=list(PHOTONS))
    parser.add_argument("--preset", default="blind-auto")
    parser.add_argument("--type", default="uint16", help="of the image, and the result")
    parser.add_argument("--table", type=Path, help="print this file as a table")
    options = parser.parse_args()
    if options.table is not None:
        with options.table.open(newline="") as file:
            print_table(list(csv.DictReader(file)))
        return
    rows = []
    for scene in photometry_scenes.scenes():
        if options.scenes is None or scene.name in options.scenes:
            for level in options.levels:
                rows += measured(scene, level, options)
    if options.csv is not None:
        with options.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, FIELDS)
            writer.writeheader()
            writer.writerows(rows)
    print_table(rows)


def measured(
    scene: Scene, level: str, options: argparse.Namespace
) -> list[dict[str, str]]:
    """Return one line for each measure of a scene at one level of noise."""
    full, seeds = GAIN * PHOTONS[level], options.seeds
    noisy = [
        camera(scene.light, full, seed).astype(options.type) for seed in range(seeds)
    ]
    denoised = [denoise(image, scene.axes, preset=options.preset) for image in noisy]
    # What is measured is the last plane, in shares of full scale.
    clean = scene.light if scene.light.ndim == 2 else scene.light[-1]
    before, after = (
        np.stack([(image.astype(float) - OFFSET) / full for image in images]).reshape(
            seeds, -1, *clean.shape
        )[:, -1]
        for images in (noisy, denoised)
    )
    found = zip(
        values(scene, after, clean, after - before).items(),
        values(scene, before, clean, before - clean).values(),
        strict=True,
    )
    return [
        {
            "scene": scene.name,
            "measure": name,
            "level": level,
            "denoised": f"{ours:.6f}",
            "noisy": f"{theirs:.6f}",
            "limit": limit(name),
            "verdict": verdict(name, ours, theirs),
        }
        for (name, ours), theirs in found
    ]


def values(scene: Scene, images: Array, clean: Array, changes: Array) -> Values:
    """Return everything that is measured on images (N, Y, X) of a scene."""
    return {
        **scene.measured(images, clean),
        **photometry_scenes.change_values(changes),
    }


def camera(light: NDArray[np.float64], full: float, seed: int) -> NDArray[np.uint16]:
    """Return what a camera makes of light, full light being so many grey levels."""
    rng = np.random.default_rng(seed)
    signal = PoissonGaussian(GAIN, READ_NOISE).noisy(full * light, rng=rng)
    return np.rint(signal + OFFSET).clip(0, 65535).astype(np.uint16)


def limit(name: str) -> str:
    """Return the limit of a measure in words, empty if it has none."""
    if name in NO_LARGER:
        return "the noise's"
    if name not in LIMITS:
        return ""
    least, most = LIMITS[name]
    return f"+-{most:g}" if least == -most else f"> {least:g}"


def verdict(name: str, ours: float, theirs: float) -> str:
    """Return whether a limit is kept; empty where there is none."""
    if name in NO_LARGER:
        return "ok" if ours <= theirs else "MISSED"
    if name not in LIMITS:
        return ""
    least, most = LIMITS[name]
    if least <= ours <= most:
        return "ok"
    if "changed by" in name or least <= theirs <= most:
        return "MISSED"  # what is changed is no noise of the image
    aim = min(max(0.0, least), most)
    return "noise" if abs(ours - aim) <= WORSE * abs(theirs - aim) else "MISSED"


def print_table(rows: list[dict[str, str]]) -> None:
    """Print one line for each scene and measure, the levels beside each other."""
    levels = list(dict.fromkeys(row["level"] for row in rows))
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        lines.setdefault((row["scene"], row["measure"]), {})[row["level"]] = cell(row)
    print(f"| scene | measure | limit | {' | '.join(levels)} |")
    print("| --- | --- | --- |" + " ---: |" * len(levels))
    for (scene, name), cells in lines.items():
        shown = " | ".join(cells.get(level, "") for level in levels)
        print(f"| {scene} | {name} | {limit(name)} | {shown} |")


def cell(row: dict[str, str]) -> str:
    """Return what was found, the noisy image's in brackets, and the verdict."""
    digits = 5 if "R2" in row["measure"] else 3 if "slope" in row["measure"] else 2
    ours, theirs = (float(row[kind]) for kind in ("denoised", "noisy"))
    word = verdict(row["measure"], ours, theirs)
    return f"{ours:.{digits}f} ({theirs:.{digits}f}) {word}".strip()


if __name__ == "__main__":
    main()
