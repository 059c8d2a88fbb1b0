"""Layers of every type, axes and source: the result is of the same kind and place."""

import contextlib

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel

from napari_mpi.engine.settings.method import Method
from napari_mpi.engine.settings.presets import preset
from napari_mpi.widgets.denoise.jobs.asked import Finished, Prepared, Request
from napari_mpi.widgets.denoise.jobs.job import denoise_job
from napari_mpi.widgets.layers.result import add_result
from napari_mpi.widgets.layers.selection import select

SHAPES = {
    "YX": (32, 40),
    "ZYX": (2, 32, 40),
    "TYX": (2, 32, 40),
    "CYX": (2, 32, 40),
    "TZCYX": (2, 1, 2, 32, 40),
    "YXS": (32, 40, 3),
}
OTHER_TYPES = ["uint8", "int16", "float32"]
CONFIG = preset("independent-fast", iterations=2)


def as_numpy(image, _):
    return image


def as_multiscale(image, axes):
    halved = tuple(slice(None, None, 2 if axis in "YX" else 1) for axis in axes)
    return [image, image[halved]]


def as_dask(image, axes):
    chunks = [-1 if axis in "YXS" else 1 for axis in axes]
    return da.from_array(image, chunks=chunks)


def as_zarr(image, axes):
    zarr = pytest.importorskip("zarr")
    chunks = tuple(
        size if axis in "YXS" else 1
        for axis, size in zip(axes, image.shape, strict=True)
    )
    array = zarr.create_array({}, shape=image.shape, chunks=chunks, dtype=image.dtype)
    array[...] = image
    return array


CASES = [
    *((as_numpy, axes, "uint16") for axes in SHAPES),
    *((as_numpy, axes, dtype) for axes in ("ZYX", "YXS") for dtype in OTHER_TYPES),
    *(
        (k, axes, "uint16")
        for k in (as_multiscale, as_dask, as_zarr)
        for axes in SHAPES
    ),
]


def noisy_layer(viewer, make, axes, dtype, rng):
    """Add a layer with a place, units and labels of its own; return it and its image.

    Its values reach below 0 where the type does, and to the type's end for 8 bits.
    """
    image = rng.normal(0, 20, SHAPES[axes])
    rows = slice(8, 24)
    image[(rows, rows) if axes == "YXS" else (..., rows, rows)] += 120
    image += 0 if dtype in ("int16", "float32") else 100
    if np.dtype(dtype).kind != "f":
        ends = np.iinfo(dtype)
        image = np.rint(image).clip(ends.min, ends.max)
    image = image.astype(dtype)
    spatial = axes.removesuffix("S")
    layer = viewer.add_image(
        make(image, axes),
        name="cells",
        rgb=axes.endswith("S"),
        multiscale=make is as_multiscale,
        scale=[0.5 + n for n in range(len(spatial))],
        translate=list(range(len(spatial))),
        units=["um"] * len(spatial),
        axis_labels=list(spatial.lower()),
        contrast_limits=(0, 200),
    )
    return layer, image


def denoised(viewer, layer, weights):
    """Run the widget's job as its worker does, and show what it has made."""
    request = Request(select(layer), Method(CONFIG, str(weights), "cpu"))
    with contextlib.closing(denoise_job(request)) as job:
        events = list(job)
    prepared = events[0]
    assert isinstance(prepared, Prepared)
    assert isinstance(events[-1], Finished)
    index = request.selection.index
    return add_result(viewer, layer, prepared.state.result, index, prepared.made)


@pytest.mark.parametrize(("make", "axes", "dtype"), CASES)
def test_the_result_is_of_its_source_s_kind_and_place(
    make, axes, dtype, small_file, rng
):
    viewer = ViewerModel()
    source, image = noisy_layer(viewer, make, axes, dtype, rng)
    result = denoised(viewer, source, small_file)
    assert (result.data.shape, result.data.dtype) == (image.shape, np.dtype(dtype))
    for name in ("units", "axis_labels", "rgb"):
        assert getattr(result, name) == getattr(source, name), name
    for name in ("scale", "translate"):
        np.testing.assert_array_equal(getattr(result, name), getattr(source, name))
    assert not result.multiscale
    assert result.metadata["napari-mpi"]["axes"] == axes
    made = np.asarray(result.data[...]).astype(float)
    planes = {axis: n for n, axis in enumerate(axes)}
    inside = tuple(planes[axis] for axis in "YXS" if axis in planes)
    assert (made != image).any(axis=inside).all()  # every plane was denoised
    assert made.mean() == pytest.approx(image.mean(), rel=0.2)


@pytest.mark.parametrize("make", [as_multiscale, as_dask, as_zarr])
def test_the_result_is_the_same_whatever_holds_the_pixels(make, small_file):
    results = []
    for kind in (as_numpy, make):
        viewer, rng = ViewerModel(), np.random.default_rng(0)
        source, _ = noisy_layer(viewer, kind, "CYX", "uint16", rng)
        result = denoised(viewer, source, small_file)
        results.append(np.asarray(result.data[...]))
    np.testing.assert_array_equal(*results)
