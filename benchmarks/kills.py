"""Runs that are killed leave the source whole, no half result, and nothing in the end.

A small image is denoised to each format, and a folder of images by `batch`; every run
is ended at a random moment by SIGKILL, SIGTERM or SIGINT. After each, what has a
result's name must be whole and the source as it was; after a last run that nobody
ends, nothing else may be there.

Usage: python benchmarks/kills.py [--kills 100] [--seed 0] [--only TIFF ...]
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
import torch

from napari_mpi.cli.main import main as command
from napari_mpi.engine.denoising import denoise as _  # noqa: F401 imported before forks
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.files.output import write_image
from napari_mpi.engine.runtime import leftovers

QUICK = ["--device", "cpu", "--preset", "blind-fast", "--iterations", "2", "-q"]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
TOLD = Path(tempfile.gettempdir()) / f"kills-{os.getpid()}.txt"
PLANES = np.random.default_rng(0).normal(500, 60, (3, 64, 72)).astype(np.uint16)


def main() -> None:
    """Kill so many runs to each format, and print what was not as it should be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    options = parser.parse_args()
    torch.set_num_threads(1)
    leftovers._AGE = 0.0  # these are swept at once, others after a minute
    for name in options.only:
        make = CASES[name]
        rng = random.Random(f"{options.seed}-{name}")
        with tempfile.TemporaryDirectory() as folder:
            print(f"{name}: {attacked(make, Path(folder), options.kills, rng)}")


def attacked(
    make: Callable[[Path], tuple[Path, Path, list[str]]],
    folder: Path,
    kills: int,
    rng: random.Random,
) -> str:
    """Kill runs of one kind; return what came of it, in words."""
    source, output, arguments = make(folder)
    before = contents(source)
    began = time.monotonic()
    undisturbed(arguments)
    whole, lasts = results(output), time.monotonic() - began
    remove(output)
    found: Counter[str] = Counter()
    for _number in range(kills):
        found["killed"] += ended(arguments, rng.choice(SIGNALS), lasts, rng) != 0
        found["sources changed"] += contents(source) != before
        half = {k: v for k, v in results(output).items() if whole.get(k) != v}
        found["half results"] += bool(half)
        if rng.random() < 0.3 or output.name == "series":
            remove(output)  # a series of DICOM replaces none
    undisturbed(arguments)
    found["lost results"] += results(output) != whole
    found["left behind"] = len(leftover(folder))
    return ", ".join(f"{count} {what}" for what, count in found.items())


def ended(
    arguments: list[str],
    number: int | None,
    lasts: float,
    rng: random.Random | None = None,
) -> int:
    """Run a command in a process of its own, and end it; return its status."""
    child = os.fork()
    if not child:
        told = os.open(TOLD, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(told, 1)
        os.dup2(told, 2)
        os._exit(command(arguments))
    if number is not None and rng is not None:
        time.sleep(rng.random() * lasts)
        os.kill(child, number)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def undisturbed(arguments: list[str]) -> None:
    """Run a command to its end; its words are told if it fails."""
    status = ended(arguments, None, 0.0)
    if status:
        told = TOLD.read_text(errors="replace")
        raise SystemExit(f"a run that nobody ended ended with {status}: {told}")


def contents(path: Path) -> dict[str, str]:
    """Return the sha256 of all files of a path."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*"))
    return {
        str(file): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.is_file()
    }


def results(output: Path) -> dict[str, object]:
    """Return the pixels of everything that has a result's name."""
    if not output.exists():
        return {}
    is_batch = output.name == "results"
    paths = sorted(output.glob("*.tif")) if is_batch else [output]
    return {path.name: read_image(path).array.tobytes() for path in paths}


def leftover(folder: Path) -> list[Path]:
    """Return what a run that has ended should not have left."""
    return [
        path
        for path in folder.rglob("*")
        if ".part" in path.name or ".old" in path.name or path.name.endswith(".work")
    ]


def remove(output: Path) -> None:
    if output.is_dir():
        shutil.rmtree(output)
    output.unlink(missing_ok=True)


def image_to(name: str) -> Callable[[Path], tuple[Path, Path, list[str]]]:
    """Return what makes a source, and a command that denoises it to a name."""

    def make(folder: Path) -> tuple[Path, Path, list[str]]:
        source, output = folder / "source.tif", folder / "out" / name
        output.parent.mkdir()
        tifffile.imwrite(source, PLANES, imagej=True, metadata={"axes": "ZYX"})
        return source, output, ["denoise", str(source), "-o", str(output), *QUICK]

    return make


def dicom(folder: Path) -> tuple[Path, Path, list[str]]:
    """Make a series of slices."""
    import pydicom

    source, output = folder / "series", folder / "out" / "series"
    source.mkdir()
    output.parent.mkdir()
    for number, plane in enumerate(PLANES, 1):
        data = pydicom.Dataset()
        data.file_meta = pydicom.dataset.FileMetaDataset()
        data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        data.SOPClassUID = pydicom.uid.CTImageStorage
        data.SOPInstanceUID, data.SeriesInstanceUID = f"1.2.{number}", "1.2"
        data.InstanceNumber, data.Rows, data.Columns = number, *plane.shape
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated = data.BitsStored = 16
        data.HighBit, data.PixelRepresentation = 15, 0
        data.PixelData = plane.tobytes()
        data["PixelData"].VR = "OW"
        data.save_as(source / f"{number}.dcm", enforce_file_format=True)
    return source, output, ["denoise", str(source), "-o", str(output), *QUICK]


def folder_of_images(folder: Path) -> tuple[Path, Path, list[str]]:
    """Make a folder for `batch`."""
    source, output = folder / "images", folder / "results"
    source.mkdir()
    for number in range(3):
        write_image(source / f"{number}.tif", read_after(folder, PLANES[number]))
    (folder / "plane.tif").unlink()
    return source, output, ["batch", str(source), str(output), *QUICK]


def read_after(folder: Path, plane: np.ndarray):  # noqa: ANN201
    tifffile.imwrite(folder / "plane.tif", plane)
    return read_image(folder / "plane.tif")


CASES = {
    "TIFF": image_to("a.tif"),
    "OME-Zarr": image_to("a.zarr"),
    "NIfTI": image_to("a.nii.gz"),
    "DICOM": dicom,
    "batch": folder_of_images,
}

if __name__ == "__main__":
    main()
