"""What several files or folders make up is one item of a batch, or each its own."""

import json

import numpy as np
import pytest
import tifffile

from napari_mpi import denoise_folder, read_image
from napari_mpi.batch.outcomes import Status
from napari_mpi.engine.files.ngff.plates import fields_of

HOW = {"preset": "blind-fast", "weights": "grey", "learning_rate": 0.0, "device": "cpu"}


@pytest.fixture
def stack(rng):
    return rng.normal(500, 40, (3, 32, 36)).astype(np.float32)


def by_file(outcomes):
    return {outcome.file: outcome for outcome in outcomes}


def write_set(folder, stack):
    """Write a stack as a set of OME-TIFF files, one for each plane."""
    folder.mkdir(exist_ok=True)
    names = [f"cell_Z{n}.ome.tif" for n in range(len(stack))]
    planes = "".join(
        f'<TiffData FirstZ="{n}" IFD="0" PlaneCount="1"><UUID FileName="{name}">'
        f"urn:uuid:0000-{n}</UUID></TiffData>"
        for n, name in enumerate(names)
    )
    for n, name in enumerate(names):
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?><OME'
            ' xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'
            f' UUID="urn:uuid:0000-{n}"><Image ID="Image:0"><Pixels ID="Pixels:0"'
            ' DimensionOrder="XYZCT" Type="float" SizeX="36" SizeY="32" SizeC="1"'
            f' SizeT="1" SizeZ="{len(stack)}"><Channel ID="Channel:0:0"'
            f' SamplesPerPixel="1"/>{planes}</Pixels></Image></OME>'
        )
        tifffile.imwrite(folder / name, stack[n], description=xml, metadata=None)
    return names


def test_a_set_of_files_is_denoised_once(tmp_path, stack):
    names = write_set(tmp_path / "in", stack)
    tifffile.imwrite(tmp_path / "in" / "other.tif", stack[0])
    found = by_file(denoise_folder(tmp_path / "in", tmp_path / "out", **HOW))
    assert found[names[0]].status is found["other.tif"].status is Status.DONE
    assert found[names[0]].shape == stack.shape
    for name in names[1:]:
        assert found[name].status is Status.SKIPPED
        assert found[name].message == f"it is part of the image of {names[0]!r}"
    results = {path.name for path in (tmp_path / "out").glob("*.tif")}
    assert results == {"cell_Z0-denoised.ome.tif", "other-denoised.tif"}


def test_a_set_is_done_again_if_any_of_its_files_changes(tmp_path, stack):
    names = write_set(tmp_path / "in", stack)
    denoise_folder(tmp_path / "in", tmp_path / "out", **HOW)
    again = by_file(denoise_folder(tmp_path / "in", tmp_path / "out", **HOW))
    assert again[names[0]].status is Status.SKIPPED
    write_set(tmp_path / "in", np.concatenate([stack[:2], stack[2:] + 50]))
    changed = by_file(denoise_folder(tmp_path / "in", tmp_path / "out", **HOW))
    assert changed[names[0]].status is Status.DONE
    found = read_image(tmp_path / "out" / changed[names[0]].output).array
    assert found[2].mean() == pytest.approx(550, abs=3)


@pytest.fixture
def plate(tmp_path, stack):
    """Return a plate of two wells, one with two fields."""
    zarr = pytest.importorskip("zarr")
    folder = tmp_path / "in" / "screen.zarr"
    wells = {"A/1": 2, "B/3": 1}
    root = zarr.open_group(folder, mode="w", zarr_format=2)
    root.attrs["plate"] = {"wells": [{"path": path} for path in wells]}
    for path, fields in wells.items():
        well = zarr.open_group(folder / path, mode="w", zarr_format=2)
        well.attrs["well"] = {"images": [{"path": str(n)} for n in range(fields)]}
        for n in range(fields):
            group = zarr.open_group(folder / path / str(n), mode="w", zarr_format=2)
            group.create_array("0", data=stack[n])
            axes = [{"name": name, "type": "space"} for name in "yx"]
            datasets = [{"path": "0"}]
            group.attrs["multiscales"] = [
                {"version": "0.4", "axes": axes, "datasets": datasets}
            ]
    return folder


def test_the_fields_of_a_plate_are_its_images(plate, tmp_path):
    outcomes = denoise_folder(plate.parent, tmp_path / "out", **HOW)
    assert {outcome.file for outcome in outcomes} == {
        "screen.zarr/A/1/0", "screen.zarr/A/1/1", "screen.zarr/B/3/0",
    }  # fmt: skip
    assert {outcome.status for outcome in outcomes} == {Status.DONE}
    report = json.loads((tmp_path / "out" / "napari-mpi-report.json").read_text())
    assert report
    for outcome in outcomes:
        inside = outcome.file.removeprefix("screen.zarr/")
        assert outcome.output == f"screen-denoised.zarr/{inside}"
        assert read_image(tmp_path / "out" / outcome.output).array.shape == (32, 36)
    results = tmp_path / "out" / "screen-denoised.zarr"
    assert fields_of(results) == [
        results / "A/1/0", results / "A/1/1", results / "B/3/0",
    ]  # fmt: skip
    zarr = pytest.importorskip("zarr")
    for place in ("", "A/1", "B/3"):
        one, other = (zarr.open_group(p / place, mode="r") for p in (plate, results))
        assert one.attrs.asdict() == other.attrs.asdict()


def test_a_field_is_done_again_if_its_pixels_change(plate, stack, tmp_path):
    zarr = pytest.importorskip("zarr")
    denoise_folder(plate, tmp_path / "out", **HOW)
    zarr.open_group(plate / "A/1/0", mode="r+")["0"][:] = stack[2] + 100
    found = by_file(denoise_folder(plate, tmp_path / "out", **HOW))
    statuses = {name: outcome.status for name, outcome in found.items()}
    assert statuses == {
        "A/1/0": Status.DONE, "A/1/1": Status.SKIPPED, "B/3/0": Status.SKIPPED,
    }  # fmt: skip


def test_what_microscopes_alone_write_is_written_as_tiff(tmp_path, stack):
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "a.lsm", stack[0])
    (outcome,) = denoise_folder(tmp_path / "in", tmp_path / "out", **HOW)
    assert (outcome.status, outcome.output) == (Status.DONE, "a-denoised.tif")
