"""The Batch form: folders and method in, the request and the same command out."""

import shlex

import pytest

from napari_mpi.batch.request import SUFFIX
from napari_mpi.engine.settings.presets import preset
from napari_mpi.widgets.batch.form import BatchForm

pytestmark = pytest.mark.gui


@pytest.fixture
def folder(tmp_path):
    """Return a folder whose name a shell would take apart."""
    folder = tmp_path / "my cells"
    folder.mkdir()
    return folder


def test_the_form_gives_the_request_and_the_command_that_equals_it(qapp, folder):
    form = BatchForm()
    form.input.value, form.output.value = folder, folder.parent / "clear cells"
    form.pattern.value = "*.tif; *.png"
    form.suffix.value = "-clear"
    form.axes.value = "zyx"
    for entry in (form.recursive, form.adapt_once, form.overwrite):
        entry.value = True
    form.method.noise.value, form.method.effort.value = "independent", "fast"
    form.method.settings["iterations"].value = 7
    form.method.device.value = "auto"
    request = form.request(retry_failed=True)
    assert request.folders.source == folder
    assert request.folders.output == folder.parent / "clear cells"
    assert request.folders.patterns == ("*.tif", "*.png")
    assert (request.folders.recursive, request.folders.suffix) == (True, "-clear")
    assert (request.adapt_once, request.overwrite, request.retry_failed) == (True,) * 3
    assert request.method.config == preset("independent-fast", iterations=7)
    assert request.method.axes == "ZYX"
    assert shlex.split(form.command()) == [
        "napari-mpi", "batch", str(folder), str(folder.parent / "clear cells"),
        "--pattern=*.tif; *.png", "--recursive", "--suffix=-clear", "--adapt-once",
        "--overwrite", "--axes", "ZYX", "--preset", "independent-fast", "--weights",
        request.method.weights, "--device", "auto", "--iterations", "7",
    ]  # fmt: skip


def test_the_usual_is_not_spelled_out(qapp, folder):
    form = BatchForm()
    form.input.value = folder
    request = form.request()
    assert (request.folders.suffix, request.method.axes) == (SUFFIX, None)
    assert not (request.adapt_once or request.overwrite or request.retry_failed)
    words = shlex.split(form.command())
    assert words[4:5] == ["--preset"]
    assert len(words) == 10


def test_results_go_into_a_folder_of_their_own_unless_another_is_named(qapp, folder):
    form = BatchForm()
    form.input.value = folder
    assert form.output.value == folder / "denoised"
    form.input.value = folder.parent
    assert form.output.value == folder.parent / "denoised"
    form.output.value = folder.parent / "mine"
    form.input.value = folder
    assert form.output.value == folder.parent / "mine"
