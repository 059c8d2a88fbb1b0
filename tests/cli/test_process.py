"""The command line as a process of its own: its status, and how it is ended."""

import os
import re
import signal
import subprocess
import sys

import pytest
import tifffile

from napari_mpi import __main__ as program
from napari_mpi.engine.files.formats import read_image

FEW = ["--iterations", "3", "--device", "cpu"]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


def write_noisy(path, rng, *, axes="YX", shape=(16, 20), dtype="uint16"):
    array = rng.normal(1000, 100, shape).clip(0, None)
    array = (array if dtype == "uint16" else array / 10).astype(dtype)
    metadata = {"axes": axes, "unit": "micron"}
    tifffile.imwrite(path, array, imagej=True, resolution=(4.0, 8.0), metadata=metadata)
    return array


def command(*arguments):
    return [sys.executable, "-m", "napari_mpi", *map(str, arguments)]


def completed(*arguments):
    """Run the command line as a process of its own."""
    return subprocess.run(
        command(*arguments),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def default_sigint():
    """Let a child process be interrupted even if this one was told to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_module_runs_as_a_program(noisy, weights, results):
    given = [noisy, "-o", results / "b.tif", "--weights", weights, "--iterations", 3]
    found = completed("denoise", *given)
    assert found.returncode == 0, found.stderr
    assert found.stdout == ""
    assert "Warning" not in found.stderr
    assert read_image(results / "b.tif").array.shape == (16, 20)


def test_exit_status_reaches_the_shell_with_one_sentence(results):
    given = ["none.tif", "-o", results / "b.tif"]
    found = completed("denoise", *given)
    assert found.returncode == 1
    assert found.stderr == "napari-mpi: there is no file none.tif: check the path\n"


@POSIX
def test_real_ctrl_c_leaves_nothing_and_gives_130(
    results, tmp_path, rng, default_sigint
):
    write_noisy(tmp_path / "a.tif", rng, shape=(128, 128))
    given = [tmp_path / "a.tif", "-o", results / "b.tif", "--weights", "none"]
    with subprocess.Popen(
        command("denoise", *given, "--iterations", 100_000),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            told = b""
            while b"%|" not in told and (part := os.read(process.stderr.fileno(), 999)):
                told += part
            process.send_signal(signal.SIGINT)
            _, rest = process.communicate(timeout=1800)
        finally:
            process.kill()
    assert b"%|" in told
    assert process.returncode == 130, rest
    assert b"interrupted, nothing was written" in rest
    assert b"Traceback" not in rest
    assert list(results.iterdir()) == []


@POSIX
def test_a_run_that_is_killed_among_its_planes_leaves_no_file(results, tmp_path, rng):
    write_noisy(tmp_path / "a.tif", rng, axes="ZYX", shape=(200, 40, 40))
    given = [tmp_path / "a.tif", "-o", results / "b.tif", "--preset", "blind-fast"]
    with subprocess.Popen(
        command("denoise", *given, "--iterations", 1), stderr=subprocess.PIPE
    ) as process:
        told = b""
        while not re.search(rb"[1-9]\d* of 200 planes done", told) and (
            part := os.read(process.stderr.fileno(), 999)
        ):
            told += part
        process.kill()
    assert b"of 200 planes done" in told
    assert process.returncode == -signal.SIGKILL
    assert list(results.iterdir()) == []


@POSIX
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
@pytest.mark.parametrize("suffix", [".tif", ".nii"])
def test_whoever_ends_it_in_the_write_nothing_is_left(
    name, suffix, noisy, weights, results
):
    code = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # under nohup, too
        "from napari_mpi.engine.files.tiff import files as tiff\n"
        "from napari_mpi.engine.files.nifti import files as nifti\n"
        "def end(*_, **__):\n"
        f"    os.kill(os.getpid(), signal.{name})\n"
        "    time.sleep(60)\n"
        "tiff.write_blocks = nifti.write_blocks = end\n"
        "from napari_mpi.__main__ import main\n"
        "sys.exit(main())\n"
    )
    command = ["denoise", noisy, "-o", results / f"b{suffix}", "--weights", weights]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, command), "--iterations", "1", "-q"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 130, done.stderr
    assert done.stderr == "napari-mpi: interrupted, nothing was written\n"
    assert list(results.iterdir()) == []


@POSIX
def test_ctrl_c_while_it_is_imported_is_told(monkeypatch, capsys):
    class Interrupting:
        @staticmethod
        def find_spec(name, *_):
            if name == "napari_mpi.cli.main":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "napari_mpi.cli.main", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupting, *sys.meta_path])
    before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGHUP)}
    try:
        assert program.main(["--version"]) == 130
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert capsys.readouterr().err == "napari-mpi: interrupted, nothing was written\n"
