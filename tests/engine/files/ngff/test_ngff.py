"""OME-Zarr there and back, of both versions, and plain arrays in."""

import json

import numpy as np
import pytest

from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.files.metadata import Calibration, ImageFile, Metadata
from napari_mpi.engine.files.output import write_image
from napari_mpi.engine.images.arrays import LazyArray

zarr = pytest.importorskip("zarr")

MADE = {"version": "1.2", "settings": {"seed": 3}}
KNOWN = Calibration(
    {"T": (2.5, "s"), "Z": (0.7, "um"), "Y": (0.25, "um"), "X": (0.5, "um")},
    ("nuclei", "Müller"),
    ("FF0000", "00FF00"),
)


def pixels(shape, dtype="uint16"):
    return (1 + np.arange(np.prod(shape)) % 250).reshape(shape).astype(dtype)


def foreign(path, version):
    """Write an image of two levels as other programs do; return its pixels."""
    array = pixels((2, 2, 3, 40, 50))
    group = zarr.open_group(
        str(path), mode="w", zarr_format=2 if version == "0.4" else 3
    )
    for level, data in enumerate((array, array[..., ::2, ::2])):
        group.create_array(f"s{level}", data=data, chunks=(1, 1, 1, 16, 16))
    names = zip(
        "tczyx",
        ("time", "channel", "space", "space", "space"),
        ("second", None, "micrometer", "micrometer", "micrometer"),
        strict=True,
    )
    axes = [
        {"name": name, "type": kind} | ({"unit": unit} if unit else {})
        for name, kind, unit in names
    ]
    datasets = [
        {
            "path": f"s{level}",
            "coordinateTransformations": [
                {"type": "scale", "scale": [1, 1, 0.7, 0.25 * n, 0.5 * n]},
                {"type": "translation", "translation": [0, 0, 0, 3, 4]},
            ],
        }
        for level, n in enumerate((1, 2))
    ]
    multiscale = {
        "name": "cells",
        "axes": axes,
        "datasets": datasets,
        "coordinateTransformations": [{"type": "scale", "scale": [2.5, 1, 1, 1, 1]}],
    }
    window = {"start": 0, "end": 255, "min": 0, "max": 65535}
    omero = {
        "channels": [
            {"label": label, "color": colour, "window": window, "active": True}
            for label, colour in zip(KNOWN.channels, KNOWN.colours, strict=True)
        ]
    }
    said = {"multiscales": [multiscale], "omero": omero}
    if version == "0.4":
        multiscale["version"] = "0.4"
        group.attrs.update(said | {"facility": "north"})
    else:
        group.attrs.update({"ome": said | {"version": "0.5"}, "facility": "north"})
    return array


def described(path):
    """Return what the group says, and the part that NGFF defines."""
    attributes = zarr.open_group(str(path), mode="r").attrs.asdict()
    return attributes, attributes.get("ome", attributes)


@pytest.mark.parametrize("lazy", [True, False], ids=["lazy", "whole"])
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_level_0_is_read_with_its_calibration(version, lazy, tmp_path):
    array = foreign(tmp_path / "a.ome.zarr", version)
    image = read_image(tmp_path / "a.ome.zarr", lazy=lazy)
    assert isinstance(image.array, LazyArray if lazy else np.ndarray)
    assert image.axes == "TCZYX"
    assert image.calibration == KNOWN
    assert image.array.dtype == array.dtype
    np.testing.assert_array_equal(image.array, array)
    np.testing.assert_array_equal(
        image.array[1, 0, :, 5:20, 3], array[1, 0, :, 5:20, 3]
    )


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_copy_keeps_version_and_all_that_was_said(version, tmp_path):
    foreign(tmp_path / "a.zarr", version)
    before = read_image(tmp_path / "a.zarr", lazy=True)
    write_image(tmp_path / "b.zarr", before, provenance=MADE)
    after = read_image(tmp_path / "b.zarr")
    assert (after.axes, after.calibration) == (before.axes, before.calibration)
    np.testing.assert_array_equal(after.array, before.array)
    (_, old_said), (new, new_said) = (
        described(tmp_path / name) for name in ("a.zarr", "b.zarr")
    )
    assert new["napari-mpi"] == MADE
    assert new["facility"] == "north"
    assert new_said["omero"] == old_said["omero"]
    (old_scale,), (new_scale,) = old_said["multiscales"], new_said["multiscales"]
    assert new_scale | {"datasets": ()} == old_scale | {"datasets": ()}
    assert new_scale["datasets"] == [
        dataset | {"path": str(n)} for n, dataset in enumerate(old_scale["datasets"])
    ]
    assert (version == "0.4") == ((tmp_path / "b.zarr" / ".zgroup").exists())
    assert (new_said.get("version") or new_scale.get("version")) == version


@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ("YX", (30, 40)),
        ("YXS", (30, 40, 3)),
        ("ZYXS", (2, 30, 40, 4)),
        ("ZCYX", (3, 2, 30, 40)),
        ("TYX", (3, 30, 40)),
        ("XYZ", (30, 40, 5)),
        ("QYX", (3, 30, 40)),
        ("TZCYX", (2, 3, 2, 30, 40)),
    ],
)
def test_any_order_of_axes_comes_back(axes, shape, tmp_path):
    known = KNOWN.along(axes, shape)
    image = ImageFile(pixels(shape), axes, Metadata("zarr", calibration=known))
    write_image(tmp_path / "a.zarr", image, provenance=MADE)
    for lazy in (True, False):
        after = read_image(tmp_path / "a.zarr", lazy=lazy)
        assert after.axes == axes
        np.testing.assert_array_equal(after.array, image.array)
        assert after.calibration.steps == known.steps
        assert after.calibration.channels == known.channels
    write_image(tmp_path / "b.zarr", after)  # and again, now from its own source
    assert read_image(tmp_path / "b.zarr").axes == axes
    np.testing.assert_array_equal(read_image(tmp_path / "b.zarr").array, image.array)


def test_what_is_written_is_ngff_0_5_in_the_order_it_asks_for(tmp_path):
    image = ImageFile(pixels((3, 2, 30, 40)), "ZCYX", Metadata(calibration=KNOWN))
    write_image(tmp_path / "a.zarr", image)
    said = json.loads((tmp_path / "a.zarr" / "zarr.json").read_text())["attributes"]
    (multiscale,) = said["ome"]["multiscales"]
    assert said["ome"]["version"] == "0.5"
    assert [axis["name"] for axis in multiscale["axes"]] == list("czyx")
    assert multiscale["axes"][0] == {"name": "c", "type": "channel"}
    assert multiscale["axes"][1]["unit"] == "micrometer"
    (dataset,) = multiscale["datasets"]
    (transform,) = dataset["coordinateTransformations"]
    assert transform == {"type": "scale", "scale": [1.0, 0.7, 0.25, 0.5]}
    array = zarr.open_array(str(tmp_path / "a.zarr" / dataset["path"]), mode="r")
    assert array.shape == (2, 3, 30, 40)
    assert array.metadata.dimension_names == ("c", "z", "y", "x")


def test_channels_are_described_as_viewers_need_them(tmp_path):
    array = pixels((2, 3, 30, 40))
    array[1] += 1000
    known = Calibration({}, ("nuclei", "Müller"))
    image = ImageFile(array, "CZYX", Metadata(calibration=known))
    write_image(tmp_path / "a.zarr", image)
    _, said = described(tmp_path / "a.zarr")
    assert said["omero"]["channels"] == [
        {
            "label": label,
            "color": "FFFFFF",
            "active": True,
            "window": {"min": low, "max": high, "start": low, "end": high},
        }
        for label, low, high in (("nuclei", 1, 250), ("Müller", 1001, 1250))
    ]
    assert read_image(tmp_path / "a.zarr").calibration == known


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32", "float64"])
def test_type_and_values_are_kept(dtype, tmp_path):
    array = -pixels((3, 7, 8), dtype) if dtype != "uint8" else pixels((3, 7, 8), dtype)
    write_image(tmp_path / "a.zarr", ImageFile(array, "ZYX"))
    after = read_image(tmp_path / "a.zarr").array
    assert after.dtype == array.dtype
    np.testing.assert_array_equal(after, array)


def test_chunks_are_parts_of_planes_and_written_only_once(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_mpi.engine.files.ngff.levels.BAND", 1)
    reads = []

    class Source:
        shape, dtype = (2, 1100, 2100), np.dtype("u1")

        def __getitem__(self, index):
            reads.append(index)
            return np.ones([part.stop - part.start for part in index], self.dtype)

    write_image(tmp_path / "a.zarr", ImageFile(Source(), "ZYX"))
    array = zarr.open_array(str(tmp_path / "a.zarr" / "0"), mode="r")
    assert array.chunks == (1, 1024, 1024)
    assert len(reads) == 2 * 2 * 3
    assert (array[:] == 1).all()


@pytest.mark.parametrize(
    ("names", "shape", "axes"),
    [(None, (3, 7, 8), "ZYX"), (("t", "y", "x"), (3, 7, 8), "TYX")],
)
def test_a_plain_array_is_read(names, shape, axes, tmp_path):
    array = pixels(shape)
    made = zarr.create_array(
        str(tmp_path / "a.zarr"),
        shape=shape,
        dtype=array.dtype,
        chunks=(1, 4, 4),
        dimension_names=names,
    )
    made[:] = array
    image = read_image(tmp_path / "a.zarr", lazy=True)
    assert image.axes == axes
    np.testing.assert_array_equal(image.array, array)


def test_of_several_images_the_first_is_read_and_their_number_told(tmp_path):
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=3)
    group.attrs["ome"] = {"version": "0.5", "bioformats2raw.layout": 3}
    for name in ("0", "1"):
        foreign(tmp_path / "a.zarr" / name, "0.5")
    image = read_image(tmp_path / "a.zarr")
    assert (image.axes, image.series) == ("TCZYX", 2)


def test_a_part_of_a_zarr_is_read_by_its_own_path(tmp_path):
    array = foreign(tmp_path / "a.zarr" / "B" / "3", "0.4")
    assert read_image(tmp_path / "a.zarr" / "B" / "3").axes == "TCZYX"
    level = read_image(tmp_path / "a.zarr" / "B" / "3" / "s1", lazy=True)
    np.testing.assert_array_equal(level.array, array[..., ::2, ::2])
