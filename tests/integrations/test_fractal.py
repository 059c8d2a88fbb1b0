"""The Fractal task: what it makes of a plate, and what it tells the server."""

import inspect
import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import napari_mpi.api.files
from napari_mpi import PRESETS, errors, read_image

HOW = {"preset": "blind-fast", "device": "cpu"}
FIELDS = ("B/03/0", "B/04/0")


@pytest.fixture
def denoise(fractal):
    """Return the task's function."""
    from napari_mpi_fractal.denoise import denoise

    return denoise


@pytest.fixture
def fresh_manifest(fractal):
    """Return the manifest as the task's function and list of tasks say it now."""
    creation = pytest.importorskip("fractal_task_tools._create_manifest")
    return creation.create_manifest(
        raw_package_name="napari-mpi-fractal", task_list_path="dev.task_list"
    )


@pytest.fixture
def manifest(fractal):
    """Return the manifest that servers read."""
    file = fractal / "napari_mpi_fractal" / "__FRACTAL_MANIFEST__.json"
    return json.loads(file.read_text())


def test_the_manifest_is_what_the_function_says(manifest, fresh_manifest):
    assert manifest == fresh_manifest  # else: fractal-manifest create


def test_the_form_has_every_parameter_with_its_default(manifest, denoise):
    (task,) = manifest["task_list"]
    form = task["args_schema_parallel"]
    parameters = inspect.signature(denoise).parameters
    assert list(form["properties"]) == list(parameters)
    assert form["required"] == ["zarr_url"]
    for name, field in form["properties"].items():
        assert field.get("default", inspect.Parameter.empty) == parameters[name].default
        assert field["description"] != "Missing description"


def test_the_form_offers_the_presets_that_there_are(manifest):
    (task,) = manifest["task_list"]
    assert task["args_schema_parallel"]["properties"]["preset"]["enum"] == list(PRESETS)


def test_a_plate_gets_a_new_image_beside_each_field(denoise, plate, described):
    for field in FIELDS:
        told = denoise(zarr_url=f"{plate}/{field}", **HOW)
        new = {"zarr_url": f"{plate}/{field}_denoised", "origin": f"{plate}/{field}"}
        assert told == {"image_list_updates": [new]}
        noisy, made = read_image(plate / field), read_image(f"{plate}/{field}_denoised")
        assert made.axes == noisy.axes
        assert made.calibration == noisy.calibration
        assert made.array.dtype == noisy.array.dtype
        assert 0 < made.array.std() < 0.7 * noisy.array.std()
        well = described((plate / field).parent)["well"]
        assert well["images"] == [
            {"path": "0", "acquisition": 7},
            {"path": "0_denoised", "acquisition": 7},
        ]
        seen = {p.name for p in (plate / field).parent.iterdir() if p.is_dir()}
        assert seen == {"0", "0_denoised"}


def test_the_new_image_is_valid_with_levels_labels_and_tables(
    denoise, plate, described
):
    yaozarrs = pytest.importorskip("yaozarrs")
    source, new = plate / "B/03/0", plate / "B/03/0_denoised"
    denoise(zarr_url=str(source), **HOW)
    yaozarrs.validate_zarr_store(str(new))
    old, said = (described(p)["multiscales"][0] for p in (source, new))
    assert said["datasets"] == old["datasets"]
    for beside in ("tables/FOV_ROI_table", "labels/nuclei"):
        files = [p for p in (source / beside).rglob("*") if p.is_file()]
        assert files
        for file in files:
            copy = new / file.relative_to(source)
            assert copy.read_bytes() == file.read_bytes()


def test_the_source_can_be_replaced(denoise, plate, described):
    source = plate / "B/03/0"
    noisy = read_image(source).array
    told = denoise(zarr_url=str(source), overwrite_input=True, **HOW)
    assert told == {"image_list_updates": [{"zarr_url": str(source)}]}
    assert read_image(source).array.std() < 0.7 * noisy.std()
    assert (source / "tables" / "FOV_ROI_table").is_dir()
    assert described(source.parent)["well"]["images"] == [
        {"path": "0", "acquisition": 7}
    ]
    assert [p.name for p in source.parent.iterdir() if p.is_dir()] == ["0"]


def test_an_image_of_that_name_is_only_replaced_if_asked(denoise, plate, described):
    url = f"{plate}/B/03/0"
    denoise(zarr_url=url, **HOW)
    first = read_image(f"{url}_denoised").array
    with pytest.raises(ValueError, match="set overwrite"):
        denoise(zarr_url=url, seed=1, **HOW)
    assert np.array_equal(read_image(f"{url}_denoised").array, first)
    denoise(zarr_url=url, seed=1, overwrite=True, **HOW)
    assert not np.array_equal(read_image(f"{url}_denoised").array, first)
    assert len(described(plate / "B/03")["well"]["images"]) == 2


def test_an_image_outside_of_a_plate_keeps_its_ending(denoise, plate, tmp_path):
    (plate / "B/03/0").rename(tmp_path / "cells.zarr")
    told = denoise(zarr_url=f"{tmp_path}/cells.zarr/", suffix="_clean", **HOW)
    new = {
        "zarr_url": f"{tmp_path}/cells_clean.zarr",
        "origin": f"{tmp_path}/cells.zarr",
    }
    assert told == {"image_list_updates": [new]}
    assert read_image(tmp_path / "cells_clean.zarr").array.size


def test_what_cannot_be_denoised_leaves_the_well_as_it_was(denoise, plate, described):
    well = plate / "B/03"
    before = {p: p.stat().st_mtime_ns for p in well.rglob("*")}
    with pytest.raises(errors.EngineError, match="no-such"):
        denoise(zarr_url=f"{well}/0", weights="no-such", **HOW)
    assert {p: p.stat().st_mtime_ns for p in well.rglob("*") if p != well} == {
        p: t for p, t in before.items() if p != well
    }


@pytest.mark.parametrize(
    "wrong", [{"preset": "best"}, {"suffix": "/../1"}, {"suffix": ""}, {"seed": -1}]
)
def test_wrong_parameters_are_told_before_the_work(denoise, plate, wrong):
    pydantic = pytest.importorskip("pydantic")
    with pytest.raises(pydantic.ValidationError, match=next(iter(wrong))):
        denoise(zarr_url=f"{plate}/B/03/0", **{**HOW, **wrong})


def test_a_well_loses_no_image_when_jobs_write_its_list_together(
    fractal, plate, described
):
    from napari_mpi_fractal.wells import add_to_well

    names = [f"0_{number}" for number in range(8)]
    jobs = [
        threading.Thread(target=add_to_well, args=(plate / "B/03", "0", name))
        for name in names
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    listed = {i["path"] for i in described(plate / "B/03")["well"]["images"]}
    assert listed == {"0", *names}


def test_a_server_runs_it_by_files_of_arguments_and_results(fractal, plate, tmp_path):
    pytest.importorskip("fractal_task_tools")
    arguments, results = tmp_path / "arguments.json", tmp_path / "results.json"
    arguments.write_text(json.dumps({"zarr_url": f"{plate}/B/04/0", **HOW}))
    task = fractal / "napari_mpi_fractal" / "denoise.py"
    files = ["--args-json", str(arguments), "--out-json", str(results)]
    path = os.pathsep.join([str(fractal), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, task, *files],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (update,) = json.loads(results.read_text())["image_list_updates"]
    assert update["zarr_url"] == f"{plate}/B/04/0_denoised"


def test_an_interrupted_stack_is_gone_on_with(denoise, plate, described, monkeypatch):
    url, well = f"{plate}/B/04/0", plate / "B/04"

    def interrupted(*files, **how):
        def stop(snapshot):
            if snapshot.fraction > 0.5:
                raise KeyboardInterrupt

        return napari_mpi.api.files.denoise_file(*files, on_snapshot=stop, **how)

    with monkeypatch.context() as patch:
        patch.setattr(napari_mpi, "denoise_file", interrupted, raising=False)
        with pytest.raises(KeyboardInterrupt):
            denoise(zarr_url=url, **HOW)
    assert not (well / "0_denoised").exists()
    assert len(described(well)["well"]["images"]) == 1
    (begun,) = well.glob("*.unfinished")
    denoise(zarr_url=url, **HOW)
    assert (well / "0_denoised").is_dir()
    assert not begun.exists()
