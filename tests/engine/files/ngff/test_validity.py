"""What is written is OME-Zarr as its specification has it, which others check too."""

import json

import numpy as np
import pytest

from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.files.metadata import Calibration, ImageFile, Metadata
from napari_mpi.engine.files.output import write_image

zarr = pytest.importorskip("zarr")
yaozarrs = pytest.importorskip("yaozarrs")

MADE = {"version": "1.2", "settings": {"seed": 3}}
STEPS = {"T": (2.5, "s"), "Z": (0.7, "um"), "Y": (0.25, "um"), "X": (0.5, "um")}
KNOWN = Calibration(STEPS, ("nuclei", "Müller"), ("FF0000", "00FF00"))
NAMED = Calibration({}, ("nuclei", "Müller"))


def pixels(shape, dtype="uint16"):
    return (1 + np.arange(np.prod(shape)) % 250).reshape(shape).astype(dtype)


def valid_version(path):
    """Return the version of an OME-Zarr whose metadata and arrays are as they must."""
    return yaozarrs.validate_zarr_store(str(path)).ome_version()


@pytest.mark.parametrize("known", [KNOWN, Calibration()], ids=["calibrated", "bare"])
@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ("YX", (30, 40)),
        ("TYX", (3, 30, 40)),
        ("XYZ", (30, 40, 5)),
        ("QYX", (3, 30, 40)),
        ("ZYXS", (2, 30, 40, 4)),
        ("TZCYX", (2, 3, 2, 30, 40)),
    ],
)
def test_new_images_are_valid(axes, shape, known, tmp_path):
    metadata = Metadata(calibration=known.along(axes, shape))
    image = ImageFile(pixels(shape), axes, metadata)
    write_image(tmp_path / "a.zarr", image, provenance=MADE)
    assert valid_version(tmp_path / "a.zarr") == "0.5"


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_copy_of_an_image_of_two_levels_is_valid_in_its_version(version, tmp_path):
    """Its channel has no window, which NGFF asks for."""
    group = zarr.open_group(
        str(tmp_path / "a.zarr"), mode="w", zarr_format=2 if version == "0.4" else 3
    )
    array = pixels((30, 40))
    for level, data in enumerate((array, array[::2, ::2])):
        group.create_array(f"s{level}", data=data)
    axes = [{"name": name, "type": "space"} for name in "yx"]
    datasets = [
        {
            "path": f"s{level}",
            "coordinateTransformations": [{"type": "scale", "scale": [n, n]}],
        }
        for level, n in enumerate((1, 2))
    ]
    multiscale = {"name": "cells", "axes": axes, "datasets": datasets}
    channel = {"label": "nuclei", "color": "FF0000", "active": True}
    said = {"multiscales": [multiscale], "omero": {"channels": [channel]}}
    if version == "0.4":
        multiscale["version"] = "0.4"
    group.attrs.update(said if version == "0.4" else {"ome": said | {"version": "0.5"}})
    copy = tmp_path / "b.zarr"
    write_image(copy, read_image(tmp_path / "a.zarr", lazy=True), provenance=MADE)
    assert valid_version(copy) == version
    described = zarr.open_group(str(copy), mode="r").attrs.asdict()
    (written,) = described.get("ome", described)["omero"]["channels"]
    assert (written["window"]["min"], written["window"]["max"]) == (1, 250)


@pytest.mark.parametrize("lost", [0, slice(None)], ids=["one row", "all"])
def test_a_channel_with_pixels_that_are_no_numbers_is_valid(lost, tmp_path):
    array = pixels((2, 30, 40), "float32")
    array[0, lost] = np.nan
    array[1, 3, 4] = np.inf
    write_image(
        tmp_path / "a.zarr", ImageFile(array, "CYX", Metadata(calibration=NAMED))
    )
    assert valid_version(tmp_path / "a.zarr") == "0.5"
    said = json.loads((tmp_path / "a.zarr" / "zarr.json").read_text())["attributes"]
    windows = [channel["window"] for channel in said["ome"]["omero"]["channels"]]
    assert all(np.isfinite(list(window.values())).all() for window in windows)
    assert (windows[1]["min"], windows[1]["max"]) == (1, 250)
