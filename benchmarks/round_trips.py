"""What comes back of the evaluation data: each file read, written, and read again.

Per file the format that it came in, and another one: OME-Zarr for TIFF, TIFF for NIfTI.
Axes are told apart from pixels: OME-TIFF has no 'XYZ', so that such pixels are compared
in the order of the copy. With `--denoise`, the command line denoises the file on the
way (no step, one pass: it is not about quality), and pixels are to be others. With
`--layers`, each file becomes a layer, by napari's own reader where that knows the
format, and what the Denoise widget makes of it is compared with it.

Usage: python benchmarks/round_trips.py [--denoise | --layers] [-o FILE.md|FILE.csv]
"""

import argparse
import csv
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cases import DATA
from napari_mpi.cli.main import main as main_of_cli
from napari_mpi.engine.files.blocks import rearranged
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.files.metadata import Calibration, ImageFile
from napari_mpi.engine.files.output import write_image
from napari_mpi.engine.settings.method import Method
from napari_mpi.engine.settings.presets import preset

FOLDERS = ("stacks", "medical")
OTHER = {".tif": ".zarr", ".nii.gz": ".tif", ".nii": ".tif"}
NOTHING = {"learning_rate": 0.0, "iterations": 1, "passes": 1, "merge": False}
QUICK = [
    "--preset", "blind-fast", "--learning-rate", "0", "--iterations", "1",
    "--passes", "1", "--no-merge", "--device", "cpu", "--quiet",
]  # fmt: skip
ATTRIBUTES = ("scale", "translate", "units", "axis_labels", "rgb", "contrast_limits")
EQUAL = ("axes", "shape", "dtype", "pixels", "calibration", "channel names")
FIELDS = (
    "file", "into", "axes", "shape", "dtype", "steps", "channels",
    *(f"{name} equal" for name in EQUAL),
)  # fmt: skip


def main() -> None:
    """Print the table, and write it if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--denoise", action="store_true")
    parser.add_argument("--layers", action="store_true")
    options = parser.parse_args()
    lines = list(layers() if options.layers else rows(denoises=options.denoise))
    table = "\n".join(as_markdown(lines))
    print(table)
    if options.output is None:
        return
    if options.output.suffix == ".md":
        options.output.write_text(f"{table}\n")
        return
    with options.output.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)


def files() -> Iterator[tuple[Path, str]]:
    """Yield every file with its suffix."""
    for folder in FOLDERS:
        for path in sorted((DATA / folder).rglob("*")):
            suffix = next((s for s in OTHER if path.name.endswith(s)), None)
            if suffix is not None:
                yield path, suffix


def rows(*, denoises: bool) -> Iterator[dict[str, str]]:
    """Yield one line per file and format."""
    for path, suffix in files():
        for target in (suffix, OTHER[suffix]):
            yield row(path, target, denoises=denoises)


def row(path: Path, suffix: str, *, denoises: bool) -> dict[str, str]:
    """Return what a file says, and what of it a copy of another suffix says too."""
    before = read_image(path, lazy=True)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"copy{suffix}"
        if denoises:
            status = main_of_cli(["denoise", str(path), "-o", str(target), *QUICK])
            assert status == 0, path
        else:
            write_image(target, before)
        same = comparison(before, read_image(target, lazy=True))
    known = before.calibration
    return {
        "file": path.relative_to(DATA).as_posix(),
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


def layers() -> Iterator[dict[str, str]]:
    """Yield one line per file: what its layer says, and what the result's says too."""
    # Only here: napari is not needed otherwise.
    from napari import plugins
    from napari.components import ViewerModel

    from napari_mpi.widgets.denoise.jobs.asked import Request
    from napari_mpi.widgets.denoise.jobs.job import denoise_job
    from napari_mpi.widgets.layers.result import add_result
    from napari_mpi.widgets.layers.selection import select

    plugins._initialize_plugins()  # napari's readers, which a window would load
    for path, suffix in files():
        viewer = ViewerModel()
        if suffix == ".tif":
            (source,) = viewer.open(path, plugin="napari")
        else:
            image = read_image(path, lazy=True)
            sizes = [image.calibration.steps[axis] for axis in image.axes]
            source = viewer.add_image(
                image.array, name=path.name, axis_labels=list(image.axes.lower()),
                scale=[step for step, _ in sizes], units=[unit for _, unit in sizes],
                contrast_limits=(0, 255), multiscale=False,
            )  # fmt: skip
        method = Method(preset("blind-fast", **NOTHING), "auto", "cpu")
        request = Request(select(source), method)
        prepared, *_ = list(denoise_job(request))
        index = request.selection.index
        result = add_result(viewer, source, prepared.state.result, index, prepared.made)
        line = {"file": path.relative_to(DATA).as_posix()}
        line |= {"axes taken": request.selection.axes}
        for name in ATTRIBUTES:
            values = getattr(source, name), getattr(result, name)
            line[name] = shown(values[0]) + (
                "" if np.array_equal(*values) else f" -> {shown(values[1])}"
            )
        shapes = [
            (tuple(x.data.shape), np.dtype(x.data.dtype)) for x in (source, result)
        ]
        line["shape, type"] = "equal" if shapes[0] == shapes[1] else str(shapes[1])
        yield line


def shown(value: object) -> str:
    """Return a layer's attribute in few letters."""
    if isinstance(value, np.ndarray | tuple | list):
        return ", ".join(shown(part) for part in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def steps(known: Calibration) -> str:
    """Return sizes with their units in words."""
    found = sorted(known.steps.items())
    return ", ".join(f"{axis} {step:.6g} {unit}" for axis, (step, unit) in found)


def as_markdown(lines: list[dict[str, str]]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield f"| {' | '.join(lines[0])} |"
    yield "| --- " * len(lines[0]) + "|"
    for line in lines:
        yield f"| {' | '.join(line.values())} |"


if __name__ == "__main__":
    main()
