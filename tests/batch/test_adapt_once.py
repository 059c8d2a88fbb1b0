"""One adaptation for the similar files of a folder."""

import dataclasses
import json

import numpy as np
import pytest
import tifffile

from napari_mpi.batch.outcomes import Status
from napari_mpi.batch.request import BatchRequest, Folders
from napari_mpi.batch.work import adapt_once as sharing
from napari_mpi.batch.work.run import run_batch
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.networks.weight_files import save_weights
from napari_mpi.engine.runtime import jobs
from napari_mpi.engine.runtime.errors import ConfigError
from napari_mpi.engine.settings.method import Method
from napari_mpi.engine.settings.presets import GUARDED, preset


@pytest.fixture
def source(tmp_path):
    """Return an empty folder of images."""
    folder = tmp_path / "images"
    folder.mkdir()
    return folder


@pytest.fixture
def request_(source, small_weights, tmp_path):
    """Return what is asked for: a quick run that adapts once."""
    path = tmp_path / "small.safetensors"
    save_weights(small_weights, path)
    method = Method(preset("blind-fast", iterations=2, guard=False), str(path), "cpu")
    return BatchRequest(Folders(source, tmp_path / "results"), method, adapt_once=True)


def put(path, rng, shape=(20, 24), dtype=np.uint16, **options):
    noisy = rng.normal(100, 10, shape).clip(0)
    tifffile.imwrite(path, noisy.astype(dtype), **options)


def run(request):
    state = jobs.run(run_batch(request))
    return {outcome.file: outcome for outcome in state.outcomes}


def adapted(request):
    """Return the adaptations that an output folder keeps."""
    folder = request.folders.output / ".napari-mpi" / "adapted"
    return [load_weights(path) for path in sorted(folder.glob("*.safetensors"))]


def adaptation_of(outcome):
    return outcome.settings["weights"]["sha256"]


def test_files_of_one_kind_share_an_adaptation_and_others_don_t(request_, source, rng):
    put(source / "a.tif", rng)
    put(source / "b.tif", rng)
    put(source / "c.tif", rng, dtype=np.uint8)
    put(source / "d.tif", rng, (20, 24, 3), np.uint8, photometric="rgb")
    put(source / "e.tif", rng, (2, 20, 24), imagej=True, metadata={"axes": "CYX"})
    put(source / "f.tif", rng, (4, 20, 24), imagej=True, metadata={"axes": "ZYX"})
    outcomes = run(request_)
    assert {outcome.status for outcome in outcomes.values()} == {Status.DONE}
    found = {name: adaptation_of(outcome) for name, outcome in outcomes.items()}
    assert found["a.tif"] == found["b.tif"] == found["f.tif"]
    assert len(set(found.values())) == 4
    assert len(adapted(request_)) == 4


def test_the_weights_are_adapted_to_the_files_and_say_so(
    request_, source, rng, small_weights
):
    put(source / "a.tif", rng)
    put(source / "b.tif", rng)
    outcome = run(request_)["a.tif"]
    (weights,) = adapted(request_)
    made = weights.provenance["folder_adaptation"]
    assert set(made["files"]) == {"a.tif", "b.tif"}
    assert made["iterations"] == 2
    assert made["from"]["sha256"]
    changed = [
        name
        for name, value in weights.state.items()
        if not value.equal(small_weights.state[name])
    ]
    assert changed
    assert outcome.settings["settings"]["learning_rate"] == 0
    assert outcome.settings["weights"]["name"] == "small, adapted to a folder"


def test_files_that_come_later_are_denoised_like_those_before(request_, source, rng):
    put(source / "a.tif", rng)
    put(source / "b.tif", rng)
    first = run(request_)
    put(source / "c.tif", rng)
    second = run(request_)
    assert second["a.tif"].status is Status.SKIPPED
    assert second["c.tif"].status is Status.DONE
    assert adaptation_of(second["c.tif"]) == adaptation_of(first["a.tif"])
    again = run(dataclasses.replace(request_, overwrite=True))
    assert adaptation_of(again["a.tif"]) != adaptation_of(first["a.tif"])
    assert adaptation_of(again["a.tif"]) == adaptation_of(again["c.tif"])


def test_a_run_that_was_ended_goes_on_to_the_same_results(
    request_, source, rng, tmp_path
):
    for name in "abcd":
        put(source / f"{name}.tif", rng)
    folders = dataclasses.replace(request_.folders, output=tmp_path / "undisturbed")
    run(dataclasses.replace(request_, folders=folders))
    job = run_batch(request_)
    for snapshot in job:
        if snapshot.number == 2:
            break
    job.close()
    outcomes = run(request_)
    assert [outcome.status for outcome in outcomes.values()] == [
        *[Status.SKIPPED] * 2,
        *[Status.DONE] * 2,
    ]
    for path in folders.output.glob("*.tif"):
        other = tifffile.imread(request_.folders.output / path.name)
        np.testing.assert_array_equal(tifffile.imread(path), other)


def test_bad_files_are_left_out_and_told(request_, source, rng):
    put(source / "a.tif", rng)
    (source / "b.tif").write_bytes(b"no TIFF")
    image = rng.normal(100, 10, (20, 24)).astype(np.float32)
    tifffile.imwrite(source / "c.tif", np.full((20, 24), np.nan, "f4"))
    tifffile.imwrite(source / "d.tif", image)
    tifffile.imwrite(source / "e.tif", np.full((20, 24), 7, np.uint16))
    outcomes = run(request_)
    failed = [o.file for o in outcomes.values() if o.status is Status.FAILED]
    assert failed == ["b.tif", "c.tif"]
    assert np.all(tifffile.imread(request_.folders.output / "e-denoised.tif") == 7)


def test_many_files_of_many_sizes_give_windows_of_one(request_, source, rng):
    for number in range(20):
        put(source / f"{number}.tif", rng, (16 + number, 40 - number))
    outcomes = run(request_)
    assert {outcome.status for outcome in outcomes.values()} == {Status.DONE}
    (weights,) = adapted(request_)
    files = weights.provenance["folder_adaptation"]["files"]
    assert len(files) == 16


def test_a_kind_that_cannot_be_adapted_to_fails_alone(request_, source, rng):
    put(source / "a.tif", rng)
    tifffile.imwrite(source / "flat.tif", np.full((20, 24), 7, np.uint8))
    outcomes = run(request_)
    assert outcomes["a.tif"].status is Status.DONE
    assert outcomes["flat.tif"].status is Status.FAILED
    assert "none of the uint8 grey files" in outcomes["flat.tif"].message


def test_an_adaptation_that_is_damaged_is_made_again(request_, source, rng):
    put(source / "a.tif", rng)
    first = run(request_)["a.tif"]
    folder = request_.folders.output / ".napari-mpi" / "adapted"
    (path,) = folder.glob("*.safetensors")
    path.write_bytes(b"xx")
    put(source / "b.tif", rng)
    outcomes = run(request_)
    assert {outcome.status for outcome in outcomes.values()} == {Status.DONE}
    assert adaptation_of(outcomes["a.tif"]) != adaptation_of(first)


def test_settings_that_fill_while_they_adapt_cannot_be_shared(request_):
    method = dataclasses.replace(request_.method, config=preset("independent-fast"))
    with pytest.raises(ConfigError, match="choose a blind preset"):
        run(dataclasses.replace(request_, method=method))


def test_correlated_noise_is_not_adapted_to_and_the_files_say_so(
    request_, source, rng, monkeypatch
):
    put(source / "a.tif", rng)
    config = dataclasses.replace(request_.method.config, guard=True)
    method = dataclasses.replace(request_.method, config=config)
    request_ = dataclasses.replace(request_, method=method)
    monkeypatch.setattr("napari_mpi.engine.filling.iterative.CORRELATED", -1.0)
    with pytest.warns(UserWarning, match="uint16 grey files: not adapted"):
        outcome = run(request_)["a.tif"]
    assert GUARDED in outcome.message
    (weights,) = adapted(request_)
    assert weights.provenance["folder_adaptation"]["adapted"] is False


def test_a_second_run_waits_for_the_adaptation(request_, source, rng, monkeypatch):
    put(source / "a.tif", rng)
    monkeypatch.setattr(sharing, "_WAIT", 0)
    first, second = run_batch(request_), run_batch(request_)
    for snapshot in first:
        if snapshot.stage.startswith("adapting"):
            break
    for snapshot in second:
        if snapshot.stage == "another run adapts to these files":
            break
    results = [jobs.run(job) for job in (first, second)]
    statuses = {state.outcomes[0].status for state in results}
    assert statuses == {Status.DONE, Status.SKIPPED}
    assert len(adapted(request_)) == 1


def test_an_adaptation_keeps_the_noise_and_structure_of_every_file(
    tmp_path, shared_data, rng
):
    """With the weights that ship: about as good as each file by itself."""
    from skimage import data

    clean = data.camera()[120:264, 140:284].astype(np.float32)
    source = tmp_path / "images"
    source.mkdir()
    for number, part in enumerate((clean, clean[::-1], clean.T * 3 + 40)):
        noisy = part + rng.normal(0, 20 * (1 + 2 * (number == 2)), part.shape)
        tifffile.imwrite(source / f"{number}.tif", noisy.astype(np.float32))
    method = Method(preset("blind-fast"), "auto", "cpu")
    error = {}
    for once in (False, True):
        output = tmp_path / f"results-{once}"
        run(BatchRequest(Folders(source, output), method, adapt_once=once))
        result = tifffile.imread(output / "0-denoised.tif")
        error[once] = float(np.sqrt(np.mean((result - clean) ** 2)))
    assert error[True] < 9
    assert error[True] < 1.1 * error[False]
    report = json.loads((output / "napari-mpi-report.json").read_text("utf-8"))
    assert report["adapt_once"] is True
