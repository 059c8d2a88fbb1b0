"""Axes of layers: certain, suggested by the file, or chosen by a person."""

import numpy as np
import pytest
import tifffile
from napari.layers import Image

from napari_mpi.engine.runtime.errors import AxesError
from napari_mpi.widgets.denoise.part import AxesEntry
from napari_mpi.widgets.layers.axes import in_words, layer_axes, possible_axes


def layer_of_file(path, data, **options):
    """Return a layer as napari's reader makes it from a file."""
    layer = Image(data, **options)
    layer._source = layer.source.model_copy(update={"path": str(path)})
    return layer


@pytest.fixture
def entry(qapp):
    return AxesEntry()


@pytest.mark.parametrize(
    ("shape", "options", "possible"),
    [
        ((9, 9), {}, "YX"),
        ((9, 9, 3), {"rgb": True}, "YXS"),
        ((5, 9, 9), {}, "ZYX TYX CYX"),
        ((5, 9, 9, 3), {"rgb": True}, "ZYXS TYXS CYXS"),
        ((9, 9, 3), {"rgb": False}, "ZYX TYX CYX YXS YXC"),
        ((2, 5, 9, 9), {}, "TZYX TCYX ZTYX ZCYX CTYX CZYX"),
        (
            (2, 3, 5, 9, 9),
            {},
            "TZCYX TCZYX ZTCYX ZCTYX CTZYX CZTYX",
        ),
        ((2, 9, 9, 4), {"rgb": False},
         "TZYX TCYX ZTYX ZCYX CTYX CZYX TYXS ZYXS CYXS TYXC ZYXC"),
    ],
)  # fmt: skip
def test_every_plausible_meaning_is_offered_the_likeliest_first(
    shape, options, possible
):
    layer = Image(np.zeros(shape, np.uint8), **options)
    assert possible_axes(layer) == possible.split()


def test_axes_are_told_in_words_with_their_sizes():
    told = in_words("ZYX", (30, 512, 400)).replace("\N{MULTIPLICATION SIGN}", "x")
    assert told == "depth 30 x height 512 x width 400 (ZYX)"


@pytest.mark.parametrize("axes", ["TYX", "CYX", "ZYX"])
def test_the_file_s_axes_are_the_suggestion(axes, tmp_path):
    data = np.zeros((4, 20, 24), np.uint16)
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, data, imagej=True, metadata={"axes": axes})
    assert possible_axes(layer_of_file(path, data))[0] == axes


def test_a_file_that_tells_nothing_or_of_another_shape_leaves_the_guess(tmp_path):
    data = np.zeros((4, 20, 24), np.uint16)
    plain, other, broken = (tmp_path / f"{n}.tif" for n in range(3))
    tifffile.imwrite(plain, data, metadata=None, photometric="minisblack")
    tifffile.imwrite(other, data[:2], imagej=True, metadata={"axes": "TYX"})
    broken.write_bytes(b"II*\0 no image")
    for path in (plain, other, broken, tmp_path / "missing.tif"):
        assert layer_axes(layer_of_file(path, data)) == "ZYX"


def test_the_file_is_opened_once(tmp_path, monkeypatch):
    data = np.zeros((4, 20, 24), np.uint16)
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, data, imagej=True, metadata={"axes": "TYX"})
    layer = layer_of_file(path, data)
    assert layer_axes(layer) == "TYX"
    path.unlink()
    assert layer_axes(layer) == "TYX"


def test_labels_that_are_letters_leave_no_choice(entry):
    layer = Image(np.zeros((4, 9, 9)), axis_labels=("t", "y", "x"))
    entry.offer(layer)
    assert not entry.is_needed
    assert entry.axes_of(layer) == "TYX"


def test_a_choice_is_remembered_for_each_layer(entry):
    first, second = (Image(np.zeros((4, 9, 9))) for _ in range(2))
    entry.offer(first)
    assert (entry.value, entry.stated(first)) == ("ZYX", None)
    entry.value = "CYX"
    entry.offer(second)
    assert entry.value == "ZYX"
    entry.value = "TYX"
    entry.offer(first)
    assert entry.value == "CYX"
    assert "(CYX)" in entry.tooltip
    assert [entry.axes_of(layer) for layer in (first, second)] == ["CYX", "TYX"]
    assert entry.stated(first) == "CYX"


def test_a_choice_is_forgotten_when_the_layer_gets_other_dimensions(entry):
    layer = Image(np.zeros((4, 9, 9)))
    entry.offer(layer)
    entry.value = "CYX"
    layer.data = np.zeros((2, 4, 9, 9))
    entry.offer(layer)
    assert entry.value == entry.axes_of(layer) == "TZYX"


def test_more_dimensions_than_can_be_guessed_want_labels():
    layer = Image(np.zeros((1, 1, 1, 1, 9, 9)), name="many")
    with pytest.raises(AxesError, match=r"'many' has 6 dimensions.*axis labels"):
        layer_axes(layer)
    layer.axis_labels = ("p", "t", "z", "c", "y", "x")
    assert layer_axes(layer) == "PTZCYX"
