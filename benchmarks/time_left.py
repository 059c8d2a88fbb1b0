"""How well the docks know the time that is left: told against true, while it runs.

A stack of two channels and a large image are denoised as the Denoise dock does it, and
what it would say is noted at every snapshot. Printed are the factors by which it is off
at the most, and at the median, after the first tenth of the time, and the longest time
between two snapshots, for which a cancel waits at the most; OUT gets a table of all
moments and a picture.

Usage: python benchmarks/time_left.py OUT [--planes 90] [--plane 128] [--side 8000]
           [--preset auto-fast]
"""

import argparse
import csv
import time
from pathlib import Path

import matplotlib
import numpy as np

from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.state import DenoisingState
from napari_mpi.engine.denoising.task import prepare
from napari_mpi.engine.settings.presets import preset
from napari_mpi.widgets.runs.time_left import TimeLeft

matplotlib.use("Agg")
REFRESH = 0.2  # seconds between two looks of the dock
SHORT = 3.0  # seconds to the end: nobody asks by which factor that is off


def main() -> None:
    """Time both, and write table and picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--planes", type=int, default=90)
    parser.add_argument("--plane", type=int, default=128, help="side of a plane")
    parser.add_argument("--side", type=int, default=8000, help="of the large image")
    parser.add_argument("--preset", default="auto-fast")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, image, axes in (
        ("stack", scenes(2 * options.planes, options.plane), "CZYX"),
        ("image", scenes(1, options.side), "YX"),
    ):
        if axes == "CZYX":
            image = image.reshape(2, options.planes, options.plane, options.plane)
        else:
            image = image[0]
        rows += followed(name, image, axes, options.preset)
    write(options.out, rows)


def scenes(count: int, side: int) -> np.ndarray:
    """Return noisy planes of smooth structure, shape (count, side, side), uint16."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    clean = 1000 + 500 * np.sin(x / 40) * np.cos(y / 55)
    made = np.empty((count, side, side), np.uint16)
    for number in range(count):
        rng = np.random.default_rng(number)
        noise = rng.standard_normal(clean.shape, np.float32)
        made[number] = clean + 100 * noise
    return made


def followed(name: str, image: np.ndarray, axes: str, how: str) -> list[dict]:
    """Denoise an image; return what was told when, and what was true."""
    began = time.monotonic()
    time_left, told = TimeLeft(), []
    task = prepare(image, axes, weights="auto", config=preset(how), device="cpu")
    last = longest = before = 0.0
    for snapshot in denoise(task, DenoisingState()):
        now = time.monotonic() - began
        longest, before = max(longest, now - before), now
        if now - last >= REFRESH:
            last = now
            time_left.note(now, snapshot.fraction)
            told.append((now, time_left.seconds_left(now)))
    whole = time.monotonic() - began
    rows = [
        {"what": name, "seconds": round(now, 2), "told": left and round(left, 2),
         "true": round(whole - now, 2)}
        for now, left in told
    ]  # fmt: skip
    late = [
        max(left / (whole - now), (whole - now) / max(left, 0.1))
        for now, left in told
        if now > whole / 10 and whole - now > SHORT and left is not None
    ]
    silent = sum(left is None for now, left in told if now > whole / 10)
    print(
        f"{name} {'x'.join(map(str, image.shape))}: {whole:.0f} s, off by a factor of"
        f" {np.median(late):.2f} (median), {max(late):.2f} (most), not known at"
        f" {silent} of {len(told)} looks; longest without a snapshot {longest:.1f} s",
        flush=True,
    )
    return rows


def write(out: Path, rows: list[dict]) -> None:
    """Write the table, and draw told against true."""
    from matplotlib import pyplot

    with (out / "time_left.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    names = list(dict.fromkeys(row["what"] for row in rows))
    figure, places = pyplot.subplots(1, len(names), figsize=(5 * len(names), 4))
    for place, name in zip(np.atleast_1d(places), names, strict=True):
        ours = [row for row in rows if row["what"] == name and row["told"] is not None]
        seconds = [row["seconds"] for row in ours]
        place.plot(seconds, [row["true"] for row in ours], label="true")
        place.plot(seconds, [row["told"] for row in ours], label="told")
        place.set(title=name, xlabel="seconds since the start", ylabel="seconds left")
        place.legend()
    figure.tight_layout()
    figure.savefig(out / "time_left.png")


if __name__ == "__main__":
    main()
