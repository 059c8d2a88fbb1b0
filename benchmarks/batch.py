"""What a folder costs besides its files, and what one adaptation for all gives.

Parts (all but `table` by default):
  once    twelve real micrographs (W2S): each adapted to by itself, against one
          adaptation for all; seconds and PSNR of both presets
  growth  peak memory and seconds after 5 and after 50 small files, in one process
  again   seconds of a second run that finds all results up to date, and how many files
          a second it looks at, of 2000 tiny ones
  table   10,000 files in the widget's table: what the main thread spends on filling it,
          on an update while it runs, on scrolling (needs a display)

Usage: python benchmarks/batch.py [PART ...]
"""

import argparse
import resource
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile

from cases import DATA, Case, scored
from napari_mpi.batch.outcomes import BatchSnapshot, BatchState, Outcome, Status
from napari_mpi.batch.request import BatchRequest, Folders
from napari_mpi.batch.work.run import run_batch
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.runtime import jobs
from napari_mpi.engine.settings.method import Method
from napari_mpi.engine.settings.presets import preset

ROWS, UPDATES = 10_000, 50


def main() -> None:
    """Print the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", default=["once", "growth", "again"])
    for part in parser.parse_args().parts:
        print(f"\n## {part}\n", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            PARTS[part](Path(folder))


def ran(request: BatchRequest) -> tuple[BatchState, float]:
    """Run a batch; return what became of the files, and the seconds."""
    begun = time.perf_counter()
    state = jobs.run(run_batch(request))
    return state, time.perf_counter() - begun


def asked(source: Path, output: Path, name: str, *, once: bool = False) -> BatchRequest:
    """Return a request for a folder."""
    method = Method(preset(name), "auto", "cpu")
    return BatchRequest(Folders(source, output), method, adapt_once=once)


def once(folder: Path) -> None:
    """Compare one adaptation for all files with one for each."""
    data = DATA / "w2s"
    source = folder / "images"
    source.mkdir()
    for path in sorted(data.glob("input_avg1_*.tif")):
        shutil.copy(path, source)
    print("| preset | adapted to | s, all | s, a file | PSNR, dB | worst, dB |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in ("blind-fast", "blind-auto"):
        reached = {}
        for shared in (False, True):
            output = folder / f"{name} {shared}"
            state, seconds = ran(asked(source, output, name, once=shared))
            reached[shared] = [
                quality_of(output, outcome) for outcome in state.outcomes
            ]
            each = statistics.median(outcome.seconds or 0 for outcome in state.outcomes)
            gains = np.subtract(reached[shared], reached[False])
            print(
                f"| {name} | {'all at once' if shared else 'each by itself'} |"
                f" {seconds:.1f} | {each:.2f} | {np.mean(reached[shared]):.2f} |"
                f" {gains.min():+.2f} |",
                flush=True,
            )


def quality_of(output: Path, outcome: Outcome) -> float:
    """Return the PSNR of a result; both were stretched, so the scale is fitted."""
    result = np.squeeze(read_image(output / outcome.output).array)
    name = outcome.file.replace("input_avg1", "target_avg400")
    clean = np.squeeze(read_image(DATA / "w2s" / name).array)
    case = Case("w2s", outcome.file, result, clean, "YX")
    return float(str(scored(case, result)["psnr"]))


def growth(folder: Path) -> None:
    """Print how memory and time grow with the number of files."""
    source = small_files(folder, 50, 128)
    peaks: dict[int, tuple[int, float]] = {}
    begun = time.perf_counter()

    def note(snapshot: BatchSnapshot) -> None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        peaks.setdefault(snapshot.totals.done, (peak, time.perf_counter() - begun))

    jobs.run(run_batch(asked(source, folder / "results", "blind-fast")), note)
    few, many = peaks[5], peaks[50]
    print(
        f"peak after 5 files {few[0] / 1024:.0f} MB, after 50 {many[0] / 1024:.0f} MB:"
        f" ratio {many[0] / few[0]:.3f}; seconds a file {few[1] / 5:.3f} and"
        f" {many[1] / 50:.3f}"
    )


def again(folder: Path) -> None:
    """Print what a run costs that has nothing to do."""
    source = small_files(folder, 50, 256)
    request = asked(source, folder / "results", "blind-fast")
    _, first = ran(request)
    state, second = ran(request)
    assert state.count(Status.SKIPPED) == 50
    print(f"50 files of 256 x 256: {first:.1f} s, then {second:.2f} s: ratio"
          f" {second / first:.4f}")  # fmt: skip
    tiny = small_files(folder / "many", 2000, 8)
    request = asked(tiny, folder / "tiny", "blind-fast")
    _, first = ran(request)
    state, second = ran(request)
    assert state.count(Status.SKIPPED) == 2000
    print(f"2000 files of 8 x 8: {first:.1f} s, then {second:.2f} s:"
          f" {2000 / second:.0f} files a second")  # fmt: skip


def small_files(folder: Path, count: int, side: int) -> Path:
    """Make a folder of small noisy images."""
    source = folder / "images"
    source.mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:side, :side]
    clean = 1000 + 500 * np.sin(rows / 9) * np.cos(columns / 13)
    for number in range(count):
        noisy = clean + rng.normal(0, 100, clean.shape)
        tifffile.imwrite(source / f"cell {number}.tif", noisy.astype(np.uint16))
    return source


def table(_: Path) -> None:
    """Print what 10,000 rows cost the main thread."""
    from qtpy.QtWidgets import QApplication

    from napari_mpi.widgets.batch.table import BatchTable

    application = QApplication.instance() or QApplication([])
    view = BatchTable()
    view.resize(440, 400)
    view.show()
    application.processEvents()
    outcomes = {n: Outcome(f"plate 3/cell {n}.tif", "") for n in range(ROWS)}
    print(f"filling: {spent(lambda: view.rows.take(outcomes)) * 1e3:.1f} ms")
    updates = []
    for number in range(UPDATES):
        done = Outcome(f"plate 3/cell {number}.tif", "", Status.DONE, seconds=2.0)
        next_ = Outcome(f"plate 3/cell {number + 1}.tif", "", Status.RUNNING)

        def update(
            number: int = number, done: Outcome = done, next_: Outcome = next_
        ) -> None:
            view.rows.take({number: done, number + 1: next_})
            view.follow(number + 1, 0.5)

        updates.append(spent(update))
    print(f"an update: median {statistics.median(updates) * 1e3:.2f} ms, most"
          f" {max(updates) * 1e3:.2f} ms")  # fmt: skip
    bar = view.verticalScrollBar()
    scrolls = [
        spent(lambda n=n: bar.setValue(bar.maximum() * n // UPDATES))
        for n in range(UPDATES)
    ]
    print(f"a jump of the scroll bar: median {statistics.median(scrolls) * 1e3:.2f} ms")
    failed = Outcome("plate 3/cell 5000.tif", "", Status.FAILED, "it is damaged")
    view.rows.take({5000: failed})
    print(f"only failed: {spent(lambda: view.show_only_failed(True)) * 1e3:.1f} ms")


def spent(action: object) -> float:
    """Return the seconds that an action takes with all that it makes Qt do."""
    from qtpy.QtWidgets import QApplication

    begun = time.perf_counter()
    action()  # type: ignore[operator]
    QApplication.instance().processEvents()
    return time.perf_counter() - begun


PARTS = {"once": once, "growth": growth, "again": again, "table": table}


if __name__ == "__main__":
    main()
