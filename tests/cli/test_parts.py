"""One volume by several commands: adapt, parts, finish; and what goes wrong."""

import subprocess
import sys
import time

import numpy as np
import pytest

from napari_mpi.__main__ import main
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.files.metadata import ImageFile
from napari_mpi.engine.files.output import write_image
from napari_mpi.engine.networks.weight_files import save_weights

pytest.importorskip("zarr", reason="the extra is not installed")


@pytest.fixture
def command(tmp_path, rng, small_grey_weights):
    """Return what runs 'denoise' on a small volume, and returns the exit status."""
    save_weights(small_grey_weights, tmp_path / "small.safetensors")
    noisy = rng.poisson(500, (4, 40, 50)).astype(np.uint16)
    write_image(tmp_path / "raw.zarr", ImageFile(noisy, "ZYX"))
    few = ["--preset", "blind-fast", "--iterations", "2", "--precision", "float32"]
    few += ["--weights", str(tmp_path / "small.safetensors"), "--device", "cpu"]

    def run(output, *options, status=0):
        source, out = tmp_path / "raw.zarr", tmp_path / output
        arguments = ["denoise", str(source), "-o", str(out), *few, *options]
        assert main(arguments) == status

    run.arguments = few
    return run


def test_parts_of_a_volume_give_what_one_command_gives(command, tmp_path, capsys):
    command("whole.zarr")
    command("adapted.safetensors", "--adapt-only")
    adapted = ["--adapted", str(tmp_path / "adapted.safetensors")]
    command("parts.zarr", *adapted, "--part", "2/2")
    assert "part     2 of 2 is done; of all 4 pieces 2 are" in capsys.readouterr().err
    command("parts.zarr", "--finish", status=1)
    assert "2 of 4 pieces of" in capsys.readouterr().err
    command("parts.zarr", *adapted, "--part", "1/2")
    assert "written " in capsys.readouterr().err
    command("at-once.zarr", *adapted)
    results = [
        read_image(tmp_path / name).array
        for name in ("whole.zarr", "parts.zarr", "at-once.zarr")
    ]
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])
    command("parts.zarr", "--finish")
    assert "was finished before" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("output", "options", "sentence"),
    [
        ("a.zarr", ["--part", "1/2"], "--part needs --adapted FILE"),
        ("a.zarr", ["--adapt-only"], "does not end in .safetensors"),
        ("a.tif", ["--finish"], "does not end in .zarr"),
        ("a.safetensors", ["--adapt-only", "--finish"], "give it without"),
        ("a.zarr", ["--finish", "--part", "1/2"], "give one of them"),
        ("a.zarr", ["--finish", "--uncertainty", "b.tif"], "neither --uncertainty"),
    ],
)
def test_what_does_not_go_together_is_told_at_once(
    output, options, sentence, command, capsys, tmp_path
):
    before = sorted(tmp_path.iterdir())
    command(output, *options, status=2)
    assert sentence in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("part", ["3", "a/b", "1.5/4", "1/2/3"])
def test_a_part_is_told_as_a_fraction(part, command, capsys):
    with pytest.raises(SystemExit):
        command("a.zarr", "--part", part)
    assert "give one such as 3/64" in capsys.readouterr().err


def test_an_adaptation_can_be_named_as_its_volume(command, tmp_path):
    command("raw.safetensors", "--adapt-only")
    assert (tmp_path / "raw.safetensors").is_file()


def test_a_run_that_is_killed_goes_on(command, tmp_path):
    command("whole.zarr")
    output = tmp_path / "out.zarr"
    arguments = [str(tmp_path / "raw.zarr"), "-o", str(output), *command.arguments]
    program = subprocess.Popen(
        [sys.executable, "-m", "napari_mpi", "denoise", *arguments],
        stderr=subprocess.DEVNULL,
    )
    done = tmp_path / "out.zarr.unfinished" / "done"
    while program.poll() is None and not list(done.glob("*")):
        time.sleep(0.001)
    program.kill()
    program.wait()
    command("out.zarr")
    np.testing.assert_array_equal(
        read_image(output).array, read_image(tmp_path / "whole.zarr").array
    )
    assert not done.parent.exists()
