"""The Galaxy tool: valid, and its command is one that napari-mpi takes and runs."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from napari_mpi import PRESETS, read_image
from napari_mpi.cli.main import _parser

TOOL = Path(__file__).parents[2] / "integrations" / "galaxy" / "napari_mpi_denoise.xml"
DATA = TOOL.parent / "test-data"
FORMATS = {
    "tiff": ("image.tif", "denoised.tif"),
    "ome.tiff": ("image.ome.tif", "denoised.ome.tif"),
    "zarr": ("image.zarr", "denoised.zarr"),
    "ome_zarr": ("image.zarr", "denoised.zarr"),
    "nii1": ("image.nii", "denoised.nii"),
    "nii1.gz": ("image.nii.gz", "denoised.nii.gz"),
    "nii2": ("image.nii", "denoised.nii"),
    "nii2.gz": ("image.nii.gz", "denoised.nii.gz"),
    "png": ("image.png", "denoised.tif"),
    "jpg": ("image.jpg", "denoised.tif"),
}
"""Galaxy's names of formats, and what napari-mpi is told to read and to write."""


class Dataset:
    """A file of Galaxy: its name tells nothing, a folder's content lies beside it."""

    def __init__(self, folder, name, ext=""):
        self.path, self.ext = folder / f"dataset_{name}.dat", ext
        self.files_path = self.extra_files_path = folder / f"dataset_{name}_files"
        self.metadata = SimpleNamespace(store_root="it.zarr")

    def __str__(self):
        return str(self.path)


@pytest.fixture(scope="module")
def tool():
    """Return the tool as Galaxy reads it, with its macros."""
    pytest.importorskip("galaxy.tool_util.lint", reason="needs galaxy-tool-util")
    from galaxy.tool_util.parser import get_tool_source

    return get_tool_source(str(TOOL))


@pytest.fixture
def command(tool, tmp_path):
    """Return what fills in the tool's command line for a kind of file."""
    pytest.importorskip("Cheetah", reason="needs galaxy-util[template]")
    from galaxy.util.template import fill_template

    def fill(ext, **chosen):
        files = {
            "input": Dataset(tmp_path, 1, ext),
            "output": Dataset(tmp_path, 2),
            "uncertainty": Dataset(tmp_path, 3),
        }
        defaults = {"preset": "auto", "axes": "", "seed": 0, "with_uncertainty": False}
        chosen = defaults | chosen
        chosen["with_uncertainty"] = str(chosen["with_uncertainty"]).lower()
        line = fill_template(tool.parse_command(), context=files | chosen)
        return " ".join(line.split("\n")), files

    return fill


def options_in(line):
    """Return what napari-mpi's parser makes of its part of a command line."""
    words = shlex.split(line)
    first = words.index("napari-mpi") + 1
    return _parser().parse_args(words[first : words.index("&&", first)])


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # of docutils
def test_the_tool_is_valid(tool):
    from galaxy.tool_util.lint import NETWORK_LINTERS, get_lint_context_for_tool_source

    found = get_lint_context_for_tool_source(tool, skip_types=[*NETWORK_LINTERS])
    assert found.valid_messages
    assert [str(m) for m in found.error_messages + found.warn_messages] == []


def test_the_form_offers_the_presets_that_there_are(tool):
    offered = tool.xml_tree.findall(".//param[@argument='--preset']/option")
    assert [option.get("value") for option in offered] == list(PRESETS)


def test_every_kind_of_file_that_the_form_takes_is_known_here(tool):
    (image,) = tool.xml_tree.findall(".//inputs/param[@type='data']")
    assert image.get("format").split(",") == list(FORMATS)


@pytest.mark.parametrize("ext", FORMATS)
def test_the_command_names_files_by_their_format(command, ext):
    line, files = command(ext)
    options = options_in(line)
    assert (str(options.input), str(options.output)) == FORMATS[ext]
    linked = shlex.split(line)[shlex.split(line).index("ln") :][2]
    store = files["input"].extra_files_path / "it.zarr"
    assert linked == str(store if "zarr" in ext else files["input"])
    assert options.uncertainty is None


def test_the_command_says_what_was_chosen(command):
    line, _ = command(
        "tiff", preset="real-fast", seed=7, axes="ZYX", with_uncertainty=True
    )
    options = options_in(line)
    assert (options.preset, options.seed, options.axes) == ("real-fast", 7, "ZYX")
    assert options.uncertainty == Path("uncertainty.tif")


def test_the_files_of_the_tools_own_tests_are_there(tool):
    values = [p.get("value") for p in tool.xml_tree.findall(".//test/param[@ftype]")]
    assert values
    assert all((DATA / value).exists() for value in values)


@pytest.fixture
def run(command, tmp_path):
    """Return what runs the command line as Galaxy does, and returns its files."""
    bin_, job = tmp_path / "bin", tmp_path / "job"
    bin_.mkdir()
    job.mkdir()
    program = bin_ / "napari-mpi"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m napari_mpi "$@"\n')
    program.chmod(0o755)
    path = os.pathsep.join(filter(None, sys.path))
    search = f"{bin_}{os.pathsep}{os.environ['PATH']}"

    def run_it(ext, data, **chosen):
        line, files = command(ext, preset="blind-fast", **chosen)
        if data.is_dir():
            shutil.copytree(data, files["input"].extra_files_path / "it.zarr")
        else:
            shutil.copy(data, files["input"].path)
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=job,
            env=os.environ | {"PATH": search, "PYTHONPATH": path},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return files

    return run_it


@pytest.mark.skipif(shutil.which("bash") is None, reason="Galaxy runs on bash")
def test_a_tiff_gets_a_result_and_its_uncertainty(run, tmp_path):
    noisy = read_image(DATA / "noisy.tiff")
    files = run("tiff", DATA / "noisy.tiff", with_uncertainty=True)
    made, spread = (
        read_image(files[name].path.rename(tmp_path / f"{name}.tif"))
        for name in ("output", "uncertainty")
    )
    assert (made.axes, made.array.dtype) == (noisy.axes, noisy.array.dtype)
    assert made.calibration == noisy.calibration
    assert abs(made.array.mean() - 981) <= 10  # as the tool's own test says
    assert made.array.shape == spread.array.shape == (32, 32)


@pytest.mark.skipif(shutil.which("bash") is None, reason="Galaxy runs on bash")
def test_an_ome_zarr_becomes_one(run, tool):
    pytest.importorskip("zarr")
    folder = run("ome_zarr", DATA / "noisy.zarr")["output"].files_path
    assert read_image(folder).array.shape == (32, 32)
    said = (folder / "zarr.json").read_text()
    (wanted,) = tool.xml_tree.findall(".//extra_files/assert_contents")
    assert all(part.get("text") in said for part in wanted)


@pytest.mark.skipif(shutil.which("bash") is None, reason="Galaxy runs on bash")
def test_a_nifti_keeps_its_header(run, tmp_path):
    nibabel = pytest.importorskip("nibabel")
    noisy = nibabel.load(DATA / "noisy.nii.gz")
    file = run("nii1.gz", DATA / "noisy.nii.gz")["output"].path
    assert 500 <= file.stat().st_size <= 8000  # as the tool's own test says
    made = nibabel.load(file.rename(tmp_path / "made.nii.gz"))
    assert made.shape == noisy.shape
    assert (made.affine == noisy.affine).all()
