"""The images that benchmarks measure on: noisy, with their clean partners.

They are found in the folder that NAPARI_MPI_DATA names (../shared if it is not set).
"""

import dataclasses
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.images.quality import quality
from napari_mpi.engine.noise.laws import NoiseLaw

SHARED = Path(os.environ.get("NAPARI_MPI_DATA", "../shared"))
DATA = SHARED / "data" / "eval"
CHECKPOINTS = SHARED / "weights"
SIDE, SIGMA, SEED = 192, 25, 0
CSET = ("House", "Baboon", "kodim03")


@dataclass(frozen=True)
class Case:
    """One noisy image and its clean partner."""

    group: str
    name: str
    noisy: NDArray[np.generic]
    clean: NDArray[np.generic]
    axes: str

    @property
    def is_colour(self) -> bool:
        """Whether its last axis is of colours."""
        return "S" in self.axes


def in_groups(cases: Iterable[Case], groups: list[str] | None) -> Iterator[Case]:
    """Leave out the cases of other groups than those named; none if None."""
    return (case for case in cases if not groups or case.group in groups)


def subset(side: int = SIDE) -> Iterator[Case]:
    """Yield a few of all kinds: photographs with noise, then what instruments gave."""
    for grey in (True, False):
        for name in CSET:
            yield photograph(name, grey=grey, side=side)
    yield from fmd(side)
    for channel in range(3):
        yield w2s_pair(DATA / "w2s" / f"input_avg1_081_{channel}.tif", side)
    yield oct_scan(DATA / "medical" / "oct" / "1_test.tif", side)


def cset_names() -> list[str]:
    """Return the names of the photographs of cset9."""
    return sorted(path.stem for path in (DATA / "cset9").glob("*.png"))


def fmd(side: int, folder: str = "fmd") -> Iterator[Case]:
    """Yield pairs of the fluorescence microscopy set."""
    for path in sorted((DATA / folder / "raw").iterdir()):
        clean = read_image(DATA / folder / "gt" / path.name).array
        yield middle(folder, path.stem, read_image(path).array, clean, side)


def w2s(side: int) -> Iterator[Case]:
    """Yield the pairs of the widefield set that are one frame and 400 averaged."""
    for path in sorted((DATA / "w2s").glob("input_avg1_*")):
        yield w2s_pair(path, side)


def w2s_pair(path: Path, side: int) -> Case:
    """Return the pair of a noisy file."""
    target = path.with_name(path.name.replace("input_avg1", "target_avg400"))
    noisy, clean = read_image(path).array, read_image(target).array
    return middle("w2s", path.stem[-5:], noisy, clean, side)


def oct_scans(side: int) -> Iterator[Case]:
    """Yield retinal scans, with the averages of many."""
    for path in sorted((DATA / "medical" / "oct").glob("*_test.tif")):
        yield oct_scan(path, side)


def oct_scan(path: Path, side: int) -> Case:
    """Return the pair of a noisy scan."""
    target = path.with_name(path.name.replace("test", "average"))
    noisy, clean = read_image(path).array, read_image(target).array
    return middle("oct", path.stem[0], noisy, clean, side)


def photograph(
    name: str,
    *,
    grey: bool,
    side: int = SIDE,
    sigma: float | None = None,
    folder: str = "cset9",
) -> Case:
    """Return a photograph with Gaussian noise, unclipped as in the paper.

    Its group tells a sigma that was asked for; it is 25 otherwise.
    """
    clean = read_image(DATA / folder / f"{name}.png").array[..., :3]
    if grey:
        clean = np.rint(clean @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    group = f"{folder} {'grey' if grey else 'colour'}"
    group += "" if sigma is None else f", sigma {sigma:g}"
    case = middle(group, name, clean, clean, side)
    noise = np.random.default_rng(SEED).normal(0, sigma or SIGMA, case.clean.shape)
    return dataclasses.replace(case, noisy=(case.clean + noise).astype(np.float32))


def under(case: Case, law: NoiseLaw, group: str) -> Case:
    """Return the clean image of a case under a law of noise, as one of a group."""
    rng = np.random.default_rng(SEED)
    noisy = law.noisy(case.clean.astype(float), rng=rng).astype(np.float32)
    return dataclasses.replace(case, group=group, noisy=noisy)


def middle(
    group: str,
    name: str,
    noisy: NDArray[np.generic],
    clean: NDArray[np.generic],
    side: int,
) -> Case:
    """Cut the middle out of both."""
    noisy, clean = np.squeeze(noisy), np.squeeze(clean)
    top, left = (max(0, (size - side) // 2) for size in clean.shape[:2])
    inside = (slice(top, top + side), slice(left, left + side))
    axes = "YXS" if clean.ndim == 3 else "YX"
    return Case(group, name, noisy[inside], clean[inside], axes)


def scored(case: Case, image: NDArray[np.generic]) -> dict[str, object]:
    """Return group, image, PSNR and SSIM of an image, for a range of 0 to 255.

    Noisy and clean of W2S were stretched apart, so that those are fitted first.
    """
    values = image.astype(np.float64)
    if case.group == "w2s":
        values = fitted(values, case.clean)
    layout = ImageAxes(case.axes, case.clean.shape)
    reached = quality(values.clip(0, 255), case.clean, layout, data_range=255)
    return {
        "group": case.group,
        "image": case.name,
        "psnr": round(reached.psnr, 2),
        "ssim": round(reached.ssim, 3),
    }


def fitted(
    image: NDArray[np.generic], clean: NDArray[np.generic]
) -> NDArray[np.float64]:
    """Return an image with the scale and offset that bring it closest to the clean."""
    values = image.astype(float)
    scale, offset = np.polyfit(values.ravel(), clean.ravel().astype(float), 1)
    return np.asarray(scale * values + offset)
