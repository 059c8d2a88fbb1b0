"""One picture for each way to fail: clean, noisy, by default, and the remedy."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from failing import dots as failure_dots

Image = NDArray[np.float64]
Values = dict[str, float]
Results = dict[str, tuple[dict[str, Image], dict[str, Values]]]
"""By scene: images, and what was measured of them, both by treatment."""

PANEL = 2.4  # inches
DOTS_PER_INCH = 100


@dataclass(frozen=True)
class Line:
    """One line of a picture: a scene, what to do instead, and what to look at.

    Parameters
    ----------
    scene : str
        Its name.
    instead : str
        Treatment of the last panel.
    measures : dict of str to str
        What stands under a panel, and how it is written, such as '{:.1f} dB'.
    window : tuple of slice
        The part that is shown.
    span : tuple of float, optional
        Intensities that are black and white; those of the clean image if None.
    advice : str
        What stands before the treatment's name; nothing where that is long.
    """

    scene: str
    instead: str
    measures: dict[str, str]
    window: tuple[slice, slice]
    span: tuple[float, float] | None = None
    advice: str = "instead: "


WHOLE = (slice(16, 112), slice(16, 112))
MIDDLE = (slice(32, 96), slice(32, 96))
IN_DB = {"PSNR, dB": "{:.1f} dB"}
WITH_STRIPES = {**IN_DB, "stripes left, grey levels": "stripes {:.1f}"}
RINGED = "rings: dots of 30 photons"
FOUND = {
    "found, 30 photons, %": "{:.0f} % found",
    "light kept, 30 photons, %": "{:.0f} % of light",
}
CLIPPED = {
    "error where saturated, %": "{:+.0f} % where saturated",
    "PSNR, dB": "{:.1f} dB",
}
LINES = {
    "correlated": (
        Line("House, blur 0.5", "binned 2 x 2", IN_DB, WHOLE),
        Line("House, blur 1", "unshuffle 2", IN_DB, WHOLE, advice="worse: "),
        Line("House, blur 1.5", "unshuffle 4, not adapted", IN_DB, WHOLE),
    ),
    "stripes": (
        Line("House, rows", "destriped, default", WITH_STRIPES, WHOLE),
        Line("BPAE, columns", "dark frame, default", WITH_STRIPES, WHOLE, (-10, 80)),
    ),
    "sparse": (
        Line("dots", "mean of 8 frames", FOUND, MIDDLE, (99, 110)),
        Line("dots", "mean of 8 frames, then default", FOUND, MIDDLE, (99, 110),
             advice=""),
    ),
    "saturated": (
        Line("BPAE", "both exposures", CLIPPED, (slice(64, 128), slice(0, 64)),
             (0, 9000)),
        Line("kodim03", "both exposures", CLIPPED, (slice(76, 124), slice(76, 124)),
             (1500, 5300)),
    ),
}  # fmt: skip


def shown(topic: str, scene: str) -> set[str]:
    """Return the treatments of a scene that a picture shows."""
    lines = [line for line in LINES[topic] if line.scene == scene]
    return {label for line in lines for label in ("noisy", "default", line.instead)}


def draw(topic: str, results: Results, path: Path) -> None:
    """Draw the picture of a topic and write it in grey."""
    from matplotlib.figure import Figure
    from PIL import Image as Pillow

    lines = LINES[topic]
    size = (4 * PANEL, (PANEL + 0.5) * len(lines))
    figure = Figure(size, DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots(len(lines), 4, squeeze=False)
    for line, panels in zip(lines, axes, strict=True):
        draw_line(panels, line, *results[line.scene])
    figure.savefig(path)
    # Noise compresses badly: one plane of grey takes a third of the bytes.
    with Pillow.open(path) as picture:
        picture.convert("L").save(path, optimize=True)


def draw_line(
    panels: NDArray[np.object_], line: Line, images: dict[str, Image],
    found: dict[str, Values],
) -> None:  # fmt: skip
    """Draw the four panels of a line, alike in brightness."""
    clean = images["clean"][line.window]
    least, most = line.span or (clean.min(), clean.max())
    for panel, label in zip(
        panels, ("clean", "noisy", "default", line.instead), strict=True
    ):
        panel.imshow(images[label][line.window], "gray", vmin=least, vmax=most,
                     interpolation="nearest")  # fmt: skip
        panel.set(xticks=[], yticks=[])
        before = {"clean": "clean: ", line.instead: line.advice}.get(label, "")
        after = line.scene if label == "clean" else label
        panel.set_title(before + after, fontsize=9.5)
        panel.set_xlabel(caption(line, found.get(label)), fontsize=9)
        if line.scene == "dots":
            draw_rings(panel, line)


def caption(line: Line, values: Values | None) -> str:
    """Return what stands under a panel."""
    if values is None:
        return RINGED if line.scene == "dots" else ""
    return ", ".join(text.format(values[name]) for name, text in line.measures.items())


def draw_rings(panel: object, line: Line) -> None:
    """Draw a ring around every dot of the class that the caption is about."""
    top, left = (part.start for part in line.window)
    places = [place for place, count in failure_dots.dots() if count == 30]
    rows, columns = np.transpose(places)
    seen = [0 < row - top < 64 and 0 < column - left < 64
            for row, column in zip(rows, columns, strict=True)]  # fmt: skip
    panel.plot(columns[seen] - left, rows[seen] - top, "o", ms=16, mfc="none",
               mec="0.8", mew=0.8)  # fmt: skip
