"""Pictures of how the method works, for `docs/method.md`.

A strip of a photograph on its way (the paper's network), and the curves of
`compare.py ablation`: by what becomes the result, and by where the loss is taken.

Usage: python benchmarks/method_pictures.py CSV FOLDER [--only strip|curves]
"""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import tables
from ablation.loop import masks_for, plane_of, trace
from ablation.tables import Curve, Found
from ablation.variants import Variant, cases, variants
from cases import Case, scored

SIDE, IMAGE, SEED = 128, "kodim03", 0
SHOWN = (10, 50, 200)
LIMITS = (17.0, 32.0)  # dB
COLOURS = {"filled": "C0", "filled, long": "C1", "last hidden": "C2", "last open": "C3",
           "whole": "C4", "fills after": "C5"}  # fmt: skip
Array = NDArray[np.generic]


def main() -> None:
    """Make both pictures, or one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("csv", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", choices=("strip", "curves"))
    options = parser.parse_args()
    if options.only != "curves":
        save_strip(options.folder / "method-strip.png")
    if options.only != "strip":
        save_curves(
            Found(tables.read(options.csv)), options.folder / "method-curves.png"
        )


def save_strip(path: Path) -> None:
    """Show one crop: noisy, hidden, predicted once, filled, clean."""
    plt = pyplot()
    case = next(c for c in cases("colour", SEED, SIDE) if c.name == IMAGE)
    images = steps_of(case)
    figure, axes = plt.subplots(1, len(images), figsize=(2 * len(images), 2.6))
    for ax, (title, image) in zip(axes, images.items(), strict=True):
        ax.imshow(np.asarray(image).clip(0, 255).astype(np.uint8), interpolation="none")
        ax.set_title(title, fontsize=9)
        ax.axis("off")
    figure.tight_layout(pad=0.3, rect=(0, 0, 1, 0.9))
    figure.savefig(path, dpi=80)
    shrink(path)


def steps_of(case: Case) -> dict[str, Array]:
    """Return what the strip shows, by title."""
    variant: Variant = variants()[0]
    settings = variant.settings("colour", SEED, lambda name: None)
    settings = dataclasses.replace(settings, read_at=(1, *SHOWN))
    images = {_told("noisy", case, case.noisy): case.noisy}
    images["what the network sees\n30 % hidden a colour"] = first_input(case, settings)
    for iteration, reading, image in trace(case, settings):
        if reading == "last hidden" and iteration == 1:
            images[_told("hidden pixels filled once", case, image)] = image
        if reading == "filled" and iteration in SHOWN:
            images[_told(f"ensemble, {iteration} iterations", case, image)] = image
    images["clean"] = case.clean
    return images


def first_input(case: Case, settings: Any) -> Array:
    """Return the noisy image as the network sees it first: hidden values are black."""
    plane = plane_of(case)
    noisy = plane.read(case.noisy, settings.weights.network.channels).image
    masked = next(masks_for(noisy, settings))
    seen = plane.restored(noisy.numpy(), np.dtype("f4"))
    hidden = plane.layout.from_channels_first(masked[0].numpy())
    return np.where(hidden, 0, seen)


def _told(title: str, case: Case, image: Array) -> str:
    return f"{title}\n{scored(case, image)['psnr']:.1f} dB"


def shrink(path: Path) -> None:
    """Write a picture again with 256 colours: noise is all but incompressible."""
    from PIL import Image

    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(256)
    small.save(path, optimize=True)


def save_curves(found: Found, path: Path) -> None:
    """Draw PSNR by iterations: by reading and start, and by where the loss is."""
    plt = pyplot()
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 5))
    for family, variant, style in (("base", "base", "-"), ("start", "random", ":")):
        for reading in ("filled", "filled, long", "last hidden", "fills after"):
            curve = found.curve(family, "paper", variant, "colour", reading)
            start = "random" if family == "start" else "pre-trained"
            draw(left, curve, f"{reading}, {start}", COLOURS[reading], style)
    for family, variant, style in (("base", "base", "-"), ("loss", "all", "--")):
        for reading in ("filled", "last hidden", "whole", "last open"):
            curve = found.curve(family, "paper", variant, "colour", reading)
            loss = "hidden" if family == "base" else "all"
            draw(right, curve, f"{reading}, loss on {loss}", COLOURS[reading], style)
    noisy = found.curve("base", "paper", "base", "colour", "noisy")[0]
    left.set_title("What becomes the result", fontsize=10)
    right.set_title("Loss on hidden and on all pixels", fontsize=10)
    for ax in (left, right):
        ax.axhline(noisy, color="grey", linewidth=0.8, label="noisy")
        ax.set_xlabel("iterations")
        ax.set_ylabel("PSNR, dB")
        ax.legend(fontsize=8, ncol=2, loc="upper center", bbox_to_anchor=(0.5, -0.14))
    left.set_ylim(*LIMITS)
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def draw(ax: Any, curve: Curve, label: str, colour: str, style: str) -> None:
    """Draw one curve."""
    ax.plot(list(curve), list(curve.values()), style, color=colour, label=label)


def pyplot() -> Any:
    """Return matplotlib's pyplot, which needs no display."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    return plt


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
