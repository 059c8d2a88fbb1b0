"""`auto` against every fixed preset, to see whether an image chooses well itself.

The middle 192 x 192 of real images, photographs under Gaussian noise of three levels,
under correlated noise, with hot pixels, and with noise that colours share; weights that
ship. The paper's presets take long, so only the first images of some groups get them.
Where the noise chooses the settings of a fixed preset, that isn't computed again.
"""

import argparse
import dataclasses
import time
from collections import defaultdict
from collections.abc import Iterator

import numpy as np

import tables
from cases import (
    CSET,
    SEED,
    Case,
    cset_names,
    fmd,
    in_groups,
    oct_scans,
    photograph,
    scored,
    under,
    w2s,
)
from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.state import DenoisingState
from napari_mpi.engine.denoising.task import prepare
from napari_mpi.engine.noise import laws
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.presets import preset
from study import Study
from tables import Entry, Row

FIELDS = ("group", "image", "preset", "psnr", "ssim", "seconds", "noise")
SIDE = 192
BLIND = ("blind-fast", "blind-auto", "blind-full")
PAPER = ("independent-fast", "real-fast", "correlated-fast")
OURS = ("auto-fast", "auto")
WITH_PAPER = {"fmd": 4, "oct": 2, "w2s": 1, "cset9 grey, sigma 25": 1,
              "correlated, 25, blur 0.5": 1, "correlated, 25, blur 1": 1}  # fmt: skip


def options(parser: argparse.ArgumentParser) -> None:
    """Add which images, and whether only what chooses."""
    parser.add_argument("--groups", nargs="+")
    parser.add_argument("--only-auto", action="store_true", help="no fixed presets")


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Yield the rows of every image."""
    chosen = in_groups(cases(), options.groups)
    return only_auto(chosen) if options.only_auto else all_rows(chosen)


def cases() -> Iterator[Case]:
    """Yield all images, group by group."""
    yield from real_images()
    for sigma in (10, 25, 50):
        for name in cset_names():
            yield photograph(name, grey=True, side=SIDE, sigma=sigma)
    for sigma, blurs in ((25, (0.4, 0.5, 0.6, 0.8, 1.0, 1.5)), (10, (0.5, 1.0))):
        for blur in blurs:
            law = laws.CorrelatedGaussian(sigma, blur)
            yield from few_under(f"correlated, {sigma}, blur {blur:g}", law)
    yield from few_under("salt and pepper, 5 %", laws.SaltAndPepper(0.05))
    for name in CSET:
        yield with_hot_pixels(photograph(name, grey=True, side=SIDE))
        yield with_shared_noise(photograph(name, grey=False, side=SIDE))


def real_images(side: int = SIDE) -> Iterator[Case]:
    """Yield what instruments gave."""
    yield from fmd(side)
    yield from w2s(side)
    yield from oct_scans(side)


def few_under(group: str, law: laws.NoiseLaw) -> Iterator[Case]:
    """Yield photographs in grey under a law of noise."""
    for name in CSET:
        yield under(photograph(name, grey=True, side=SIDE), law, group)


def with_hot_pixels(case: Case) -> Case:
    """Return Gaussian noise of 25 with hot pixels, one in a thousand."""
    rng = np.random.default_rng(SEED)
    hot = rng.random(case.noisy.shape) < 0.001
    noisy = np.where(hot, case.noisy + 300, case.noisy).astype(np.float32)
    return dataclasses.replace(case, group="sigma 25, hot pixels", noisy=noisy)


def with_shared_noise(case: Case) -> Case:
    """Return a colour photograph whose colours all carry the same noise of 25."""
    rng = np.random.default_rng(SEED)
    noise = rng.normal(0, 25, (*case.clean.shape[:2], 1))
    noisy = (case.clean + noise).astype(np.float32)
    return dataclasses.replace(case, group="colours share noise of 25", noisy=noisy)


def all_rows(cases: Iterator[Case]) -> Iterator[Row]:
    """Yield a row for every image and preset, and one of the noisy image."""
    seen: dict[str, int] = defaultdict(int)
    for case in cases:
        yield {**scored(case, case.noisy), "preset": "noisy"}
        found: dict[str, Row] = {}
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


def only_auto(cases: Iterator[Case]) -> Iterator[Row]:
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


def measured(case: Case, name: str, state: DenoisingState) -> Row:
    """Return the row of a preset."""
    begun, config = time.perf_counter(), preset(name)
    task = prepare(case.noisy, case.axes, weights="auto", config=config, device="cpu")
    image = np.asarray(run(denoise(task, state)))
    return {
        **scored(case, image),
        "preset": name,
        "seconds": round(time.perf_counter() - begun, 2),
        "noise": " / ".join(state.noise_in_words()),
    }


def table(entries: list[Entry]) -> None:
    """Print mean PSNR by group, and what auto lacks to the best fixed preset."""
    columns = ("noisy", *BLIND, *OURS)
    tables.print_head(
        "group", "images", *columns, "below the best",
        "best of the paper's, of few", "auto, of these", numbers=len(columns) + 4,
    )  # fmt: skip
    for (group,), found in tables.grouped(entries, "group").items():
        of = {name: runs for (name,), runs in tables.grouped(found, "preset").items()}
        means = {name: tables.mean(runs, "psnr") for name, runs in of.items()}
        cells = [f"{means[name]:.2f}" for name in columns]
        cells.append(f"{max(means[name] for name in BLIND) - means['auto']:+.2f}")
        images = {entry["image"] for entry in found}
        tables.print_line(group, len(images), *cells, *_beside_the_papers(of))


def _beside_the_papers(of: dict[str, list[Entry]]) -> tuple[str, str]:
    """Return the best of the paper's presets, and auto, of the images with them."""
    if PAPER[0] not in of:
        return "", ""
    few = {entry["image"] for entry in of[PAPER[0]]}
    means = [
        tables.mean([entry for entry in of[name] if entry["image"] in few], "psnr")
        for name in (*PAPER, "auto")
    ]
    return f"{max(means[:-1]):.2f}", f"{means[-1]:.2f}"


STUDY = Study(FIELDS, rows, table, options)
