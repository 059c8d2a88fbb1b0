"""The quality frontier: PSNR and SSIM against seconds, ours beside other methods.

Named images with fixed seeds, the middle 256 x 256 of each; all methods in one process
on one machine, image by image, so that their seconds may be compared with each other.
Noise2Void alone runs in a process and environment of its own, since what CAREamics
needs doesn't go with ours; its imports are not timed.

No method is told the noise, or sees the clean image. What is not run is in the table
with a note. Rows that the file holds already are not measured again. Needs
`pip install --group benchmarks`, and for Noise2Void a Python that has CAREamics 0.3.

Usage: python benchmarks/frontier.py [--csv FILE] [--images NAME ...]
           [--methods NAME ...] [--side 256] [--seconds 50] [--paper-iterations 100]
           [--paper-full] [--careamics-python PYTHON] [--epochs 60]
       python benchmarks/frontier.py --picture docs/frontier.png [--csv FILE]
       python benchmarks/frontier.py --table [--csv FILE]
"""

import argparse
import csv
import dataclasses
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import tables
from cases import DATA, SEED, Case, middle, photograph, scored
from methods import classic as classics
from methods import picture, self_supervised
from napari_mpi import denoise
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.noise import laws
from napari_mpi.engine.settings.presets import preset
from studies.pretrained import measured, start_of

FIELDS = ("group", "image", "method", "budget", "psnr", "ssim", "seconds", "note")
SIDE = 256
KODAK = ("kodim19", "kodim23")  # neither is in cset9
POISSON = "cset9 grey, Poisson"
COUNTED = ("fmd", "w2s", POISSON)  # groups whose noise grows with intensity
OURS: dict[str, dict[str, object]] = {
    "first look": {"preset": "blind-fast", "learning_rate": 0.0},
    "auto-fast": {"preset": "auto-fast"},
    "auto": {"preset": "auto"},
    "auto-full": {"preset": "auto-full"},
}
PAPER_AT = (10, 25, 50, 100, 200)
PAPER_FULL = 1000
N2V_LIMIT = 900  # seconds, after which CAREamics is given up

Row = dict[str, object]


@dataclass(frozen=True)
class Options:
    """What may be chosen about the methods."""

    seconds: float = 50
    paper_iterations: int = 100
    paper_full: bool = False
    careamics: Path | None = None
    epochs: int = 60


def main() -> None:
    """Measure and write, or show what was written."""
    options = _parsed()
    if options.picture is not None:
        picture.draw(_written(options.csv), options.picture)
    elif options.table:
        picture.print_table(_written(options.csv))
    else:
        found = rows(options)
        tables.write(options.csv, FIELDS, found)


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--csv", type=Path, default=Path("docs/frontier.csv"))
    parser.add_argument("--images", nargs="+", help="names of images or groups")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=[*METHODS])
    parser.add_argument("--side", type=int, default=SIDE, help="of the crops")
    parser.add_argument("--seconds", type=float, default=Options.seconds,
                        help="for Deep Image Prior, and for ZS-N2N")  # fmt: skip
    parser.add_argument("--paper-iterations", type=int, choices=PAPER_AT,
                        default=Options.paper_iterations)  # fmt: skip
    parser.add_argument("--paper-full", action="store_true")
    parser.add_argument("--careamics-python", type=Path, dest="careamics")
    parser.add_argument("--epochs", type=int, default=Options.epochs)
    parser.add_argument("--picture", type=Path, help="draw the file")
    parser.add_argument("--table", action="store_true", help="print the file")
    return parser.parse_args()


def _written(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def rows(chosen: argparse.Namespace) -> Iterator[Row]:
    """Yield what the file does not hold yet."""
    fields = [field.name for field in dataclasses.fields(Options)]
    options = Options(**{name: getattr(chosen, name) for name in fields})
    there = {_key(line): line["psnr"] != "" for line in _written(chosen.csv)}
    warm_up(chosen.methods)
    for case in cases(chosen.side):
        if chosen.images and not {case.group, case.name} & set(chosen.images):
            continue
        yield from _new(iter([result(case, "noisy", "", case.noisy, 0.0)]), there)
        for name in chosen.methods:
            if not is_done(case, name, options, there):
                yield from _new(METHODS[name](case, options), there)


def _key(line: dict[str, str] | Row) -> tuple[str, ...]:
    return tuple(str(line[field]) for field in FIELDS[:4])


def _new(found: Iterator[Row], there: dict[tuple[str, ...], bool]) -> Iterator[Row]:
    """Leave out what was measured before, or not run then and now."""
    for line in found:
        figures = there.get(_key(line))
        if figures is None or (not figures and line["psnr"] != ""):
            yield line


def is_done(
    case: Case, method: str, options: Options, there: dict[tuple[str, ...], bool]
) -> bool:
    """Return whether all of a method's rows are there, or need not be tried again."""
    mine = {
        key[3]: figures
        for key, figures in there.items()
        if key[:3] == (case.group, case.name, method)
    }
    if method == "Noise2Void" and options.careamics:
        return any(mine.values())
    if method == "paper":
        wanted = [str(at) for at in PAPER_AT if at <= options.paper_iterations]
        wanted += [_full_label()] if options.paper_full else []
        return all(mine.get(budget, False) for budget in wanted)
    if method == "ours":
        return all(mine.get(budget, False) for budget in OURS)
    return bool(mine) and mine.keys() >= set(map(str, MARKS.get(method, ())))


MARKS: dict[str, tuple[object, ...]] = {
    "Deep Image Prior": (*self_supervised.DIP_AT, "published"),
    "ZS-N2N": self_supervised.ZS_AT,
}


def warm_up(methods: list[str]) -> None:
    """Let every method import and load what it needs, untimed."""
    small = photograph("House", grey=True, side=64)
    for name in {*methods} & {*CLASSIC}:
        CLASSIC[name](small.noisy.astype(np.float32))
    if "ours" in methods:
        for colour in (False, True):
            case = photograph("House", grey=not colour, side=64)
            denoise(case.noisy, case.axes, preset="auto-fast", device="cpu")


def cases(side: int = SIDE) -> Iterator[Case]:
    """Yield the images: photographs with noise that was added, then real ones."""
    for name in ("kodim03", "House"):
        yield photograph(name, grey=True, side=side)
    yield counted("House", side)
    yield photograph("Baboon", grey=False, side=side)
    for name in KODAK:
        yield photograph(name, grey=False, side=side, folder="kodak24")
    yield photograph(KODAK[1], grey=False, side=side, sigma=50,
                                folder="kodak24")  # fmt: skip
    for path in sorted((DATA / "fmd" / "raw").iterdir()):
        yield real("fmd", path.stem, path, DATA / "fmd" / "gt" / path.name, side)
    for channel in (0, 2):
        noisy, clean = (
            DATA / "w2s" / f"{kind}_081_{channel}.tif"
            for kind in ("input_avg1", "target_avg400")
        )
        yield real("w2s", f"081_{channel}", noisy, clean, side)
    oct_folder = DATA / "medical" / "oct"
    yield real(
        "oct", "1", oct_folder / "1_test.tif", oct_folder / "1_average.tif", side
    )


def counted(name: str, side: int) -> Case:
    """Return a photograph with Poisson noise of 4 grey levels a photon."""
    case = photograph(name, grey=True, side=side)
    rng = np.random.default_rng(SEED)
    noisy = laws.Poisson(4).noisy(case.clean.astype(float), rng=rng)
    return dataclasses.replace(case, group=POISSON, noisy=noisy.astype(np.float32))


def real(group: str, name: str, noisy: Path, clean: Path, side: int) -> Case:
    """Return the middle of what an instrument gave."""
    arrays = (read_image(path).array for path in (noisy, clean))
    return middle(group, name, *arrays, side)


def result(
    case: Case,
    method: str,
    budget: object,
    image: np.ndarray,
    seconds: float,
    note: str = "",
) -> Row:
    """Return a row of the table."""
    found: Row = dict.fromkeys(FIELDS) | scored(case, image)
    return found | {
        "method": method,
        "budget": budget,
        "seconds": round(seconds, 2),
        "note": note,
    }


def not_run(case: Case, method: str, budget: object, why: str) -> Row:
    """Return a row without figures."""
    named = {"group": case.group, "image": case.name, "method": method}
    empty = {"psnr": "", "ssim": "", "seconds": ""}
    return named | {"budget": budget, **empty, "note": f"not run: {why}"}


def ours(case: Case, options: Options) -> Iterator[Row]:
    """Yield the weights that ship, at several budgets."""
    for budget, settings in OURS.items():
        begun = time.perf_counter()
        image = denoise(case.noisy, case.axes, device="cpu", **settings)
        seconds = time.perf_counter() - begun
        yield result(case, "ours", budget, np.asarray(image), seconds)


def paper(case: Case, options: Options) -> Iterator[Row]:
    """Yield the paper's network, weights and settings, from one run of 'fast'."""
    weights, config = start_of(case, "authors", options.paper_iterations)
    marks = tuple(at for at in PAPER_AT if at <= options.paper_iterations)
    seconds = 0.0
    for line in measured(case, "paper", weights, config, marks):
        seconds = float(str(line["seconds"]))
        yield _of_paper(line)
    each = seconds / marks[-1]
    for at in PAPER_AT[len(marks) :]:
        yield not_run(case, "paper", at, f"about {each * at:.0f} s")
    if not options.paper_full:
        why = f"about {each * PAPER_FULL:.0f} s"
        yield not_run(case, "paper", _full_label(), why)
        return
    is_photograph = case.group.startswith(("cset9", "kodak24"))
    name = "independent-full" if is_photograph else "real-full"
    full = preset(name, iterations=PAPER_FULL)
    for line in measured(case, "paper", weights, full, (PAPER_FULL,)):
        yield _of_paper(line) | {"budget": _full_label()}


def _of_paper(line: Row) -> Row:
    kept = {field: line[field] for field in ("group", "image", "psnr", "ssim")}
    return kept | {
        "method": "paper",
        "budget": line["iterations"],
        "seconds": line["seconds"],
        "note": "",
    }


def _full_label() -> str:
    return f"full, {PAPER_FULL}"


def classic(name: str) -> Callable[[Case, Options], Iterator[Row]]:
    """Return a method that has no budgets."""

    def method(case: Case, options: Options) -> Iterator[Row]:
        if name == "BM3D, stabilised" and case.group not in COUNTED:
            return
        begun = time.perf_counter()
        image = CLASSIC[name](case.noisy.astype(np.float32))
        yield result(case, name, "", image, time.perf_counter() - begun)

    return method


def learning(
    name: str, run: Callable[..., Iterator[self_supervised.Reading]]
) -> Callable[[Case, Options], Iterator[Row]]:
    """Return a method that is read at iterations, while there is time."""

    def method(case: Case, options: Options) -> Iterator[Row]:
        done, seconds = 0, 0.0
        for done, image, seconds in run(case.noisy, options.seconds):
            yield result(case, name, done, image, seconds)
        for at in MARKS[name]:
            if isinstance(at, int) and at > done:
                why = f"about {seconds / done * at:.0f} s"
                yield not_run(case, name, at, why)
        if "published" in MARKS[name]:
            there = self_supervised.seconds_of_published_prior(case.noisy)
            yield not_run(case, name, "published", PUBLISHED.format(there))

    return method


PUBLISHED = "3000 iterations with 128 features, about {:.0f} s"


def noise2void(case: Case, options: Options) -> Iterator[Row]:
    """Yield Noise2Void of CAREamics, by the Python that has it."""
    name, budget = "Noise2Void", f"{options.epochs} epochs"
    if options.careamics is None:
        yield not_run(case, name, budget, "no --careamics-python")
        return
    with tempfile.TemporaryDirectory() as folder:
        noisy, out = Path(folder) / "noisy.npy", Path(folder) / "denoised.npy"
        np.save(noisy, case.noisy.astype(np.float32))
        script = Path(__file__).resolve().with_name("methods") / "n2v.py"
        command = [
            options.careamics.absolute(),
            script,
            noisy,
            out,
            str(options.epochs),
        ]
        try:
            ran = subprocess.run(command, capture_output=True, text=True, check=True,
                                 timeout=N2V_LIMIT, cwd=folder)  # fmt: skip
        except (subprocess.SubprocessError, OSError) as error:
            why = (getattr(error, "stderr", None) or str(error)).strip()
            yield not_run(case, name, budget, str(why).splitlines()[-1])
            return
        told = json.loads(ran.stdout.splitlines()[-1])
        note = f"CAREamics {told['version']}, a process of its own"
        yield result(case, name, budget, np.load(out), told["seconds"], note)


CLASSIC: dict[str, classics.Method] = {
    "non-local means": classics.non_local_means,
    "wavelet": classics.wavelet,
    "total variation": classics.total_variation,
    "BM3D": classics.bm3d,
    "BM3D, stabilised": classics.bm3d_stabilised,
}
METHODS: dict[str, Callable[[Case, Options], Iterator[Row]]] = {
    "ours": ours,
    "paper": paper,
    **{name: classic(name) for name in CLASSIC},
    "Noise2Void": noise2void,
    "Deep Image Prior": learning("Deep Image Prior", self_supervised.deep_image_prior),
    "ZS-N2N": learning("ZS-N2N", self_supervised.zero_shot_noise2noise),
}


if __name__ == "__main__":
    main()
