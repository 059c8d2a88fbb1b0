"""Whether results are the same bit for bit as another version's: sha256 of the pixels.

A plane, a stack and a colour image (drawn, 16 and 8 bits), with settings of every kind,
and a folder of the first two on the command line. Compare the lines of two versions on
one machine; it takes the numbers of threads and the precision of the processor from the
environment, on which results depend.

Usage: OMP_NUM_THREADS=1 python benchmarks/same_bytes.py
"""

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_mpi import denoise

Array = NDArray[np.generic]
WAYS = {
    "auto-fast": {"preset": "auto-fast"},
    "auto": {"preset": "auto", "iterations": 24},
    "blind-fast": {"preset": "blind-fast"},
    "independent-fast": {
        "preset": "independent-fast", "iterations": 3, "weights": "none"
    },
}  # fmt: skip


def main() -> None:
    """Print a line for every image, then the folder's."""
    images = {"YX": plane(), "ZYX": stack(), "YXS": colour()}
    print("| axes |", " | ".join(WAYS), "|\n" + "| --- " * (1 + len(WAYS)) + "|")
    for axes, image in images.items():
        found = (denoise(image, axes, device="cpu", **how) for how in WAYS.values())
        print(f"| {axes} |", " | ".join(map(digest, found)), "|", flush=True)
    print("batch:", ", ".join(of_folder(images)))


def plane() -> Array:
    """Return waves under photon noise."""
    y, x = np.mgrid[:160, :144]
    clean = 300 * (2 + np.sin(y / 9) + np.cos(x / 5))
    return np.random.default_rng(0).poisson(clean).astype(np.uint16)


def stack() -> Array:
    """Return four planes of the waves, moved."""
    rng = np.random.default_rng(1)
    planes = [np.roll(plane(), 5 * n, axis=1) for n in range(4)]
    return np.stack([rng.poisson(image) for image in planes]).astype(np.uint16)


def colour() -> Array:
    """Return the waves in three colours under Gaussian noise."""
    grey = plane()[:96, :96] / 8
    clean = np.stack([grey, grey[::-1], grey[:, ::-1]], axis=-1)
    noisy = clean + np.random.default_rng(2).normal(0, 12, clean.shape)
    return noisy.clip(0, 255).astype(np.uint8)


def of_folder(images: dict[str, Array]) -> list[str]:
    """Denoise a folder by the command line, once each and adapted once."""
    found = []
    for more in ([], ["--adapt-once"]):
        with tempfile.TemporaryDirectory() as folder:
            source, output = Path(folder) / "in", Path(folder) / "out"
            source.mkdir()
            for axes in ("YX", "ZYX"):
                meta = {"axes": axes}
                tifffile.imwrite(
                    source / f"{axes}.ome.tif", images[axes], metadata=meta
                )
            command = ["-m", "napari_mpi", "batch", str(source), str(output), "-q"]
            how = ["--preset", "blind-fast", "--device", "cpu", *more]
            subprocess.run([sys.executable, *command, *how], check=True)
            files = sorted(output.glob("*.tif"))
            found += [digest(tifffile.imread(path)) for path in files]
    return found


def digest(image: Array) -> str:
    """Return the first digits of the sha256 of the pixels."""
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()[:16]


if __name__ == "__main__":
    main()
