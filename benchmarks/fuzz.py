"""Whatever is in a file, reading and writing it end with an image or with a sentence.

Small files of every format are damaged: bytes changed, cut off, copied about or set to
numbers that mean much; every mutant is read at once, read lazily, and what was read is
written. The records of a batch are damaged likewise, and the batch planned with them.
Told is what raises nothing or an `EngineError`; all else is untold. Counted are untold
exceptions, mutants that took over 10 s, and those for which the program came to hold
more memory than --memory.

Usage: python benchmarks/fuzz.py [--mutants 20000] [--seed 0] [--only tiff dicom ...]
                                 [--memory 1024] [--show]
"""

import argparse
import contextlib
import multiprocessing
import os
import random
import resource
import shutil
import struct
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_mpi import denoise_folder
from napari_mpi.api.method import chosen
from napari_mpi.batch.planning import plan_batch
from napari_mpi.batch.request import BatchRequest, Folders
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.files.metadata import ImageFile
from napari_mpi.engine.files.output import write_image
from napari_mpi.engine.runtime.errors import EngineError
from napari_mpi.engine.runtime.jobs import run

LIMIT = 10.0  # seconds
RECORDS = ".records"
HOW = {"preset": "blind-fast", "weights": "grey", "learning_rate": 0.0,
       "iterations": 1, "device": "cpu"}  # fmt: skip
TELLING = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


@dataclass(frozen=True)
class Found:
    """What came of one mutant."""

    number: int
    seed_file: str
    how: str
    seconds: float
    kilobytes: int
    untold: str = ""


def main() -> None:
    """Read and write so many mutants, and print what was not as it should be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mutants", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", help="kinds of seed file")
    parser.add_argument("--memory", type=int, default=1024, help="MiB")
    parser.add_argument("--show", action="store_true", help="print tracebacks")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seeds = seed_files(Path(folder) / "seeds", options.only)
        found = list(tried(seeds, options.mutants, options.seed, Path(folder)))
    report(found, options.memory, show=options.show)


def report(found: list[Found], memory: int, *, show: bool) -> None:
    """Print how many mutants were not told, slow or large, and the worst of them."""
    untold = [one for one in found if one.untold]
    slow = [one for one in found if one.seconds > LIMIT]
    large = [one for one in found if one.kilobytes > 1024 * memory]
    print(f"{len(found)} mutants of {len({one.seed_file for one in found})} files")
    print(f"untold {len(untold)}, over {LIMIT:.0f} s {len(slow)}, over {memory} MiB"
          f" {len(large)}")  # fmt: skip
    kinds = Counter(one.untold.strip().splitlines()[-1][:110] for one in untold)
    for kind, count in kinds.most_common(40):
        first = next(one for one in untold if kind in one.untold)
        print(f"  {count:5} {first.number} {first.seed_file}: {kind}")
        if show:
            print(first.untold)
    for one in slow + large:
        print(f"  {one.number} {one.seed_file} {one.how}: {one.seconds:.1f} s,"
              f" {one.kilobytes // 1024} MiB")  # fmt: skip


def tried(seeds: list[Path], count: int, seed: int, folder: Path) -> Iterator[Found]:
    """Try mutants in a process of their own; one that dies or stops is replaced."""
    context = multiprocessing.get_context("fork")
    first = 0
    while first < count:
        here, there = context.Pipe()
        arguments = (there, seeds, range(first, count), seed, folder)
        worker = context.Process(target=work, args=arguments)
        worker.start()
        there.close()
        number, what = first, "?"
        while number < count:
            if not here.poll(2 * LIMIT):
                yield Found(number, what, "stands still", 3 * LIMIT, 0)
                number += 1
                break
            try:
                message = here.recv()
            except EOFError:
                yield Found(number, what, "died", 0.0, 0, "the process died")
                number += 1
                break
            if isinstance(message, str):
                what = message
                continue
            yield message
            number += 1
            if message.kilobytes > 2**20:
                break  # its memory would be told of all that follow
        worker.kill()
        worker.join()
        first = number


def work(pipe, seeds, numbers, seed, folder) -> None:
    """Try mutant after mutant, and tell of each."""
    warnings.simplefilter("ignore")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    for number in numbers:
        mutant, name, how = mutant_of(seeds, number, seed, folder)
        pipe.send(name)
        began = time.monotonic()
        untold = attempt(mutant, folder / "out")
        seconds = time.monotonic() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        pipe.send(Found(number, name, how, seconds, peak, untold))


def mutant_of(
    seeds: list[Path], number: int, seed: int, folder: Path
) -> tuple[Path, str, str]:
    """Write a mutant; return it, the name of its seed file, and how it was damaged."""
    rng = random.Random(f"{seed}-{number}")
    source = rng.choice(seeds)
    mutant = folder / f"mutant{''.join(source.suffixes)}"
    return mutant, source.name, mutated(source, mutant, rng)


def attempt(mutant: Path, out: Path) -> str:
    """Read a mutant at once and lazily, and write it; return what was untold."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    if mutant.suffix == RECORDS:
        return planned(mutant)
    for lazy in (False, True):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                image = read_image(mutant, lazy=lazy)
                if lazy:
                    write_image(out / f"result{ending(mutant)}", image)
        except EngineError:
            continue
        except BaseException:  # noqa: BLE001 that is what is looked for
            return traceback.format_exc()
    return ""


def planned(folder: Path) -> str:
    """Ask a batch what there is to do with damaged records; return what was untold."""
    folders = Folders(folder / "images", folder / "results")
    for retry in (False, True):
        request = BatchRequest(folders, chosen(None, **HOW), retry_failed=retry)
        try:
            run(plan_batch(request))
        except EngineError:
            continue
        except BaseException:  # noqa: BLE001 that is what is looked for
            return traceback.format_exc()
    return ""


def ending(path: Path) -> str:
    """Return the suffix of a result."""
    for suffix in (".zarr", ".nii.gz", ".nii", ".btf"):
        if path.name.endswith(suffix):
            return suffix
    return "" if path.suffix == ".dcm" else ".tif"


def mutated(source: Path, target: Path, rng: random.Random) -> str:
    """Write a mutant of a file, or of one of the files of a folder."""
    shutil.rmtree(target, ignore_errors=True)
    target.unlink(missing_ok=True) if not target.is_dir() else None
    if source.is_dir():
        shutil.copytree(source, target)
        pattern = "items/*.[jf]*" if source.suffix == RECORDS else "*"
        victim = rng.choice(sorted(p for p in target.rglob(pattern) if p.is_file()))
    else:
        shutil.copy(source, target)
        victim = target
    content = bytearray(victim.read_bytes())
    names = []
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        way = rng.choice(WAYS)
        names.append(way.__name__)
        content = way(content, rng)
    victim.write_bytes(content)
    return "+".join(names)


def place(content: bytearray, rng: random.Random) -> int:
    """Return a place in a file; one in two near its start, where headers are."""
    end = len(content) if rng.random() < 0.5 else min(len(content), 512)
    return rng.randrange(max(1, end))


def flip(content: bytearray, rng: random.Random) -> bytearray:
    if content:
        content[place(content, rng)] ^= 1 << rng.randrange(8)
    return content


def byte(content: bytearray, rng: random.Random) -> bytearray:
    if content:
        content[place(content, rng)] = rng.randrange(256)
    return content


def number(content: bytearray, rng: random.Random) -> bytearray:
    value, at = rng.choice(TELLING), place(content, rng)
    code = rng.choice(["<H", ">H", "<I", ">I", "<Q", ">Q"])
    content[at : at + struct.calcsize(code)] = struct.pack(
        code, value & (256 ** struct.calcsize(code) - 1)
    )
    return content


def cut(content: bytearray, rng: random.Random) -> bytearray:
    return content[: rng.randrange(len(content) + 1)]


def copy(content: bytearray, rng: random.Random) -> bytearray:
    a, b, size = place(content, rng), place(content, rng), rng.randrange(1, 64)
    content[b : b + size] = content[a : a + size]
    return content


def digit(content: bytearray, rng: random.Random) -> bytearray:
    """Change a number that is written in words, of XML or JSON."""
    digits = [n for n, c in enumerate(content) if chr(c).isdigit()]
    if digits:
        at = rng.choice(digits)
        content[at : at + 1] = rng.choice((b"-1", b"0", b"9" * 9, b"1e9", b"NaN", b"x"))
    return content


def insert(content: bytearray, rng: random.Random) -> bytearray:
    at = place(content, rng)
    content[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 32)))
    return content


WAYS = (flip, byte, number, cut, copy, digit, insert)


def seed_files(folder: Path, only: list[str] | None = None) -> list[Path]:
    """Write a small file of every kind, and return them."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for kind, make in SEEDS.items():
        if only is None or kind.partition(".")[0] in only:
            made = make(folder)
            found += made if isinstance(made, list) else [made]
    return found


PLANES = np.random.default_rng(0).normal(500, 60, (3, 24, 28)).astype(np.uint16)


def tiffs(folder: Path) -> list[Path]:
    """Write TIFF files: flavours, byte orders, compressions, tiles, pyramids."""
    import tifffile

    imagej = {"imagej": True, "metadata": {"axes": "ZYX", "spacing": 2.0}}
    kinds = {
        "plain": {},
        "big": {"bigtiff": True, "byteorder": ">"},
        "imagej": {**imagej, "resolution": (4, 4)},
        "ome": {"ome": True, "metadata": {"axes": "ZYX", "PhysicalSizeX": 0.5}},
        "zlib": {"compression": "zlib", "predictor": True},
        "lzw": {"compression": "lzw", "rowsperstrip": 8},
        "j2k": {"compression": "jpeg2000", "tile": (16, 16)},
        "tiles": {"tile": (16, 16), "metadata": None, "resolution": (3, 3, 3)},
        "pages": {"metadata": None, "contiguous": False},
    }
    paths = []
    for name, options in kinds.items():
        paths.append(folder / f"{name}.tif")
        tifffile.imwrite(paths[-1], PLANES, **{"photometric": "minisblack", **options})
    return paths


def zarrs(folder: Path) -> list[Path]:
    """Write an OME-Zarr and plain arrays of both formats."""
    import zarr

    write_image(folder / "ome.zarr", ImageFile(PLANES, "ZYX"))
    paths = [folder / "ome.zarr"]
    for version in (2, 3):
        paths.append(folder / f"plain{version}.zarr")
        array = zarr.create_array(
            str(paths[-1]), shape=PLANES.shape, chunks=(1, 16, 16), dtype="uint16",
            zarr_format=version,
        )  # fmt: skip
        array[:] = PLANES
    return paths


def niftis(folder: Path) -> list[Path]:
    """Write NIfTI, packed and not."""
    paths = [folder / "a.nii", folder / "b.nii.gz"]
    for path in paths:
        write_image(path, ImageFile(PLANES.astype(np.float32), "ZYX"))
    return paths


def dicoms(folder: Path) -> list[Path]:
    """Write DICOM files: a slice, frames, packed as JPEG 2000 and by run lengths."""
    import pydicom
    from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

    paths = []
    for name, syntax, pixels in (
        ("slice", ExplicitVRLittleEndian, PLANES[0]),
        ("frames", ExplicitVRLittleEndian, PLANES),
        ("j2k", JPEG2000Lossless, PLANES[0]),
        ("rle", RLELossless, PLANES[0]),
    ):
        data = pydicom.Dataset()
        data.file_meta = pydicom.dataset.FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.SOPClassUID, data.SOPInstanceUID = pydicom.uid.CTImageStorage, "1.2.3"
        data.SeriesInstanceUID, data.InstanceNumber = "1.2", 1
        data.Rows, data.Columns = pixels.shape[-2:]
        if pixels.ndim > 2:
            data.NumberOfFrames = len(pixels)
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
        data.PixelRepresentation, data.PixelSpacing = 0, [0.5, 0.5]
        data.RescaleSlope, data.RescaleIntercept = 2, -1024
        data.PixelData = pixels.tobytes()
        data["PixelData"].VR = "OW"
        if syntax != ExplicitVRLittleEndian:
            with contextlib.suppress(Exception):
                if syntax == JPEG2000Lossless:
                    import imagecodecs

                    how = {"codecformat": "j2k", "reversible": True, "level": 0}
                    code = imagecodecs.jpeg2k_encode(pixels, **how)
                    data.PixelData = pydicom.encaps.encapsulate([code])
                    data.file_meta.TransferSyntaxUID = syntax
                    data["PixelData"].VR = "OB"
                else:
                    data.compress(syntax)
        paths.append(folder / f"{name}.dcm")
        data.save_as(paths[-1], enforce_file_format=True)
    return paths


def pictures(folder: Path) -> list[Path]:
    """Write PNG and JPEG."""
    from PIL import Image

    paths = [folder / "p8.png", folder / "p16.png", folder / "p.jpg"]
    Image.fromarray((PLANES[0] >> 2).astype(np.uint8)).save(paths[0])
    Image.fromarray(PLANES[0]).save(paths[1])
    colours = np.stack([(PLANES[0] >> 2).astype(np.uint8)] * 3, axis=-1)
    Image.fromarray(colours).save(paths[2])
    return paths


def records(folder: Path) -> list[Path]:
    """Write a batch of two files that is done, and one whose second file failed."""
    import tifffile

    paths = [folder / f"{name}{RECORDS}" for name in ("done", "failed")]
    for path in paths:
        (path / "images").mkdir(parents=True)
        for number in range(2):
            tifffile.imwrite(path / "images" / f"{number}.tif", PLANES[number])
        if path.stem == "failed":
            (path / "images" / "1.tif").write_bytes(b"no image")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            denoise_folder(path / "images", path / "results", **HOW)
    return paths


SEEDS: dict[str, Callable[[Path], list[Path]]] = {
    "tiff": tiffs, "zarr": zarrs, "nifti": niftis, "dicom": dicoms, "picture": pictures,
    "records": records,
}  # fmt: skip


if __name__ == "__main__":
    main()
