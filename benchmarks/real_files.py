"""Files that went wrong once: PSNR, what comes back as it was, and what is said.

`python benchmarks/real_files.py MAKE.py [NAME ...]`, where MAKE.py makes small files,
each with an oddity that people reported in public, and knows the truth. Each is
denoised with default settings, as the command line does, and compared with the truth
where its pixels hold a measurement; the first two rows are images without any oddity.
"""

import argparse
import importlib.util
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from napari_mpi import denoise_file, errors, read_image

RANGE = 900  # of the truth, 100 to 1000


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("make", type=Path)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        made = _module(options.make, Path(folder))
        _plain(made)
        print("| file | noisy, dB | denoised, dB | kept | said |")
        print("| --- | --- | --- | --- | --- |")
        for name in options.names or ["plain_plane", "plain_stack", *made.ALL]:
            made.ALL.get(name, lambda: None)()
            print(_row(made, name, Path(folder)), flush=True)


def _module(path: Path, folder: Path) -> Any:
    """Load what makes the files, which takes its folder from the command line."""
    kept, sys.argv = sys.argv, [str(path), "-o", str(folder)]
    spec = importlib.util.spec_from_file_location("made", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.argv = kept
    return module


def _plain(made: Any) -> None:
    made.tif("plain_plane.tif", made.u2(made.noisy()))
    made.tif("plain_stack.tif", made.u2(made.stack()), metadata={"axes": "ZYX"})


def _row(made: Any, name: str, folder: Path) -> str:
    (path,) = (p for p in folder.iterdir() if p.name.partition(".")[0] == name)
    if path.name.startswith("ome_"):
        path = min(path.glob("*.tif"))
    try:
        source = read_image(path)
        result = folder / f"{name}-result.tif"
        notes = denoise_file(path, result, device="cpu").notes
        after = read_image(result)
    except errors.EngineError as error:
        return f"| {name} | | | | refused: {str(error).replace(str(folder), '')} |"
    noisy, found = (np.asarray(a, np.float64) for a in (source.array, after.array))
    found = found.reshape(noisy.shape)
    truth = _truth(made, name, noisy.shape)
    told = "; ".join(notes)
    if truth is None:
        return f"| {name} | | | | {told} |"
    clean, known, to_truth = truth
    before = _psnr(to_truth(noisy), clean, known)
    psnr = _psnr(to_truth(found), clean, known)
    same = (noisy == found) | np.isnan(noisy)
    kept = f"{100 * same[~known].mean():.0f} %" if (~known).any() else ""
    return f"| {name} | {before:.1f} | {psnr:.1f} | {kept} | {told} |"


def _truth(made: Any, name: str, shape: tuple[int, ...]) -> Any:
    """Return truth, the pixels to compare, and what turns values into its units."""
    known = np.ones(shape, bool)
    same = _as_they_are
    plane, stack = made.clean(), made.cstack()
    match name:
        case "const_emptyplane" | "ome_missingfile":
            known[3] = False
            return stack, known, same
        case "const_roundfov":
            return plane, made.disc(128, 50), same
        case "const_saturated":
            cap = np.quantile(made.noisy(), 0.8)
            return np.minimum(plane, cap), made.noisy() < np.floor(cap), same
        case "range_hotclusters":
            return plane, made.hot(made.noisy(), 6, 2) < 65535, same
        case "range_scalebar":
            known[118:122, 70:120] = False
            return plane, known, same
        case "range_-9999" | "range_fltmax":
            known[:12] = False
            return plane, known, same
        case "range_subnormal":
            return plane, known, lambda x: x * 1e42
        case "dicom_padding":
            known[:] = made.disc(64, 30)
            return stack[:5], known, same
        case "dicom_pet":
            slopes = 20 * 3.0 ** np.arange(5)[:, None, None] / 20
            return stack[:5], known, lambda x: x / (slopes if x.max() > 40000 else 20)
        case "grey_as_rgb" | "png_animated" | "jpeg_exif6" | "tiff_miniswhite":
            return _eight_bits(made, name, shape)
        case "png_huge" | "png_rgb16" | "tiff_qqyx":
            return None
        case _:
            whole = plane if len(shape) == 2 and shape[0] > 64 else made.clean(64)
            if len(shape) == 3:
                whole = stack[: shape[0]]
            if name == "tiff_stale_shape":
                whole = plane[:64, :96]
            return whole, known, same


def _eight_bits(made: Any, name: str, shape: tuple[int, ...]) -> Any:
    truth = {
        "grey_as_rgb": made.clean()[..., None],
        "png_animated": made.cstack()[:3],
        "jpeg_exif6": np.rot90(made.clean()[:64], -1)[..., None],
        "tiff_miniswhite": 1020 - made.clean(),
    }[name]
    return np.broadcast_to(truth, shape), np.ones(shape, bool), lambda x: 4 * x


def _as_they_are(values: Any) -> Any:
    return values


def _psnr(values: Any, clean: Any, known: Any) -> float:
    error = np.mean((values - clean)[known] ** 2)
    return float(10 * np.log10(RANGE**2 / error))


if __name__ == "__main__":
    main()
