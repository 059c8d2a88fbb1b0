"""Whether `effort: auto` stops where it should: against fixed numbers of iterations.

For each image, PSNR after fixed numbers of iterations (the settings of 'blind-full'),
and where 'blind-auto' stops. "Below the best": what auto's mean lacks to that of the
best fixed number, chosen with the clean images in hand; "worst" the same for the single
image where it is most, each with its own best; "saved" is the share of the iterations
of 'blind-full'.
"""

import argparse
from collections.abc import Iterator
from statistics import mean

import tables
from cases import Case, cset_names, fmd, in_groups, photograph, scored
from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.state import DenoisingState
from napari_mpi.engine.denoising.task import prepare
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.presets import preset
from study import Study
from tables import Entry, Row

FIXED = (12, 24, 48, 100)
SIGMAS = (10, 25, 50)
FIELDS = ("group", "image", *(str(number) for number in FIXED), "auto", "stopped at")


def options(parser: argparse.ArgumentParser) -> None:
    """Add which images, and how much of them."""
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--groups", nargs="+")


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Yield a row for every image that is not there yet."""
    for case in in_groups(cases(options.side), options.groups):
        if (case.group, case.name) not in options.done:
            yield measured(case)


def cases(side: int) -> Iterator[Case]:
    """Yield the instruments' images, then photographs with noise of three strengths."""
    yield from fmd(side)
    for sigma in SIGMAS:
        for grey in (True, False):
            for name in cset_names():
                yield photograph(name, grey=grey, side=side, sigma=sigma)


def measured(case: Case) -> Row:
    """Return one line: PSNR by iterations, and what auto makes of it."""
    row: Row = {"group": case.group, "image": case.name}
    state = DenoisingState()
    for number in FIXED:  # each goes on from the one before
        row[str(number)] = _reached(case, "blind-full", state, iterations=number)
    state = DenoisingState()
    row["auto"] = _reached(case, "blind-auto", state)
    row["stopped at"] = state.iteration
    return row


def _reached(case: Case, name: str, state: DenoisingState, **changes: int) -> object:
    config = preset(name, **changes)
    task = prepare(case.noisy, case.axes, weights="auto", config=config, device="cpu")
    image = run(denoise(task, state, snapshot_interval=1e9))
    return scored(case, image)["psnr"]


def table(entries: list[Entry]) -> None:
    """Print means over the images of each group, and the worst image."""
    heads = [str(number) for number in FIXED]
    tables.print_head(
        "group", *heads, "auto", "below the best", "worst", "saved",
        numbers=len(heads) + 4,
    )  # fmt: skip
    for (group,), found in tables.grouped(entries, "group").items():
        means = [tables.mean(found, head) for head in heads]
        auto = tables.mean(found, "auto")
        lacking = (
            max(float(entry[head]) for head in heads) - float(entry["auto"])
            for entry in found
        )
        saved = 1 - mean(int(entry["stopped at"]) for entry in found) / FIXED[-1]
        told = [f"{value:.2f}" for value in (*means, auto, max(means) - auto)]
        tables.print_line(group, *told, f"{max(lacking):.2f}", f"{saved:.0%}")


STUDY = Study(FIELDS, rows, table, options, key=("group", "image"))
