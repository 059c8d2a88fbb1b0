"""Layers: what of them is denoised, and results that overlay their source."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_mpi.engine.runtime.errors import EngineError
from napari_mpi.widgets.layers.axes import layer_axes
from napari_mpi.widgets.layers.result import add_result
from napari_mpi.widgets.layers.selection import (
    Scope,
    layer_problem,
    reference_problem,
    select,
)
from napari_mpi.widgets.layers.view import shown_step


@pytest.mark.parametrize(
    ("shape", "options", "axes"),
    [
        ((9, 9), {}, "YX"),
        ((4, 9, 9), {}, "ZYX"),
        ((2, 4, 9, 9), {}, "TZYX"),
        ((9, 9, 3), {"rgb": True}, "YXS"),
        ((5, 9, 9, 3), {"rgb": True}, "ZYXS"),
        ((4, 9, 9), {"axis_labels": ("t", "y", "x")}, "TYX"),
        ((2, 9, 9), {"axis_labels": ("C", "Y", "X")}, "CYX"),
        ((4, 9, 9), {"axis_labels": ("plane", "row", "column")}, "ZYX"),
        ((9, 9, 3), {"rgb": False}, "ZYX"),
    ],
)
def test_axes_come_from_labels_that_are_letters_or_else_from_the_shape(
    shape, options, axes
):
    assert layer_axes(Image(np.zeros(shape, np.uint8), **options)) == axes


def test_one_plane_is_selected_where_the_viewer_shows_it():
    viewer = ViewerModel()
    stack = np.arange(4 * 6 * 6, dtype=np.uint16).reshape(4, 6, 6)
    layer = viewer.add_image(stack, scale=(3, 1, 1), translate=(30, 0, 0))
    viewer.dims.set_point(0, 30 + 2 * 3)
    selection = select(layer, Scope.PLANE, step=shown_step(viewer, layer))
    np.testing.assert_array_equal(selection.lazy(), stack[2:3])
    assert (selection.shape, selection.planes) == ((1, 6, 6), 1)


def test_the_plane_is_found_among_layers_of_other_units():
    viewer = ViewerModel()
    stack = np.zeros((6, 8, 8))
    fine = viewer.add_image(stack, scale=(1, 0.1, 0.1), units=("um",) * 3)
    viewer.add_image(stack, scale=(1000, 100, 100), units=("nm",) * 3)
    viewer.dims.set_current_step(0, 2)
    assert shown_step(viewer, fine)[0] == 2


def test_the_finest_level_of_a_multiscale_layer_is_selected():
    fine = np.random.default_rng(0).random((64, 64))
    layer = Image([fine, fine[::2, ::2]], multiscale=True)
    np.testing.assert_array_equal(select(layer).lazy(), fine)


def test_a_lazy_layer_is_read_only_where_it_is_selected():
    reads = []

    class Lazy:
        shape, dtype, ndim = (4, 6, 6), np.dtype("u2"), 3

        def __getitem__(self, index):
            reads.append(index)
            return np.zeros(self.shape, self.dtype)[index]

        def __array__(self, *_, **__):
            raise AssertionError("the whole array was read")

    layer = Image(Lazy(), contrast_limits=(0, 1))
    reads.clear()
    selection = select(layer, Scope.PLANE, step=(2, 0, 0))
    assert not reads
    np.asarray(selection.lazy())
    assert reads == [np.s_[2:3:1, 0:6:1, 0:6:1]]


def test_a_result_overlays_its_source_exactly():
    viewer = ViewerModel()
    source = viewer.add_image(
        np.zeros((4, 6, 6), np.uint16),
        name="cells",
        scale=(3, 0.5, 0.5),
        translate=(1, 2, 3),
        rotate=20,
        shear=[0.1, 0, 0],
        affine=np.diag([1, 2, 2, 1.0]),
        units=("um", "um", "um"),
        axis_labels=("z", "y", "x"),
        colormap="magenta",
        contrast_limits=(5, 500),
        gamma=0.7,
        blending="additive",
        interpolation2d="linear",
        projection_mode="max",
        metadata={"sample": 7},
    )
    index = select(source).index
    result = add_result(viewer, source, source.data + 1, index, {"seed": 3})
    for corner in ((0, 0, 0), (3, 5, 5)):
        np.testing.assert_allclose(
            result.data_to_world(corner), source.data_to_world(corner)
        )
    for name in (
        "units", "axis_labels", "contrast_limits", "gamma", "blending",
        "interpolation2d", "projection_mode", "rendering", "rgb",
    ):  # fmt: skip
        assert getattr(result, name) == getattr(source, name), name
    assert result.colormap.name == source.colormap.name
    assert result.metadata == {"sample": 7, "napari-mpi": {"seed": 3}}
    assert source.metadata == {"sample": 7}


def test_the_result_of_one_plane_lies_on_that_plane():
    viewer = ViewerModel()
    source = viewer.add_image(
        np.zeros((4, 6, 6)), scale=(3, 1, 1), translate=(10, 0, 0), rotate=30
    )
    selection = select(source, Scope.PLANE, step=(2, 0, 0))
    result = add_result(
        viewer, source, np.asarray(selection.lazy()), selection.index, {}
    )
    np.testing.assert_allclose(
        result.data_to_world((0, 4, 5)), source.data_to_world((2, 4, 5))
    )


def test_a_result_never_takes_the_place_of_another_layer():
    viewer = ViewerModel()
    source = viewer.add_image(np.zeros((6, 6)), name="a")
    other = viewer.add_image(np.ones((6, 6)), name="a (denoised)")
    result = add_result(viewer, source, np.full((6, 6), 2.0), select(source).index, {})
    assert len(viewer.layers) == 3
    assert result.name != other.name
    assert (other.data == 1).all()


def test_layers_that_cannot_be_denoised_are_told_with_the_reason():
    assert "labels" in layer_problem(None)
    mask = Image(np.zeros((6, 6), bool), name="mask")
    assert (
        layer_problem(mask) == "the layer 'mask' holds yes/no values, a mask:"
        " choose one of integers or real numbers"
    )
    assert layer_problem(Image(np.zeros((6, 6)))) is None
    with pytest.raises(EngineError):
        select(mask)


def test_a_reference_must_have_the_image_s_shape():
    selection = select(Image(np.zeros((6, 6))))
    assert reference_problem(None, selection) is None
    assert reference_problem(Image(np.zeros((6, 6))), selection) is None
    assert "shape (5, 6)" in reference_problem(Image(np.zeros((5, 6))), selection)
