"""From which correlation on is noise taken for correlated, and when is it structure.

For photographs with noise of many kinds, line patterns that the network misses, and
what instruments gave: what neighbours share of the true noise, and of what a first look
leaves; how much of that repeats at a distance; after 12 iterations where it adapts, the
ratio of variances by which merging judges (the largest of all colours), and what
repeats then. Decisions "by neighbours" are those without a look at what repeats, in the
table in brackets. Where both differ, 'blind-auto' is run with either, for PSNR in dB.

The thresholds (`iterative.CORRELATED`, `model.WHITE`, `correlation.REPEATED`) must lie
between the kinds.

Usage: python benchmarks/correlation.py [--csv FILE] [--groups NAME ...] [--side 192]
       python benchmarks/correlation.py --table FILE
"""

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

import photometry_scenes
import tables
from cases import DATA, Case, in_groups, middle, photograph
from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.noisy import as_tensor
from napari_mpi.engine.denoising.task import effective_config, prepare
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.filling.iterative import CORRELATED, iterative_filling
from napari_mpi.engine.filling.passes import learn_noise
from napari_mpi.engine.filling.state import FillingState
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.images.intensity import measure
from napari_mpi.engine.images.quality import quality
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.noise import look, model
from napari_mpi.engine.noise.correlation import (
    REPEATED,
    neighbour_correlation,
    repeated_share,
)
from napari_mpi.engine.noise.laws import PoissonGaussian
from napari_mpi.engine.noise.model import WHITE, NoiseModel
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.filling import FillingConfig
from napari_mpi.engine.settings.presets import preset

CPU = torch.device("cpu")
SIDE = 192
SIGMAS = (5, 10, 25, 50)
BLURS = (0.4, 0.5, 0.6, 0.8, 1.0)  # pixels
PHOTON_NOISE = {2: 3, 16: 5}  # grey levels per photon: grey levels of read noise
PERIODS = (3, 4, 6, 8)  # pixels, of lines all over the image
LIGHT = {"weak": 4000, "medium": 400, "strong": 40}  # grey levels of full light
LEFT, RATIO = ("noise", "left", "repeated"), ("ratio", "repeated then")
DECISIONS = ("adapts", "adapts by neighbours", "merges", "merges by neighbours")
PSNR = ("psnr", "psnr by neighbours")
FIELDS = ("group", "image", *LEFT, *RATIO, *DECISIONS, *PSNR)


def main() -> None:
    """Measure and write, or print a table of what was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--csv", type=Path, default=Path("correlation.csv"))
    parser.add_argument("--side", type=int, default=SIDE, help="of made images")
    parser.add_argument("--groups", nargs="+")
    parser.add_argument("--table", type=Path)
    options = parser.parse_args()
    if options.table is not None:
        print_table(options.table)
        return
    chosen = in_groups(cases(options.side), options.groups)
    tables.write(options.csv, FIELDS, map(row, chosen))


def cases(side: int = SIDE) -> Iterator[Case]:
    """Yield line patterns, what instruments gave, then photographs."""
    for level, full in LIGHT.items():
        for period in PERIODS:
            yield lines(f"lines, {level} noise", period, full, side)
        yield scene(f"mixed lines, {level} noise", full * photometry_scenes.patterns())
    yield from correlated_lines(side)
    yield from instruments()
    for name in sorted(path.stem for path in (DATA / "cset9").glob("*.png")):
        for grey in (True, False):
            yield from photographs(name, grey, side)


def lines(group: str, period: float, full: float, side: int) -> Case:
    """Return lines all over the image, across it."""
    y, x = np.mgrid[:side, :side]
    wave = np.sin(2 * np.pi * (x * np.cos(0.4) + y * np.sin(0.4)) / period)
    case = scene(group, full * (0.5 + 0.4 * wave))
    return Case(group, f"{period} apart", case.noisy, case.clean, "YX")


def correlated_lines(side: int) -> Iterator[Case]:
    """Yield lines under correlated noise, which are no clear case of either."""
    clean = LIGHT["weak"] * photometry_scenes.patterns()
    for blur in BLURS:
        noise = np.sqrt(2 * clean + 9) * grain(clean.shape, blur)
        group = "mixed lines, correlated noise"
        yield Case(group, f"blur {blur}", clean + noise, clean, "YX")
    lena = photograph("Lena", grey=True, side=side).clean
    for period, blur in ((4, 0.8), (3, 1.0)):
        wave = lines("", period, 100, side).clean - 50
        noise = 25 * grain(wave.shape, blur)
        clean = lena + wave
        group = "photograph, correlated noise, lines on it"
        yield Case(group, f"blur {blur}", clean + noise, clean, "YX")


def scene(group: str, clean: NDArray[np.float64]) -> Case:
    """Return a scene with a camera's noise."""
    rng = np.random.default_rng(0)
    noisy = PoissonGaussian(2, 3).noisy(clean, rng=rng)
    return Case(group, "", noisy, clean, "YX")


def instruments() -> Iterator[Case]:
    """Yield real images."""
    for side in (512, 256):
        for path in sorted((DATA / "fmd" / "raw").iterdir()):
            images = (read_image(DATA / "fmd" / k / path.name) for k in ("raw", "gt"))
            pair = (image.array for image in images)
            yield middle(f"fmd {side}", path.stem, *pair, side)
    for path in sorted((DATA / "w2s").glob("input_avg1_*.tif")):
        name = path.stem.removeprefix("input_avg1_")
        clean = read_image(DATA / "w2s" / f"target_avg400_{name}.tif").array
        yield middle("w2s", name, read_image(path).array, clean, 256)
    for name in ("1", "2"):
        files = (DATA / f"medical/oct/{name}_{k}.tif" for k in ("test", "average"))
        yield middle("oct", name, *(read_image(f).array for f in files), 256)


def photographs(name: str, grey: bool, side: int) -> Iterator[Case]:
    """Yield one photograph with noise of all kinds."""
    made = photograph(name, grey=grey, side=side)
    clean, colour = made.clean.astype(float), "grey" if grey else "colour"

    def case(group: str, kind: str, noise: NDArray[np.float64]) -> Case:
        noisy = clean + noise
        return Case(f"{colour}, {group}", f"{name} {kind}", noisy, clean, made.axes)

    for sigma in SIGMAS:
        yield case("white", f"sigma {sigma}", sigma * grain(clean.shape, 0))
    for gain, read_noise in PHOTON_NOISE.items():
        rng = np.random.default_rng(0)
        noisy = PoissonGaussian(gain, read_noise).noisy(clean, rng=rng)
        yield case("photons", f"gain {gain}", noisy - clean)
    for sigma in (5, 25):
        kind = f"sigma {sigma}"
        for blur in BLURS:
            yield case(f"blur {blur}", kind, sigma * grain(clean.shape, blur))
        pairs = grain(clean.shape, 0)[::2, ::2].repeat(2, 0).repeat(2, 1)
        pairs = pairs[: clean.shape[0], : clean.shape[1]]
        yield case("2 x 2 alike", kind, sigma * pairs)


def grain(shape: tuple[int, ...], blur: float) -> NDArray[np.float64]:
    """Return Gaussian noise of variance 1, blurred along rows and columns."""
    noise = np.random.default_rng(0).normal(size=shape)
    if blur:
        noise = gaussian_filter(noise, (blur, blur, 0)[: len(shape)], mode="wrap")
    return noise / noise.std()


def row(case: Case) -> dict[str, object]:
    """Return measures and decisions of one image."""
    measures, adapts = first_look(case)
    models = {choice: models_after(case, adapts=choice) for choice in set(adapts)}
    now, before = (models[choice] for choice in adapts)
    merges = all(m.is_white for m in now), all(m.spread < WHITE for m in before)
    measures |= {
        "ratio": max(model.spread for model in now),
        "repeated then": max(model.repeated for model in now),
    }
    line: dict[str, object] = {"group": case.group, "image": case.name}
    line |= {name: round(value, 2) for name, value in measures.items()}
    line |= dict(zip(DECISIONS, (*adapts, *merges), strict=True))
    if adapts[0] != adapts[1] or merges[0] != merges[1]:
        line["psnr"] = psnr(case)
        with by_neighbours():
            line["psnr by neighbours"] = psnr(case)
    return line


def first_look(case: Case) -> tuple[dict[str, float], tuple[bool, bool]]:
    """Return what a first look tells; whether to adapt, by all and by neighbours."""
    noisy, state, _ = prepared(case)
    left = noisy - state.adaptation.predict(noisy)
    given, clean = case.noisy.astype(float), case.clean.astype(float)
    slope, offset = np.polyfit(clean.ravel(), given.ravel(), 1)
    layout = ImageAxes(case.axes, given.shape)
    noise = layout.channels_first(given - slope * clean - offset)
    measures = {
        "noise": neighbour_correlation(torch.tensor(noise)[None]),
        "left": neighbour_correlation(left),
        "repeated": repeated_share(left),
    }
    white = measures["left"] < CORRELATED
    return measures, (white or measures["repeated"] >= REPEATED, white)


def models_after(case: Case, *, adapts: bool) -> list[NoiseModel]:
    """Return what merging judges by, for every opponent of the colours."""
    noisy, state, config = prepared(case, learning_rate=None if adapts else 0.0)
    run(iterative_filling(noisy, state.network, config, state=state))
    models = learn_noise(noisy, state.adaptation.predict, config, images=len(noisy))
    return [model for channels in models for model in channels]


def prepared(
    case: Case, **changes: float | None
) -> tuple[Tensor, FillingState, FillingConfig]:
    """Return the image as the network gets it, and where 12 iterations start."""
    layout = ImageAxes(case.axes, case.noisy.shape)
    planes = layout.channels_first(case.noisy)
    weights = load_weights("auto")
    intensities = measure([planes], opponents=case.is_colour)
    noisy = as_tensor(intensities.to_network(planes), weights.network.channels)
    config = preset("blind-fast", guard=False, merge=False, **changes)
    config = effective_config(config, layout, weights, CPU)
    return noisy, FillingState(noisy, weights.to_network(CPU), config), config


def psnr(case: Case) -> float:
    """Return what a user gets who chooses nothing."""
    weights = load_weights("auto")
    config = preset("blind-auto")
    noisy = case.noisy.astype(np.float32)
    job = denoise(
        prepare(noisy, case.axes, weights=weights, config=config, device="cpu")
    )
    result = run(job)
    full = float(case.clean.max()) if "lines," in case.group else 255.0
    layout = ImageAxes(case.axes, case.clean.shape)
    return round(quality(result, case.clean, layout, data_range=full).psnr, 2)


@contextmanager
def by_neighbours() -> Iterator[None]:
    """Decide without a look at what repeats."""
    look.repeated_share = model.repeated_share = lambda _: 0.0
    try:
        yield
    finally:
        look.repeated_share = model.repeated_share = repeated_share


def print_table(path: Path) -> None:
    """Print least and largest measures of every group, and counts of decisions."""
    groups = defaultdict(list)
    with path.open(newline="") as file:
        for line in csv.DictReader(file):
            groups[line["group"]].append(line)
    columns = [*LEFT, *RATIO, "adapts", "merges", "PSNR"]
    print(f"| group | {' | '.join(columns)} |")
    print("| --- |" + " ---: |" * len(columns))
    for group, rows in groups.items():
        cells = []
        for name in (*LEFT, *RATIO):
            values = [float(line[name]) for line in rows]
            cells.append(f"{min(values):.2f} .. {max(values):.2f}")
        for name in ("adapts", "merges"):
            now, before = (
                sum(line[key] == "True" for line in rows)
                for key in (name, f"{name} by neighbours")
            )
            cells.append(f"{now} ({before}) of {len(rows)}")
        cells.append(
            ", ".join(
                f"{line['psnr by neighbours']} -> {line['psnr']}"
                for line in rows
                if line["psnr"]
            )
        )
        print(f"| {group} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
