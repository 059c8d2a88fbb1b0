"""Parts of layers: which there are, what of a layer they are, and what is read."""

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.images.results import GrowingResult
from napari_mpi.engine.runtime.errors import ImageError
from napari_mpi.widgets.denoise.part import PartEntries
from napari_mpi.widgets.layers.result import add_result
from napari_mpi.widgets.layers.selection import Scope, same_part, scopes, select
from napari_mpi.widgets.layers.view import camera, field_of_view

SHEARED = {
    "scale": (3, 0.5, 0.25),
    "translate": (1, 2, 3),
    "rotate": 20,
    "shear": [0.1, 0.2, 0.3],
    "affine": np.diag([1, 2, 2, 1.0]),
}


def counted(planes, side):
    """Return a dask array with a chunk for each plane, and the numbers computed."""
    computed = []

    def plane(block_info=None):
        number, *_ = block_info[None]["chunk-location"]
        computed.append(number)
        return np.full((1, side, side), number, np.uint16)

    chunks = ((1,) * planes, (side,), (side,))
    meta = np.empty((0, 0, 0), np.uint16)
    return da.map_blocks(plane, chunks=chunks, dtype=np.uint16, meta=meta), computed


@pytest.mark.parametrize(
    ("axes", "shape", "offered"),
    [
        ("YX", (9, 9), [Scope.IMAGE, Scope.VIEW]),
        ("YXS", (9, 9, 3), [Scope.IMAGE, Scope.VIEW]),
        ("ZYX", (1, 9, 9), [Scope.IMAGE, Scope.VIEW]),
        ("ZYX", (4, 9, 9), [Scope.LAYER, Scope.PLANE, Scope.VIEW]),
        ("CYX", (4, 9, 9), [Scope.LAYER, Scope.CHANNEL, Scope.VIEW]),
        (
            "CZYX",
            (2, 4, 9, 9),
            [Scope.LAYER, Scope.PLANE, Scope.CHANNEL, Scope.VIEW],
        ),
        ("CZYX", (1, 4, 9, 9), [Scope.LAYER, Scope.PLANE, Scope.VIEW]),
    ],
)
def test_only_parts_that_differ_are_offered(axes, shape, offered):
    assert scopes(axes, shape) == offered


@pytest.mark.parametrize(
    ("scope", "shape"),
    [
        (Scope.PLANE, (1, 1, 1, 40, 50)),
        (Scope.CHANNEL, (2, 1, 4, 40, 50)),
        (Scope.LAYER, (2, 3, 4, 40, 50)),
        (Scope.VIEW, (1, 1, 1, 20, 30)),
    ],
)
def test_a_part_is_where_the_sliders_and_the_canvas_are(scope, shape):
    image = np.arange(2 * 3 * 4 * 40 * 50).reshape(2, 3, 4, 40, 50)
    view = {"Y": slice(5, 25), "X": slice(7, 37)}
    part = select(Image(image), scope, axes="TCZYX", step=(1, 2, 3, 0, 0), view=view)
    assert part.shape == shape
    assert part.planes == np.prod(shape[:3])
    if scope is Scope.VIEW:
        np.testing.assert_array_equal(part.lazy(), image[1:, 2:, 3:, 5:25, 7:37])
    if scope is Scope.CHANNEL:
        np.testing.assert_array_equal(part.lazy(), image[:, 2:])


def test_the_field_of_view_is_what_the_canvas_shows():
    layer = Image(np.zeros((4, 40, 50)))
    layer.corner_pixels = np.array([[0, 5, 7], [0, 24, 49]])
    rows, columns = field_of_view(ViewerModel(), layer, "ZYX").values()
    assert (rows, columns) == (slice(5, 25), slice(7, 50))


def test_the_field_of_view_of_a_coarse_level_is_given_in_pixels_of_the_finest():
    fine = np.zeros((403, 600, 3), np.uint8)
    layer = Image([fine, fine[::2, ::2], fine[::4, ::4]], multiscale=True, rgb=True)
    viewer = ViewerModel()
    viewer.add_layer(layer)
    layer._data_level, layer.corner_pixels = 2, np.array([[10, 20], [100, 59]])
    camera(viewer).zoom = 0.1  # the canvas shows more than is loaded
    rows, columns = field_of_view(viewer, layer, "YXS").values()
    assert columns == slice(80, 240)
    assert (rows.start, rows.stop) == (39, 403)


def test_a_multiscale_layer_is_in_view_no_further_than_the_canvas_reaches():
    fine = np.zeros((400, 600))
    viewer = ViewerModel()
    layer = viewer.add_image([fine, fine[::2, ::2]], multiscale=True)
    layer._data_level, layer.corner_pixels = 0, np.array([[0, 0], [399, 599]])
    camera(viewer).zoom, camera(viewer).center = 10, (0, 100, 200)
    rows, columns = field_of_view(viewer, layer, "YX").values()
    height, width = viewer.canvas.size
    assert rows.stop - rows.start == pytest.approx(height / 10, abs=2)
    assert columns.stop - columns.start == pytest.approx(width / 10, abs=2)
    assert (rows.start + rows.stop) / 2 == pytest.approx(100, abs=1)
    camera(viewer).center = (0, -9000, 200)
    assert field_of_view(viewer, layer, "YX")["Y"] == slice(0, 0)


def test_a_field_of_view_of_next_to_nothing_is_told():
    layer = Image(np.zeros((40, 50)), name="cells")
    view = {"Y": slice(0, 15), "X": slice(0, 50)}
    with pytest.raises(
        ImageError, match=r"fewer than 16 x 16 pixels.*'cells'.*zoom out"
    ):
        select(layer, Scope.VIEW, view=view)
    small = Image(np.zeros((9, 50)))
    assert select(small, Scope.VIEW, view={"Y": slice(0, 9)}).shape == (9, 50)


@pytest.mark.parametrize("scope", [Scope.PLANE, Scope.VIEW, Scope.LAYER])
def test_the_result_of_a_part_lies_exactly_on_it(scope):
    viewer = ViewerModel()
    source = viewer.add_image(np.zeros((4, 40, 50), np.uint16), **SHEARED)
    view = {"Y": slice(5, 25), "X": slice(7, 37)}
    part = select(source, scope, step=(2, 0, 0), view=view)
    result = add_result(viewer, source, np.asarray(part.lazy()), part.index, {})
    start = np.array([pick.start or 0 for pick in part.index])
    for corner in ((0, 0, 0), np.array(part.shape) - 1):
        np.testing.assert_allclose(
            result.data_to_world(corner), source.data_to_world(start + corner)
        )


def test_the_result_of_a_multiscale_layer_is_its_finest_level_in_place():
    fine = np.random.default_rng(0).random((64, 64))
    viewer = ViewerModel()
    source = viewer.add_image([fine, fine[::2, ::2]], scale=(0.5, 2))
    part = select(source)
    result = add_result(viewer, source, np.asarray(part.lazy()), part.index, {})
    assert not result.multiscale
    assert result.data.shape == fine.shape
    np.testing.assert_allclose(result.extent.world, source.extent.world)


def test_the_same_part_of_a_reference_is_taken():
    image, clean = np.zeros((4, 40, 50)), np.random.default_rng(0).random((4, 40, 50))
    view = {"Y": slice(5, 25), "X": slice(7, 37)}
    part = select(Image(image), Scope.VIEW, axes="CYX", step=(2, 0, 0), view=view)
    reference = same_part(Image(clean), part)
    np.testing.assert_array_equal(reference.lazy(), clean[2:3, 5:25, 7:37])
    assert reference.axes == "CYX"


def test_a_numpy_part_is_a_view_of_the_layer():
    image = np.zeros((4, 40, 50))
    part = select(Image(image), Scope.PLANE, step=(2, 0, 0)).lazy()
    assert np.shares_memory(part, image)


def test_reading_a_plane_of_a_dask_part_computes_only_that_plane():
    data, computed = counted(20, 24)
    layer = Image(data, contrast_limits=(0, 20))
    computed.clear()
    part = select(layer).lazy()
    assert (part.shape, part.dtype) == ((20, 24, 24), np.uint16)
    assert not computed
    np.testing.assert_array_equal(part[7], np.full((24, 24), 7))
    assert computed == [7]


def test_reading_a_plane_of_a_zarr_part_reads_only_its_chunk(tmp_path):
    zarr = pytest.importorskip("zarr")
    data = zarr.open(
        tmp_path / "cells.zarr", mode="w", shape=(5, 24, 24), chunks=(1, 24, 24),
        dtype="u2",
    )  # fmt: skip
    data[:] = np.arange(5)[:, None, None]
    (chunk,) = (tmp_path / "cells.zarr").glob("**/4/0/0")
    chunk.write_bytes(b"no chunk")  # reading it would fail
    part = select(Image(data, contrast_limits=(0, 5))).lazy()
    np.testing.assert_array_equal(part[3, 5:7], np.full((2, 24), 3))


def test_nothing_of_ten_thousand_planes_is_read_for_the_form(qapp):
    data, computed = counted(10_000, 24)
    viewer = ViewerModel()
    layer = viewer.add_image(data, contrast_limits=(0, 10_000))
    computed.clear()
    entries = PartEntries(viewer)
    entries.offer(layer)
    for axes in entries.axes.choices:
        entries.axes.value = axes
        entries.offer(layer)
        for scope in entries.scope.choices:
            entries.scope.value = scope
            assert entries.problem(layer) is None
            assert entries.selection(layer).lazy().dtype == np.uint16
    assert entries.whole(layer).planes == 10_000
    assert not computed


def test_the_scope_s_choice_is_kept_where_it_is_there(qapp):
    viewer = ViewerModel()
    stack, other = (viewer.add_image(np.zeros((4, 40, 50))) for _ in range(2))
    single = viewer.add_image(np.zeros((40, 50)))
    entries = PartEntries(viewer)
    entries.offer(stack)
    assert entries.scope.value is Scope.LAYER
    entries.scope.value = Scope.PLANE
    assert entries.meant == "this plane"
    entries.offer(other)
    assert entries.scope.value is Scope.PLANE
    entries.offer(single)
    assert (entries.scope.value, entries.meant) == (Scope.IMAGE, None)
    entries.offer(stack)
    assert (entries.scope.value, entries.meant) == (Scope.LAYER, None)


def test_choosing_channels_as_axes_offers_them_as_parts(qapp):
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((2, 4, 40, 50)))
    entries = PartEntries(viewer)
    entries.offer(layer)
    assert Scope.CHANNEL not in entries.scope.choices
    entries.axes.value = "CZYX"
    entries.offer(layer)
    entries.scope.value = Scope.CHANNEL
    viewer.dims.set_current_step(0, 1)
    part = entries.selection(layer)
    assert (part.axes, part.index[0]) == ("CZYX", slice(1, 2))
    assert part.planes == 4


def test_a_growing_result_is_shown_as_it_grows_and_read_where_it_is_shown():
    noisy, layout = np.full((9, 24, 32), 5, np.uint16), ImageAxes("ZYX", (9, 24, 32))
    read = []

    class Watched(GrowingResult):
        def read(self, index):
            read.append(index[0])
            return super().read(index)

    viewer = ViewerModel()
    source = viewer.add_image(noisy, contrast_limits=(0, 10))
    viewer.dims.set_current_step(0, 4)
    result = Watched(noisy, layout)
    layer = add_result(viewer, source, result, select(source).index, {})
    assert layer.data is result
    assert read[-1] == slice(4, 5, 1)
    plane = (slice(4, 5), slice(None), slice(None))
    layer.data[plane] = np.full((1, 24, 32), 7, np.uint16)
    layer.refresh(extent=False)
    assert layer.get_value((4, 3, 3)) == 7
    viewer.dims.set_current_step(0, 2)
    assert layer.get_value((2, 3, 3)) == 5
    assert {part.stop - part.start for part in read} == {1}
    assert layer.contrast_limits == [0, 10]


def test_a_growing_result_in_colour_stays_in_colour():
    noisy = np.full((24, 32, 3), 5, np.uint8)
    viewer = ViewerModel()
    source = viewer.add_image(noisy, rgb=True)
    result = GrowingResult(noisy, ImageAxes("YXS", noisy.shape))
    layer = add_result(viewer, source, result, select(source).index, {})
    layer.data[...] = np.full((24, 32, 3), 9, np.uint8)
    layer.refresh(extent=False)
    assert layer.rgb
    np.testing.assert_array_equal(layer.get_value((3, 3)), [9, 9, 9])
