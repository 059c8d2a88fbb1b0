"""`auto` against every fixed preset, to see whether an image chooses well itself.

The middle 192 x 192 of real images, photographs under Gaussian noise of three levels,
under correlated noise, with hot pixels, and with noise that colours share; weights that
ship. The paper's presets take long, so only the first images of some groups get them.
Where the noise chooses the settings of a fixed preset, that isn't computed again.

Usage: python benchmarks/auto.py [FILE.csv] [--groups NAME...] [--table FILE.csv]
           [--findings]: only what is found of the noise, in 256 x 256 pixels
"""

import argparse
import csv
import dataclasses
import itertools
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

import pretrained
from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.state import DenoisingState
from napari_mpi.engine.denoising.task import prepare
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.noise import laws
from napari_mpi.engine.noise.findings import NoiseFindings
from napari_mpi.engine.noise.look import look_at_noise
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.presets import preset
from pretrained import DATA, Case

FIELDS = ("group", "image", "preset", "psnr", "ssim", "seconds", "noise")
SIDE = 192
BLIND = ("blind-fast", "blind-auto", "blind-full")
PAPER = ("independent-fast", "real-fast", "correlated-fast")
OURS = ("auto-fast", "auto")
WITH_PAPER = {"fmd": 4, "oct": 2, "w2s": 1, "cset9 grey, sigma 25": 1,
              "correlated, 25, blur 0.5": 1, "correlated, 25, blur 1": 1}  # fmt: skip
NAMES = sorted(path.stem for path in (DATA / "cset9").glob("*.png"))
FEW = pretrained.CSET


def main() -> None:
    """Measure and write, or print a table of what was written."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", nargs="?", type=Path, default=Path("auto.csv"))
    parser.add_argument("--groups", nargs="+")
    parser.add_argument("--table", type=Path, help="print this file as a table")
    parser.add_argument("--findings", action="store_true")
    parser.add_argument("--only-auto", action="store_true", help="no fixed presets")
    options = parser.parse_args()
    if options.findings:
        print_findings()
        return
    if options.table is not None:
        print_table(options.table)
        return
    chosen = pretrained.in_groups(cases(), options.groups)
    found = rows(chosen)
    if options.only_auto:
        found = only_auto(chosen)
    pretrained.write(options.file, FIELDS, found)


def cases() -> Iterator[Case]:
    """Yield all images, group by group."""
    yield from real_images()
    for sigma in (10, 25, 50):
        for name in NAMES:
            yield pretrained.photograph(name, grey=True, side=SIDE, sigma=sigma)
    for sigma, blurs in ((25, (0.4, 0.5, 0.6, 0.8, 1.0, 1.5)), (10, (0.5, 1.0))):
        for blur in blurs:
            law = laws.CorrelatedGaussian(sigma, blur)
            yield from under(f"correlated, {sigma}, blur {blur:g}", law)
    yield from under("salt and pepper, 5 %", laws.SaltAndPepper(0.05))
    for name in FEW:
        yield with_hot_pixels(pretrained.photograph(name, grey=True, side=SIDE))
        yield with_shared_noise(pretrained.photograph(name, grey=False, side=SIDE))


def real_images(side: int = SIDE) -> Iterator[Case]:
    """Yield what instruments gave."""
    for path in sorted((DATA / "fmd" / "raw").iterdir()):
        clean = read_image(DATA / "fmd" / "gt" / path.name).array
        yield pretrained.middle("fmd", path.stem, read_image(path).array, clean, side)
    for path in sorted((DATA / "w2s").glob("input_avg1_*")):
        target = path.with_name(path.name.replace("input_avg1", "target_avg400"))
        noisy, clean = read_image(path).array, read_image(target).array
        yield pretrained.middle("w2s", path.stem[-5:], noisy, clean, side)
    for path in sorted((DATA / "medical" / "oct").glob("*_test.tif")):
        target = path.with_name(path.name.replace("test", "average"))
        noisy, clean = read_image(path).array, read_image(target).array
        yield pretrained.middle("oct", path.stem[0], noisy, clean, side)


def under(group: str, law: laws.NoiseLaw) -> Iterator[Case]:
    """Yield photographs in grey under a law of noise."""
    for name in FEW:
        case = pretrained.photograph(name, grey=True, side=SIDE)
        rng = np.random.default_rng(pretrained.SEED)
        noisy = law.noisy(case.clean.astype(float), rng=rng).astype(np.float32)
        yield dataclasses.replace(case, group=group, noisy=noisy)


def with_hot_pixels(case: Case) -> Case:
    """Return Gaussian noise of 25 with hot pixels, one in a thousand."""
    rng = np.random.default_rng(pretrained.SEED)
    hot = rng.random(case.noisy.shape) < 0.001
    noisy = np.where(hot, case.noisy + 300, case.noisy).astype(np.float32)
    return dataclasses.replace(case, group="sigma 25, hot pixels", noisy=noisy)


def with_shared_noise(case: Case) -> Case:
    """Return a colour photograph whose colours all carry the same noise of 25."""
    rng = np.random.default_rng(pretrained.SEED)
    noise = rng.normal(0, 25, (*case.clean.shape[:2], 1))
    noisy = (case.clean + noise).astype(np.float32)
    return dataclasses.replace(case, group="colours share noise of 25", noisy=noisy)


def rows(cases: Iterator[Case]) -> Iterator[dict[str, object]]:
    """Yield a row for every image and preset, and one of the noisy image."""
    seen: dict[str, int] = defaultdict(int)
    for case in cases:
        yield {**_quality(case, case.noisy), "preset": "noisy"}
        found: dict[str, dict[str, object]] = {}
        for name in OURS:
            state = DenoisingState()
            row = measured(case, name, state)
            if (same := _same_as(state, case)) is not None:
                found[same] = {**row, "preset": same, "seconds": "", "noise": ""}
            yield row
        seen[case.group] += 1
        few = seen[case.group] <= WITH_PAPER.get(case.group, 0)
        for name in (*BLIND, *(PAPER if few else ())):
            yield found.get(name) or measured(case, name, DenoisingState())


def only_auto(cases: Iterator[Case]) -> Iterator[dict[str, object]]:
    """Yield the rows of what the noise chooses, and no others."""
    for case in cases:
        for name in OURS:
            yield measured(case, name, DenoisingState())


def _same_as(state: DenoisingState, case: Case) -> str | None:
    """Return the preset whose settings the noise has chosen, if it is one."""
    (channel,) = state.channels.values()
    choice = channel.choice
    as_the_image_asks = {
        "shared_mask": True,  # of weights with one channel
        "precision": choice.config.precision,
    }
    for name in BLIND:
        if choice.config == preset(name, **as_the_image_asks):
            return name
    return None


def measured(case: Case, name: str, state: DenoisingState) -> dict[str, object]:
    """Return the row of a preset."""
    weights = load_weights("auto")
    begun = time.perf_counter()
    job = denoise(
        prepare(
            case.noisy, case.axes, weights=weights, config=preset(name), device="cpu"
        ),
        state=state,
    )
    image = np.asarray(run(job))
    seconds = round(time.perf_counter() - begun, 2)
    words = " / ".join(state.noise_in_words())
    return {
        **_quality(case, image),
        "preset": name,
        "seconds": seconds,
        "noise": words,
    }


def _quality(case: Case, image: np.ndarray) -> dict[str, object]:
    row = pretrained.row(case, "", 0, image, 0.0)
    return {key: row[key] for key in ("group", "image", "psnr", "ssim")}


def print_findings() -> None:
    """Print the least and the largest of what is found, by kind of noise."""
    print("| noise | images | correlation | detail | level, grey levels |")
    print("| --- | ---: | ---: | ---: | ---: |")
    found: dict[str, list[NoiseFindings]] = defaultdict(list)
    for case in real_images(256):
        found[case.group].append(_look(case.noisy))
    for sigma, blur in itertools.product((5, 10, 25, 50), (0, 0.4, 0.5, 0.6, 0.8, 1.5)):
        law = laws.CorrelatedGaussian(sigma, blur) if blur else laws.Gaussian(sigma)
        for name in NAMES:
            clean = pretrained.photograph(name, grey=True, side=256).clean
            rng = np.random.default_rng(pretrained.SEED)
            noisy = law.noisy(clean.astype(float), rng=rng)
            found[f"{sigma}, blur {blur:g}"].append(_look(noisy))
    for kind, all_of in found.items():
        spans = []
        for name, places in (("correlation", 2), ("detail", 2), ("level", 1)):
            values = [getattr(one, name) for one in all_of]
            spans.append(f"{min(values):.{places}f} .. {max(values):.{places}f}")
        print(f"| {kind} | {len(all_of)} | {' | '.join(spans)} |")


def _look(noisy: np.ndarray) -> NoiseFindings:
    values = torch.from_numpy(np.ascontiguousarray(noisy, dtype=np.float32) / 255)
    found = look_at_noise(values[None, None], 255.0)
    assert found is not None
    return found


def print_table(path: Path) -> None:
    """Print mean PSNR by group, and what auto lacks to the best fixed preset."""
    with path.open(newline="") as file:
        entries = list(csv.DictReader(file))
    groups = list(dict.fromkeys(entry["group"] for entry in entries))
    columns = ("noisy", *BLIND, *OURS)
    print(f"| group | images | {' | '.join(columns)} | below the best |", end="")
    print(" best of the paper's, of few | auto, of these |")
    print("| --- |" + " ---: |" * (len(columns) + 4))
    for group in groups:
        psnr: dict[str, dict[str, float]] = defaultdict(dict)
        for entry in entries:
            if entry["group"] == group:
                psnr[entry["preset"]][entry["image"]] = float(entry["psnr"])
        means = {name: statistics.mean(of.values()) for name, of in psnr.items()}
        few = [*psnr[PAPER[0]]]
        lack = max(means[name] for name in BLIND) - means["auto"]
        cells = [f"{means[name]:.2f}" for name in columns]
        cells.append(f"{lack:+.2f}")
        for names in (PAPER, ["auto"]):
            of_few = [[psnr[name][image] for image in few] for name in names]
            cells.append(f"{max(map(statistics.mean, of_few)):.2f}" if few else "")
        print(f"| {group} | {len(psnr['auto'])} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
