"""What comes back of the evaluation data: each file read, written, and read again.

Per file the format that it came in, and another one: OME-Zarr for TIFF, TIFF for NIfTI.
All is read lazily, so that it is also what a run of the command line would keep. Axes
are told apart from pixels: OME-TIFF has no 'XYZ', so that such pixels are compared in
the order of the copy.

Usage: python benchmarks/round_trips.py [-o FILE.md|FILE.csv]
"""

import argparse
import csv
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import pretrained
from napari_mpi.engine.blocks import rearranged
from napari_mpi.engine.image_io import Calibration, ImageFile, read_image, write_image

FOLDERS = ("stacks", "medical")
OTHER = {".tif": ".zarr", ".nii.gz": ".tif", ".nii": ".tif"}
EQUAL = ("axes", "shape", "dtype", "pixels", "calibration", "channel names")
FIELDS = (
    "file", "into", "axes", "shape", "dtype", "steps", "channels",
    *(f"{name} equal" for name in EQUAL),
)  # fmt: skip


def main() -> None:
    """Print the table, and write it if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    lines = list(rows())
    table = "\n".join(as_markdown(lines))
    print(table)
    if options.output is None:
        return
    if options.output.suffix == ".md":
        options.output.write_text(f"{table}\n")
        return
    with options.output.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows(lines)


def rows() -> Iterator[dict[str, str]]:
    """Yield one line per file and format."""
    for folder in FOLDERS:
        for path in sorted((pretrained.DATA / folder).rglob("*")):
            suffix = next((s for s in OTHER if path.name.endswith(s)), None)
            if suffix is not None:
                for target in (suffix, OTHER[suffix]):
                    yield row(path, target)


def row(path: Path, suffix: str) -> dict[str, str]:
    """Return what a file says, and what of it a copy of another suffix says too."""
    before = read_image(path, lazy=True)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"copy{suffix}"
        write_image(target, before)
        same = comparison(before, read_image(target, lazy=True))
    known = before.calibration
    return {
        "file": path.relative_to(pretrained.DATA).as_posix(),
        "into": suffix,
        "axes": before.axes,
        "shape": " x ".join(map(str, before.array.shape)),
        "dtype": str(before.array.dtype),
        "steps": steps(known) or "none",
        "channels": ", ".join(known.channels) or "none",
    } | {f"{name} equal": told for name, told in same.items()}


def comparison(before: ImageFile, after: ImageFile) -> dict[str, str]:
    """Return 'yes' per property that is equal, else what it became."""
    comparable = sorted(before.axes) == sorted(after.axes)
    original = (
        rearranged(before.array, before.axes, after.axes)
        if comparable
        else before.array
    )
    values = {
        "axes": (before.axes, after.axes),
        "shape": (tuple(original.shape), tuple(after.array.shape)),
        "dtype": (before.array.dtype, after.array.dtype),
        "pixels": (True, np.array_equal(original, after.array)),
        "calibration": (steps(before.calibration), steps(after.calibration)),
        "channel names": (before.calibration.channels, after.calibration.channels),
    }
    return {name: "yes" if a == b else f"{b}" for name, (a, b) in values.items()}


def steps(known: Calibration) -> str:
    """Return sizes with their units in words."""
    found = sorted(known.steps.items())
    return ", ".join(f"{axis} {step:.6g} {unit}" for axis, (step, unit) in found)


def as_markdown(lines: list[dict[str, str]]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield f"| {' | '.join(FIELDS)} |"
    yield "| --- " * len(FIELDS) + "|"
    for line in lines:
        yield f"| {' | '.join(line[name] for name in FIELDS)} |"


if __name__ == "__main__":
    main()
