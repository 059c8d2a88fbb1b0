"""Series and volumes with known truth, as `neighbours.py` denoises them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cases import DATA, photograph
from napari_mpi.engine.files.formats import read_image

Stack = NDArray[np.floating]

SEED = 0
FRAMES, SIDE, STEP = 12, 192, 5  # of the series made from photographs
HEIGHT = 60.0  # grey levels, of a disc above what it covers
FLASH = 60.0  # grey levels


@dataclass(frozen=True)
class Scene:
    """A stack with its truth."""

    name: str
    clean: Stack
    noisy: Stack
    axes: str
    peak: float
    is_by_plane: bool = False  # mean of the planes' decibels, as FMD's table has it

    def psnr(self, image: Stack) -> float:
        """Return decibels of all planes."""
        squares = (image.astype(float) - self.clean) ** 2
        errors = squares.mean(axis=(-2, -1)) if self.is_by_plane else squares.mean()
        return float(np.mean(10 * np.log10(self.peak**2 / errors)))


def scenes() -> Iterator[Scene]:
    """Yield what the table is of."""
    for sigma in (0.05, 0.1, 0.2):
        yield noised(f"MR volume, {sigma:g}", volume("MR_Gd"), sigma)
    for sigma in (0.05, 0.1):
        yield noised(f"CT volume, {sigma:g}", volume("CT_AVM"), sigma)
    golgi = read_stack("neubias_xyz_calibrated_16bit__golgi_bfa.tif")
    yield noised("golgi, depth, 0.1", golgi, 0.1)
    cells = read_stack("neubias_xyzc_16bit__dna_conf_wf.tif")
    yield noised("nuclei, depth and channels, 0.1", cells, 0.1, "ZCYX")
    yield noised("still photograph, 0.1", moving(0), 0.1, "TYX")
    yield noised("photograph, 1 pixel a frame, 0.1", moving(1), 0.1, "TYX")
    yield noised("photograph, 5 pixels a frame, 0.1", moving(STEP), 0.1, "TYX")
    yield noised("a cut, 0.1", cut(), 0.1, "TYX")
    yield noised("independent photographs, 0.1", independent(), 0.1, "TYX")
    yield from fmd_series()


def noised(name: str, clean: Stack, sigma: float, axes: str = "ZYX") -> Scene:
    """Return a stack with white noise, a share of its range."""
    peak = float(np.ptp(clean))
    noise = np.random.default_rng(SEED).normal(0, sigma * peak, clean.shape)
    return Scene(name, clean, (clean + noise).astype(np.float32), axes, peak)


def volume(name: str) -> Stack:
    """Return the middle of a scan, 32 x 128 x 128."""
    whole = read_image(DATA / "medical" / f"{name}.nii.gz").array
    return middle(whole.transpose(2, 1, 0).astype(float), (32, 128, 128))


def middle(whole: Stack, shape: tuple[int, ...]) -> Stack:
    """Cut out the middle."""
    starts = [(have - want) // 2 for have, want in zip(whole.shape, shape, strict=True)]
    return whole[tuple(slice(s, s + n) for s, n in zip(starts, shape, strict=True))]


def read_stack(name: str) -> Stack:
    """Return a stack as it is; what it holds of noise counts for truth."""
    return np.asarray(read_image(DATA / "stacks" / name).array).astype(float)


def grey(name: str) -> Stack:
    """Return a photograph of 500 x 500 without noise."""
    case = photograph(name, grey=True, side=500, sigma=1, folder="kodak24")
    return case.clean.astype(float)


def moving(step: int) -> Stack:
    """Return frames of a photograph that goes by, so many pixels a frame."""
    photo = grey("kodim08")
    return np.stack(
        [photo[100 : 100 + SIDE, 100 + step * n :][:, :SIDE] for n in range(FRAMES)]
    )


def cut() -> Stack:
    """Return frames of one photograph, then of another."""
    half = FRAMES // 2
    names = ("kodim05",) * half + ("kodim13",) * half
    return np.stack([middle(grey(name), (SIDE, SIDE)) for name in names])


def independent() -> Stack:
    """Return photographs that have nothing in common."""
    names = [f"kodim{n:02d}" for n in range(1, FRAMES + 1)]
    return np.stack([middle(grey(name), (SIDE, SIDE)) for name in names])


def fmd_series() -> Iterator[Scene]:
    """Yield FMD's test set as twelve series of four frames of one field of view."""
    folder = DATA / "fmd48"
    names = {path.stem.rpartition("_")[0] for path in (folder / "raw").iterdir()}
    for name in sorted(names):
        files = [f"{name}_{n}.png" for n in range(1, 5)]
        noisy, clean = (
            np.stack([read_image(folder / kind / file).array for file in files])
            for kind in ("raw", "gt")
        )
        yield Scene(f"FMD {name}", clean.astype(float), noisy, "TYX", 255, True)


def jumping_disc() -> tuple[Stack, NDArray[np.bool_]]:
    """Return frames of a photograph with a disc that jumps, and where it is."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    rng = np.random.default_rng(SEED)
    places = rng.integers(20, SIDE - 20, (FRAMES, 2))
    disc = np.stack([(rows - y) ** 2 + (columns - x) ** 2 < 12**2 for y, x in places])
    return moving(0) + HEIGHT * disc, disc


def blinking() -> tuple[Stack, dict[int, NDArray[np.bool_]]]:
    """Return frames that bleach, in one of which discs flash; and the discs."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    places = {3: (40, 40), 6: (40, 140), 12: (140, 40), 24: (130, 130)}
    cells = {
        radius: (rows - y) ** 2 + (columns - x) ** 2 < radius**2
        for radius, (y, x) in places.items()
    }
    clean = moving(0) * (0.97 ** np.arange(FRAMES))[:, None, None]
    clean[FRAMES // 2] += FLASH * np.logical_or.reduce(list(cells.values()))
    return clean, cells
