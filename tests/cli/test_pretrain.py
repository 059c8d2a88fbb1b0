"""The command ``pretrain``: weights, checkpoints, interruptions, many processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile

from napari_mpi.cli.main import main
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.pretraining.pretrain import SNAPSHOT_INTERVAL
from napari_mpi.engine.pretraining.processes import Processes
from napari_mpi.engine.pretraining.run import PretrainingRun
from napari_mpi.engine.pretraining.state import read_checkpoint
from napari_mpi.engine.runtime.folders import data_folder

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
SMALL = [
    "--recipe", "grey", "--width", "4", "--scales", "2", "--batch-size", "2",
    "--crop-size", "32", "--device", "cpu", "--precision", "float32",
]  # fmt: skip


@pytest.fixture
def folder(tmp_path, rng):
    """Return a folder with images of many kinds, and things that are none."""
    images = tmp_path / "images"
    images.mkdir()
    picture = rng.integers(0, 256, (40, 48, 4), dtype=np.uint8)
    imageio.imwrite(images / "rgba.png", picture)
    imageio.imwrite(images / "photo.jpg", picture[..., :3])
    imageio.imwrite(images / "small.png", picture[:20, :20, 0])
    stack = rng.integers(0, 4000, (3, 40, 48), dtype=np.uint16)
    tifffile.imwrite(images / "stack.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    (images / "corrupt.tif").write_bytes((images / "stack.tif").read_bytes()[:90])
    (images / "notes.txt").write_text("no image")
    return images


def pretrain(folder, *options):
    return main(["pretrain", str(folder), *SMALL, *map(str, options)])


def start(folder, *options):
    """Start the command in a process of its own."""
    words = [sys.executable, "-m", "napari_mpi", "pretrain", str(folder), *SMALL]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*words, *map(str, options)], stderr=subprocess.PIPE, text=True, env=environment
    )


def wait_for(path, process, timeout=1800):
    deadline = time.monotonic() + timeout
    while not path.exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def interrupt_after(monkeypatch):
    """Return what has the next run interrupted after so many steps, as by Ctrl-C.

    The last one takes so long that its losses are taken over.
    """
    true_step = PretrainingRun._step

    def interrupt_after(count):
        left = iter(reversed(range(count)))

        def step(*arguments):
            further = next(left, None)
            if further is None:
                raise KeyboardInterrupt
            time.sleep(0 if further else 2 * SNAPSHOT_INTERVAL)
            return true_step(*arguments)

        monkeypatch.setattr(PretrainingRun, "_step", step)

    return interrupt_after


def test_a_folder_of_all_kinds_trains_and_says_what_it_left_out(folder, capsys):
    assert pretrain(folder, "-o", "lab", "--iterations", 4) == 0
    told = capsys.readouterr().err
    assert "images   5 in 3 files" in told
    for name in ("corrupt.tif", "notes.txt", "small.png"):
        assert f"left out {name}: " in told
    assert "CPU is used" not in told  # it was asked for
    weights = load_weights("lab")
    assert weights.provenance["data"]["left_out"] == 3
    assert weights.provenance["iterations"] == 4
    assert not list(data_folder().glob("*.checkpoint"))


def test_the_weights_denoise_at_once(folder, tmp_path, rng):
    pretrain(folder, "-o", "lab", "--iterations", 2, "-q")
    noisy = rng.integers(0, 4000, (24, 20), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", noisy)
    out = tmp_path / "b.tif"
    options = ["--weights", "lab", "--iterations", "2", "--device", "cpu", "-q"]
    assert main(["denoise", str(tmp_path / "a.tif"), "-o", str(out), *options]) == 0
    assert read_image(out).array.shape == (24, 20)
    with tifffile.TiffFile(out) as file:
        text = file.pages[0].description
    made = json.loads(text[text.index("{") :])
    fingerprint = load_weights("lab").provenance["data"]["fingerprint"]
    assert fingerprint in json.dumps(made)


def test_an_empty_folder_is_named(tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert pretrain(empty, "-o", "lab") == 1
    assert str(empty) in capsys.readouterr().err
    assert not (data_folder() / "lab.safetensors").exists()


def test_nothing_is_overwritten(folder, capsys):
    pretrain(folder, "-o", "lab", "--iterations", 2, "-q")
    before = (data_folder() / "lab.safetensors").read_bytes()
    assert pretrain(folder, "-o", "lab", "--iterations", 2) == 1
    assert "choose another name" in capsys.readouterr().err
    assert (data_folder() / "lab.safetensors").read_bytes() == before
    (data_folder() / "new.checkpoint").write_bytes(b"of another run")
    assert pretrain(folder, "-o", "new", "--iterations", 2) == 1
    assert "resume it" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["none", "auto", "grey", "mpi-pixelwise-30", "../up"])
def test_names_that_cannot_be_are_refused(folder, name, capsys):
    assert pretrain(folder, "-o", name) == 1
    assert name in capsys.readouterr().err


def test_settings_that_cannot_work_are_wrong_usage(folder, capsys):
    assert pretrain(folder, "-o", "lab", "--noise-level", "3") == 2
    assert "noise level is 3.0" in capsys.readouterr().err


@POSIX
def test_a_killed_run_resumes_to_the_same_losses(folder, tmp_path, interrupt_after):
    steps = ["--iterations", 4000]
    path = tmp_path / "run.safetensors"
    checkpoint = path.with_suffix(".checkpoint")
    kept = ["--checkpoint-interval", 0]
    process = start(folder, "-o", path, *steps, *kept)
    wait_for(checkpoint, process)
    while read_checkpoint(checkpoint).step < 3:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not path.exists()
    killed_at = read_checkpoint(checkpoint).step
    interrupt_after(5)
    assert pretrain(folder, "-o", path, "--resume", *kept) == 130
    losses = read_checkpoint(checkpoint).losses
    assert len(losses) > killed_at
    interrupt_after(len(losses) + 1)
    undisturbed = tmp_path / "other.safetensors"
    assert pretrain(folder, "-o", undisturbed, *steps, *kept) == 130
    expected = read_checkpoint(undisturbed.with_suffix(".checkpoint")).losses
    assert losses == expected[: len(losses)]


@POSIX
def test_ctrl_c_keeps_a_checkpoint_and_says_so(folder, tmp_path):
    path = tmp_path / "run.safetensors"
    options = ["--iterations", 4000, "--checkpoint-interval", 0]
    process = start(folder, "-o", path, *options)
    wait_for(path.with_suffix(".checkpoint"), process)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate()
    assert process.returncode == 130
    assert "go on with --resume" in told
    assert "nothing was written" not in told
    assert "Traceback" not in told
    assert read_checkpoint(path.with_suffix(".checkpoint")).step > 0


def test_resume_refuses_other_settings(folder, tmp_path, capsys, interrupt_after):
    path = tmp_path / "run.safetensors"
    assert pretrain(folder, "-o", path, "--resume") == 1
    assert "there is no checkpoint" in capsys.readouterr().err
    interrupt_after(1)
    assert pretrain(folder, "-o", path, "--iterations", 4000) == 130
    assert pretrain(folder, "-o", path, "--resume", "--iterations", 7) == 2
    assert "has iterations 4000, not 7" in capsys.readouterr().err
    assert pretrain(folder, "-o", path, "--resume", "--start-from", "grey") == 2
    assert "leave --start-from out" in capsys.readouterr().err
    assert pretrain(folder, "-o", path, "--resume", "--recipe", "paper") == 2
    assert "another network than recipe 'paper'" in capsys.readouterr().err


def test_a_constant_run_is_prolonged_and_cooled_down(folder, tmp_path):
    path, constant = tmp_path / "long.safetensors", ("--schedule", "constant")
    assert pretrain(folder, "-o", path, *constant, "--iterations", 3, "-q") == 0
    longer = ("--resume", "--iterations", 5)
    assert pretrain(folder, "-o", path, *longer, "-q") == 0
    assert load_weights(path).provenance["iterations"] == 5
    checkpoint = path.with_suffix(".checkpoint")
    assert read_checkpoint(checkpoint).step == 5
    cold = tmp_path / "cold.safetensors"
    cooling = ("--start-from", checkpoint, "--iterations", 2, "--cooldown", 2)
    assert pretrain(folder, "-o", cold, *constant, *cooling, "--half", "-q") == 0
    assert load_weights(cold).provenance["start"].startswith("long (")
    assert cold.stat().st_size < path.stat().st_size


@POSIX
def test_two_processes_train_as_one(folder, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = tmp_path / "run.safetensors"
    words = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2",
        "--master-port", str(port), "-m", "napari_mpi", "pretrain", str(folder), *SMALL,
        "-o", str(path), "--iterations", "6",
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        timeout=1800,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("written  ") == 1  # by the first process alone
    weights = load_weights(path)
    assert weights.provenance["iterations"] == 6


def test_crops_that_processes_cannot_share_are_told(folder, monkeypatch, capsys):
    monkeypatch.setattr(Processes, "current", lambda: Processes(0, 0, 2))
    assert pretrain(folder, "-o", "odd", "--batch-size", 3) == 2
    assert "cannot be shared by 2 processes" in capsys.readouterr().err
    assert not (data_folder() / "odd.safetensors").exists()
