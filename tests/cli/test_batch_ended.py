"""`napari-mpi batch` as a process that is killed, ended, unheard, or long at work."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import tifffile
from skimage.io import imsave

from napari_mpi.cli.main import main

QUICK = ["--preset", "blind-fast", "--iterations", "2", "--device", "cpu"]
QUICK += ["--precision", "float32"]  # 'auto' may be measured anew by each process
PROGRAM = [sys.executable, "-m", "napari_mpi", "batch"]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.fixture
def source(tmp_path, rng):
    """Return a folder of images that can all be denoised."""
    folder = tmp_path / "images"
    (folder / "deep er").mkdir(parents=True)

    def noisy(*shape):
        return rng.normal(100, 10, shape).clip(0, 255)

    put = tifffile.imwrite
    put(folder / "cells 2.tif", noisy(20, 24).astype(np.uint8))
    put(folder / "cells 10.tif", (noisy(20, 24) * 100).astype(np.uint16), imagej=True,
        resolution=(4.0, 8.0), metadata={"axes": "YX", "unit": "um"})  # fmt: skip
    put(folder / "Zürich µm.tif", noisy(3, 20, 24).astype(np.uint16), imagej=True,
        metadata={"axes": "ZYX"})  # fmt: skip
    put(folder / "stained.tiff", noisy(20, 24, 3).astype(np.uint8), photometric="rgb")
    put(folder / "deep er" / "日本.tif", noisy(20, 24).astype(np.float32))
    imsave(folder / "photo.png", noisy(20, 24).astype(np.uint8))
    return folder


GOOD = {
    "cells 2.tif": "cells 2-denoised.tif",
    "cells 10.tif": "cells 10-denoised.tif",
    "Zürich µm.tif": "Zürich µm-denoised.tif",
    "stained.tiff": "stained-denoised.tiff",
    "deep er/日本.tif": "deep er/日本-denoised.tif",
    "photo.png": "photo-denoised.tif",
}


def batch(source, output, weights, *options):
    """Run the command in this process, quietly; return the exit status."""
    given = [str(source), str(output), "--recursive", "--weights", str(weights), "-q"]
    return main(["batch", *given, *QUICK, *map(str, options)])


def report(output):
    told = json.loads((output / "napari-mpi-report.json").read_text("utf-8"))
    return {entry["file"]: entry for entry in told["files"]}


def images(output):
    return {p.relative_to(output).as_posix() for p in output.rglob("*.tif*")}


def whole(output):
    """Return the results that have their name, and not what was being written."""
    return {name for name in images(output) if not name.startswith(".napari-mpi")}


LONG = ["--preset", "blind-full", "--iterations", "100000", "--device", "cpu"]


def wait_for_work(output, is_alive):
    while not list(output.rglob("*.work")):
        assert is_alive()
        time.sleep(0.02)


def require_interrupted(status, told, output):
    """Check what is told, and left, of a run that was ended in its first file."""
    assert status == 130, told
    assert "Traceback" not in told
    assert told.strip().splitlines()[-1].startswith("napari-mpi: interrupted, 5 not")
    assert {row["status"] for row in report(output).values()} == {"not reached"}
    assert not whole(output)


@pytest.fixture
def default_signals():
    """Ignore no signal, as a program that was just started; clean up afterwards."""

    def unhandled(number, _):
        raise AssertionError(f"nobody has handled signal {number}")

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [(number, signal.signal(number, unhandled)) for number in numbers]
    yield
    for pair in before:
        signal.signal(*pair)


MEASURED = """
import resource, sys
from pathlib import Path
import torch
from napari_mpi.batch.request import BatchRequest, Folders
from napari_mpi.batch.work.run import run_batch
from napari_mpi.engine.runtime import jobs
from napari_mpi.engine.settings.method import Method
from napari_mpi.engine.settings.presets import preset

torch.set_num_threads(1)
method = Method(preset("blind-fast", iterations=2), sys.argv[3], "cpu")
folders = Folders(Path(sys.argv[1]), Path(sys.argv[2]))
peaks = {}

def note(snapshot):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peaks.setdefault(snapshot.totals.done, peak)

jobs.run(run_batch(BatchRequest(folders, method)), note)
print(peaks[5], peaks[50])
"""


@POSIX
def test_a_killed_run_goes_on_to_the_very_same_results(source, weights, tmp_path):
    undisturbed, output = tmp_path / "undisturbed", tmp_path / "results"
    assert batch(source, undisturbed, weights) == 0
    given = [*QUICK, "--recursive", "--weights", str(weights)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # as in these tests
    killed = subprocess.Popen(
        [*PROGRAM, str(source), str(output), *given],
        env=environment, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while len(whole(output)) < 2:
        assert killed.poll() is None, "it was to be killed half-way"
        time.sleep(0.002)
    killed.kill()
    killed.wait()
    before = {name: (output / name).stat().st_mtime_ns for name in whole(output)}
    assert 2 <= len(before) < 6
    assert batch(source, output, weights) == 0
    told = report(output)
    skipped = {row["output"] for row in told.values() if row["status"] == "skipped"}
    assert skipped == set(before)
    for name in before:
        assert (output / name).stat().st_mtime_ns == before[name]
    assert images(output) == images(undisturbed)
    for name in GOOD.values():
        np.testing.assert_array_equal(
            tifffile.imread(output / name), tifffile.imread(undisturbed / name)
        )
    assert not list(output.rglob("*.work"))


@POSIX
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_whoever_ends_it_gets_a_report(
    source, weights, tmp_path, name, capsys, default_signals
):
    output = tmp_path / "results"
    runner = threading.main_thread()

    def end():
        wait_for_work(output, runner.is_alive)
        os.kill(os.getpid(), getattr(signal, name))

    killer = threading.Thread(target=end, daemon=True)
    killer.start()
    status = main(["batch", str(source), str(output), "--weights", str(weights), *LONG])
    killer.join()
    require_interrupted(status, capsys.readouterr().err, output)


@POSIX
def test_whoever_is_impatient_gets_a_report(source, weights, tmp_path, default_signals):
    output = tmp_path / "results"
    command = [*PROGRAM, str(source), str(output), "--weights", str(weights)]
    run = subprocess.Popen([*command, *LONG], stderr=subprocess.PIPE, text=True)
    wait_for_work(output, lambda: run.poll() is None)
    for _ in range(6):
        run.send_signal(signal.SIGINT)
        time.sleep(0.004)
    _, told = run.communicate(timeout=1800)
    require_interrupted(run.returncode, told, output)


@POSIX
def test_nobody_need_listen(source, weights, tmp_path):
    output = tmp_path / "results"
    given = [str(source), str(output), "--weights", str(weights), *QUICK]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*PROGRAM, *given], stderr=writing, check=False)
    os.close(writing)
    assert done.returncode == 0
    assert len(report(output)) == 5


@POSIX
@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_files(weights, tmp_path, rng):
    source = tmp_path / "images"
    source.mkdir()
    for number in range(50):
        image = rng.normal(1000, 100, (128, 128)).astype(np.uint16)
        tifffile.imwrite(source / f"{number}.tif", image)
    output = tmp_path / "results"
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, source, output, weights],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    few, many = map(int, done.stdout.split())
    assert many < 1.1 * few
