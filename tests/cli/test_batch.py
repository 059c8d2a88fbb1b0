"""The command `napari-mpi batch`: a night of files, whatever they are."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from skimage.io import imsave

from napari_mpi.cli.main import main
from napari_mpi.engine.files.formats import read_image

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


def add_bad_files(source):
    """Put files into a folder that cannot be denoised; return their names."""
    good = (source / "cells 10.tif").read_bytes()
    (source / "corrupt.tif").write_bytes(good[: len(good) // 3])
    (source / "text.tif").write_text("not an image")
    (source / "empty.tif").touch()
    (source / "secret.tif").write_bytes(good)
    (source / "secret.tif").chmod(0)
    (source / "loop.tif").symlink_to(source / "loop.tif")
    (source / "deep er" / "same.tif").write_bytes(good)
    shutil.copy(source / "photo.png", source / "deep er" / "same.png")
    image = np.full((20, 24), np.nan, np.float32)
    tifffile.imwrite(source / "nan.tif", image)
    return {"corrupt.tif", "text.tif", "empty.tif", "secret.tif", "loop.tif",
            "deep er/same.tif", "deep er/same.png", "nan.tif"}  # fmt: skip


def without_privileges(command):
    """Return the command for one whom permissions bind, which they don't root."""
    if os.geteuid() != 0:
        return command
    if shutil.which("setpriv") is None:
        pytest.skip("root reads every file, and there is no setpriv to be less")
    return ["setpriv", "--bounding-set=-all", *command]


def test_good_files_are_done_as_they_are_kept(source, weights, tmp_path, capsys):
    output = tmp_path / "results"
    assert batch(source, output, weights) == 0
    assert capsys.readouterr() == ("", "")
    assert images(output) == set(GOOD.values())
    for name, result in GOOD.items():
        before, after = read_image(source / name), read_image(output / result)
        assert after.array.dtype == before.array.dtype
        assert after.array.shape == before.array.shape
        assert after.axes == before.axes
        assert not np.array_equal(after.array, before.array)
    calibrated = read_image(output / "cells 10-denoised.tif").calibration.steps
    assert calibrated["X"] == (0.25, "um")


@POSIX
def test_bad_files_are_told_in_one_sentence_each_and_stop_nothing(
    source, weights, tmp_path
):
    bad = add_bad_files(source)
    (source / "notes.txt").write_text("read me")
    (source / "deep er" / "back").symlink_to(source)
    output = tmp_path / "results"
    command = [*PROGRAM, source, output, "--recursive", "--weights", weights, *QUICK]
    done = subprocess.run(
        without_privileges([str(word) for word in command]),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert (
        done.stderr.strip()
        .splitlines()[-1]
        .startswith("napari-mpi: 6 done, 2 skipped, 8 failed: see ")
    )
    told = report(output)
    assert {n for n, row in told.items() if row["status"] == "failed"} == bad
    assert {n for n, row in told.items() if row["status"] == "done"} == set(GOOD)
    assert {n for n, row in told.items() if row["status"] == "skipped"} == {
        "notes.txt", "deep er/back",
    }  # fmt: skip
    assert images(output) == set(GOOD.values())
    for name in bad:
        assert f"failed   {name}: {told[name]['message']}\n" in done.stderr
    for name, words in {
        "corrupt.tif": "damaged",
        "empty.tif": "0 bytes",
        "secret.tif": "permission denied",
        "loop.tif": "symbolic links",
        "deep er/same.tif": "same name as that of 'deep er/same.png'",
        "nan.tif": "NaN",
    }.items():
        assert words in told[name]["message"]
        assert "\n" not in told[name]["message"]
    assert not [p for p in output.rglob("*") if ".part" in p.name]


@POSIX
def test_a_dry_run_spells_out_what_cannot_be_written(source, weights, tmp_path):
    (source / "two\nlines.txt").write_text("x")
    given = [str(source), str(tmp_path / "out"), "--weights", str(weights)]
    done = subprocess.run(
        [*PROGRAM, *given, "--recursive", "--dry-run"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "to do    Z\\xfcrich \\xb5m.tif\n" in done.stdout
    assert "skipped  two\\nlines.txt: it is no image" in done.stdout


def test_a_dry_run_tells_the_plan_and_does_nothing(source, weights, tmp_path, capsys):
    (source / "notes.txt").write_text("read me")
    output = tmp_path / "results"
    assert batch(source, output, weights, "--dry-run") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "to do    cells 2.tif"
    assert lines[1] == "to do    cells 10.tif"
    assert "skipped  notes.txt: it is no image of a kind that is read" in lines
    assert not output.exists()
    batch(source, output, weights, "--pattern", "cells*")
    assert batch(source, output, weights, "--dry-run") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "skipped  cells 2.tif: up to date"
    assert "to do    photo.png" in lines


def test_a_second_run_says_what_it_skips(source, weights, tmp_path, capsys):
    output = tmp_path / "results"
    given = ["batch", str(source), str(output), "--weights", str(weights), *QUICK]
    assert main(given) == 0
    first = capsys.readouterr().err
    assert "done     cells 2.tif, " in first
    assert "5 done" in first
    assert main(given) == 0
    second = capsys.readouterr().err
    assert "skipped  5 files: up to date" in second
    assert "batch    5 skipped" in second


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (["--preset", "bland-fast"], 2, "invalid choice"),
        (["--iterations", "0"], 2, "iterations"),
        (["--suffix", "a/b"], 2, "suffix"),
        (["--overwrite", "--retry-failed"], 2, "--overwrite or --retry-failed"),
        (["--adapt-once", "--preset", "real-fast"], 2, "blind preset"),
        (["--pattern", "*.czi"], 1, "matches '*.czi'"),
        (["--weights", "missing"], 1, "missing"),
        (["--device", "tpu"], 1, "tpu"),
        (["--axes", "QQ"], 1, "failed"),
    ],
)
def test_wrong_usage_is_told_in_a_sentence(
    source, weights, tmp_path, capsys, options, status, words
):
    try:
        got = batch(source, tmp_path / "results", weights, *options)
    except SystemExit as left:
        got = left.code
    assert got == status
    told = capsys.readouterr().err
    assert words in told
    assert "Traceback" not in told
