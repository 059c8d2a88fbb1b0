"""Batches: each file on its own, nothing done twice, nothing half-written."""

import csv
import dataclasses
import functools
import json
import os
import time

import numpy as np
import pytest
import tifffile

from napari_mpi.batch import contents, records
from napari_mpi.batch.outcomes import BatchState, Status
from napari_mpi.batch.request import BatchRequest, Folders
from napari_mpi.batch.work import one_file
from napari_mpi.batch.work import run as running
from napari_mpi.batch.work.run import run_batch
from napari_mpi.engine.denoising import denoise
from napari_mpi.engine.denoising import file as file_denoising
from napari_mpi.engine.networks.weight_files import save_weights
from napari_mpi.engine.networks.weights import random_weights
from napari_mpi.engine.runtime import jobs
from napari_mpi.engine.runtime.errors import DiskError, OutOfMemory
from napari_mpi.engine.settings.method import Method
from napari_mpi.engine.settings.presets import preset


@pytest.fixture
def source(tmp_path, rng):
    """Return a folder of four small images."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(4):
        put(folder / f"cell {number}.tif", rng)
    return folder


@pytest.fixture
def request_(source, small_weights, tmp_path):
    """Return what is asked for: a quick run."""
    weights = tmp_path / "small.safetensors"
    save_weights(small_weights, weights)
    method = Method(preset("blind-fast", iterations=2), str(weights), "cpu")
    return BatchRequest(Folders(source, tmp_path / "results", recursive=True), method)


@pytest.fixture
def denoised(monkeypatch):
    """Return the names of the files that are denoised, in order."""
    names = []
    open_file = file_denoising.open_file

    def opened(source, *args, **kwargs):
        names.append(source.name)
        return open_file(source, *args, **kwargs)

    monkeypatch.setattr(one_file, "open_file", opened)
    return names


def put(path, rng, shape=(20, 24), dtype=np.uint16):
    tifffile.imwrite(path, rng.normal(1000, 100, shape).clip(0).astype(dtype))


def run(request, on_snapshot=None):
    """Run a batch; return the outcomes by name."""
    state = jobs.run(run_batch(request), on_snapshot)
    return {outcome.file: outcome for outcome in state.outcomes}


def statuses(outcomes):
    return [outcome.status for outcome in outcomes.values()]


def visible(folder):
    """Return all files of a folder but those that are kept hidden in it."""
    found = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return {name for name in found if not name.startswith(".napari-mpi/items/")}


def leftovers(folder):
    return [path for path in folder.rglob("*") if ".part" in path.name
            or path.name.endswith(".work")]  # fmt: skip


def test_results_are_those_of_the_files_alone(request_, source):
    outcomes = run(request_)
    assert statuses(outcomes) == [Status.DONE] * 4
    output = request_.folders.output
    for number in range(4):
        alone = output.parent / "alone.tif"
        path = source / f"cell {number}.tif"
        opened = file_denoising.open_file(path, alone, request_.method)
        jobs.run(file_denoising.denoise_file(*opened, alone))
        result = tifffile.imread(output / f"cell {number}-denoised.tif")
        np.testing.assert_array_equal(result, tifffile.imread(alone))


def test_the_report_says_what_happened_to_every_file(request_, source, rng):
    put(source / "stack.tif", rng, (5, 20, 24), np.uint8)
    (source / "broken.tif").write_bytes(b"not a TIFF")
    (source / "notes.txt").write_text("read me")
    run(request_)
    output = request_.folders.output
    with (output / "napari-mpi-report.csv").open(encoding="utf-8-sig") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    told = json.loads((output / "napari-mpi-report.json").read_text("utf-8"))
    files = {entry["file"]: entry for entry in told["files"]}
    assert told["counts"] == {"done": 5, "failed": 1, "skipped": 1}
    assert rows["cell 0.tif"]["status"] == "done"
    assert rows["cell 0.tif"]["shape"] == "20 x 24"
    assert rows["cell 0.tif"]["axes"] == "YX"
    assert rows["cell 0.tif"]["dtype"] == "uint16"
    assert float(rows["cell 0.tif"]["seconds"]) > 0
    assert float(rows["cell 0.tif"]["noise_before"]) == pytest.approx(100, rel=0.3)
    assert json.loads(rows["cell 0.tif"]["settings"])["iterations"] == 2
    assert files["stack.tif"]["shape"] == [5, 20, 24]
    assert files["stack.tif"]["settings"]["weights"]["sha256"]
    assert rows["broken.tif"]["status"] == "failed"
    assert "cannot be read as an image" in files["broken.tif"]["message"]
    assert "no image" in rows["notes.txt"]["message"]


def test_what_is_up_to_date_is_not_done_again(request_, source, denoised):
    first = run(request_)
    for path in source.iterdir():
        os.utime(path, (1, 1))  # as a copy from elsewhere may do
    denoised.clear()
    second = run(request_)
    assert denoised == []
    assert statuses(second) == [Status.SKIPPED] * 4
    # What is known of the results is still in the report.
    outcome = second["cell 0.tif"]
    assert outcome.settings == first["cell 0.tif"].settings
    assert outcome.shape == (20, 24)
    assert outcome.seconds == first["cell 0.tif"].seconds


def test_a_file_of_other_content_but_equal_size_and_date_is_done_again(
    request_, source, denoised, rng
):
    run(request_)
    path = source / "cell 1.tif"
    before = path.stat()
    put(path, rng)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    denoised.clear()
    run(request_)
    assert denoised == ["cell 1.tif"]


@pytest.mark.parametrize("change", ["settings", "weights", "axes", "adapt_once"])
def test_other_settings_or_weights_do_all_again(request_, denoised, change):
    run(request_)
    method = request_.method
    if change == "settings":
        config = dataclasses.replace(method.config, seed=1)
        request_ = dataclasses.replace(
            request_, method=dataclasses.replace(method, config=config)
        )
    elif change == "axes":
        method = dataclasses.replace(method, axes="XY")
        request_ = dataclasses.replace(request_, method=method)
    elif change == "adapt_once":
        request_ = dataclasses.replace(request_, adapt_once=True)
    else:
        other = random_weights(method_network(method), seed=5)
        save_weights(other, method_path(method))
    denoised.clear()
    outcomes = run(request_)
    assert statuses(outcomes) == [Status.DONE] * 4
    assert len(denoised) == 4


def method_path(method):
    from pathlib import Path

    return Path(method.weights)


def method_network(method):
    from napari_mpi.engine.networks.loading import load_weights

    return load_weights(method.weights).network


def test_a_result_that_is_gone_is_made_again(request_, denoised):
    run(request_)
    (request_.folders.output / "cell 2-denoised.tif").unlink()
    denoised.clear()
    run(request_)
    assert denoised == ["cell 2.tif"]


def test_files_in_the_way_are_not_replaced_unless_asked(request_):
    output = request_.folders.output
    run(request_)
    (output / "cell 0-denoised.tif").write_bytes(b"mine")
    tifffile.imwrite(output / "cell 1-denoised.tif", np.zeros((3, 3)))  # retouched
    config = dataclasses.replace(request_.method.config, seed=1)
    method = dataclasses.replace(request_.method, config=config)
    request_ = dataclasses.replace(request_, method=method)
    outcomes = run(request_)
    assert [o.file for o in outcomes.values() if o.status is Status.FAILED] == [
        "cell 0.tif",
        "cell 1.tif",
    ]
    assert "not ours, or changed" in outcomes["cell 0.tif"].message
    assert (output / "cell 0-denoised.tif").read_bytes() == b"mine"
    forced = run(dataclasses.replace(request_, overwrite=True))
    assert statuses(forced) == [Status.DONE] * 4
    assert tifffile.imread(output / "cell 0-denoised.tif").shape == (20, 24)
    assert statuses(run(request_)) == [Status.SKIPPED] * 4


def test_a_result_never_replaces_its_own_source(source, request_):
    output = request_.folders.output
    output.mkdir()
    (output / "cell 0.tif").hardlink_to(source / "cell 0.tif")
    before = (source / "cell 0.tif").read_bytes()
    folders = dataclasses.replace(request_.folders, suffix="")
    outcomes = run(dataclasses.replace(request_, folders=folders, overwrite=True))
    assert "would replace the file itself" in outcomes["cell 0.tif"].message
    assert (source / "cell 0.tif").read_bytes() == before
    assert outcomes["cell 1.tif"].status is Status.DONE


def test_only_what_failed_is_tried_again_when_asked(request_, source, denoised, rng):
    (source / "cell 1.tif").write_bytes(b"broken")
    run(request_)
    put(source / "cell 1.tif", rng)
    put(source / "new.tif", rng)
    (request_.folders.output / "cell 0-denoised.tif").unlink()
    denoised.clear()
    outcomes = run(dataclasses.replace(request_, retry_failed=True))
    assert denoised == ["cell 1.tif"]
    assert outcomes["cell 1.tif"].status is Status.DONE
    assert outcomes["new.tif"].status is Status.SKIPPED
    assert "not tried before" in outcomes["new.tif"].message


def test_a_failure_leaves_an_earlier_result_as_it_was(request_, source, denoised):
    run(request_)
    good = (source / "cell 0.tif").read_bytes()
    result = (request_.folders.output / "cell 0-denoised.tif").read_bytes()
    (source / "cell 0.tif").write_bytes(b"broken")
    assert run(request_)["cell 0.tif"].status is Status.FAILED
    assert (request_.folders.output / "cell 0-denoised.tif").read_bytes() == result
    (source / "cell 0.tif").write_bytes(good)
    denoised.clear()
    assert run(request_)["cell 0.tif"].status is Status.SKIPPED
    assert denoised == []


def test_a_run_that_dies_as_it_puts_a_result_in_place_is_mended(
    request_, source, monkeypatch, rng
):
    """The record is written before the result is: it must not be believed alone."""
    run(request_)
    put(source / "cell 0.tif", rng)
    replace = os.replace

    def die(new, old):
        if str(old).endswith("cell 0-denoised.tif"):
            raise KeyboardInterrupt
        replace(new, old)

    with monkeypatch.context() as patched:
        patched.setattr(records.os, "replace", die)
        with pytest.raises(KeyboardInterrupt):
            run(request_)
    outcomes = run(request_)
    assert outcomes["cell 0.tif"].status is Status.DONE
    assert statuses(outcomes)[1:] == [Status.SKIPPED] * 3


@pytest.mark.parametrize("damaged", ["{", "null", "[]", "made_from", "outcome"])
def test_a_damaged_record_costs_a_sentence_and_nothing_else(request_, damaged):
    run(request_)
    for path in (request_.folders.output / ".napari-mpi" / "items").glob("*.json"):
        kept = json.loads(path.read_text("utf-8"))
        text = json.dumps({**kept, damaged: []}) if damaged in kept else damaged
        path.write_text(text, "utf-8")
    outcomes = run(request_)
    assert not any(outcome.traceback for outcome in outcomes.values())
    assert len(list(request_.folders.output.glob("*.tif"))) == 4
    assert statuses(run(dataclasses.replace(request_, overwrite=True))) == (
        [Status.DONE] * 4
    )


def test_a_name_that_is_too_long_for_its_result_fails_alone(request_, source, rng):
    put(source / f"{'L' * 248}.tif", rng)
    outcomes = run(request_)
    assert statuses(outcomes) == [*[Status.DONE] * 4, Status.FAILED]
    assert "name too long" in outcomes[f"{'L' * 248}.tif"].message


def test_a_file_that_vanishes_meanwhile_fails_alone(request_, source):
    run(request_)
    config = dataclasses.replace(request_.method.config, seed=1)
    method = dataclasses.replace(request_.method, config=config)

    def remove(snapshot):
        if snapshot.number == 1:
            (source / "cell 3.tif").unlink(missing_ok=True)

    outcomes = run(dataclasses.replace(request_, method=method), remove)
    assert statuses(outcomes) == [*[Status.DONE] * 3, Status.FAILED]
    assert "no such file" in outcomes["cell 3.tif"].message


def test_a_lock_that_cannot_be_had_fails_its_file_alone(request_):
    run(request_)
    items = request_.folders.output / ".napari-mpi" / "items"
    lock = sorted(items.glob("*.lock"))[0]
    lock.unlink()
    lock.mkdir()  # as if it were another person's, whom root cannot be
    outcomes = run(dataclasses.replace(request_, overwrite=True))
    found = statuses(outcomes)
    assert (found.count(Status.FAILED), found.count(Status.DONE)) == (1, 3)


def test_what_comes_in_the_way_meanwhile_is_not_replaced(request_):
    output = request_.folders.output

    def put_there(snapshot):
        if snapshot.number == 0 and snapshot.fraction > 0:
            (output / "cell 0-denoised.tif").write_bytes(b"mine")

    outcomes = run(request_, put_there)
    assert statuses(outcomes) == [Status.FAILED, *[Status.DONE] * 3]
    assert "not ours" in outcomes["cell 0.tif"].message
    assert (output / "cell 0-denoised.tif").read_bytes() == b"mine"


def test_a_clash_forgets_nothing_of_the_result_before(request_, source):
    run(request_)
    (source / "cell 0.png").write_bytes(b"x")
    assert run(request_)["cell 0.tif"].status is Status.FAILED
    (source / "cell 0.png").unlink()
    assert statuses(run(request_)) == [Status.SKIPPED] * 4


def test_results_of_another_folder_are_not_replaced(request_, tmp_path, rng):
    run(request_)
    other = tmp_path / "other images"
    other.mkdir()
    put(other / "cell 0.tif", rng)
    put(other / "new.tif", rng)
    folders = dataclasses.replace(request_.folders, source=other)
    second = dataclasses.replace(request_, folders=folders)
    outcomes = run(second)
    assert statuses(outcomes) == [Status.FAILED, Status.DONE]
    made_from = tmp_path / "images" / "cell 0.tif"
    assert f"was made from {made_from}, which" in outcomes["cell 0.tif"].message
    made_from.rename(tmp_path / "gone.tif")  # a folder that was moved is the same
    assert statuses(run(second)) == [Status.DONE, Status.SKIPPED]


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="there is no second disk")
def test_a_folder_on_another_disk_is_told_before_the_work(request_, source, rng):
    import tempfile

    if os.stat("/dev/shm").st_dev == os.stat(source).st_dev:
        pytest.skip("there is no second disk")
    (source / "deep").mkdir()
    put(source / "deep" / "a.tif", rng)
    request_.folders.output.mkdir()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        (request_.folders.output / "deep").symlink_to(elsewhere)
        outcomes = run(request_)
    assert "lies on another disk" in outcomes["deep/a.tif"].message
    assert statuses(outcomes).count(Status.DONE) == 4


def test_a_file_where_a_folder_is_to_be_is_told(request_, source, rng):
    (source / "deep").mkdir()
    put(source / "deep" / "a.tif", rng)
    request_.folders.output.mkdir()
    (request_.folders.output / "deep").write_text("a file")
    outcomes = run(request_)
    assert "a file stands where the folder" in outcomes["deep/a.tif"].message


def test_what_a_killed_run_has_left_is_removed(request_):
    run(request_)
    items = request_.folders.output / ".napari-mpi" / "items"
    lock = next(items.glob("*.lock"))
    (lock.with_suffix(".work")).mkdir()
    (lock.with_suffix(".work") / "half.tif").write_bytes(b"half")
    run(request_)
    assert leftovers(request_.folders.output) == []


def test_of_a_folder_only_its_images_count(tmp_path):
    series = tmp_path / "series"
    series.mkdir()
    (series / "1.dcm").write_bytes(b"one")

    def digest():
        reading = contents.content_sha256(series)
        while True:
            try:
                next(reading)
            except StopIteration as stop:
                return stop.value

    before = digest()
    (series / ".DS_Store").write_bytes(b"x")
    (series / "results").mkdir()
    (series / "results" / "1.dcm").write_bytes(b"x")
    (series / "notes.txt").write_bytes(b"x")
    assert digest() == before
    (series / "2.dcm").write_bytes(b"two")
    assert digest() != before


def test_cancelling_leaves_nothing_of_the_file_at_work(request_):
    state = BatchState()
    job = run_batch(request_, state=state)
    for snapshot in job:
        if snapshot.number == 1 and snapshot.fraction > 0:
            break
    job.close()
    assert [outcome.status for outcome in state.outcomes] == [
        Status.DONE,
        *[Status.NOT_REACHED] * 3,
    ]
    assert "at work when the batch was ended" in state.outcomes[1].message
    output = request_.folders.output
    assert visible(output) == {
        "cell 0-denoised.tif", "napari-mpi-report.csv", "napari-mpi-report.json"
    }  # fmt: skip
    assert leftovers(output) == []
    told = json.loads((output / "napari-mpi-report.json").read_text("utf-8"))
    assert told["counts"] == {"done": 1, "not reached": 3}
    assert statuses(run(request_)) == [Status.SKIPPED, *[Status.DONE] * 3]


def test_it_can_stop_after_the_file_at_work(request_):
    state = BatchState()
    job = run_batch(request_, state=state)
    for snapshot in job:
        state.stop_after_file = state.stop_after_file or snapshot.number == 1
    assert [outcome.status for outcome in state.outcomes] == [
        *[Status.DONE] * 2,
        *[Status.NOT_REACHED] * 2,
    ]


def test_what_nobody_foresaw_stays_with_its_file(request_, monkeypatch, caplog):
    monkeypatch.setattr(one_file, "denoise_file", failing_once(ValueError("odd")))
    outcomes = run(request_)
    assert statuses(outcomes) == [Status.FAILED, *[Status.DONE] * 3]
    message = outcomes["cell 0.tif"].message
    assert message == "something unforeseen went wrong (ValueError: odd)"
    report = request_.folders.output / "napari-mpi-report.json"
    entry = json.loads(report.read_text("utf-8"))["files"][0]
    assert "Traceback" in entry["traceback"]


@pytest.mark.parametrize(
    "error",
    [
        OutOfMemory("full"),
        MemoryError(),
        RuntimeError("CUDA error: an illegal memory access was encountered"),
    ],
)
def test_where_the_device_fails_it_is_tried_once_more_in_small_tiles(
    request_, monkeypatch, error
):
    tiles = []
    monkeypatch.setattr(one_file, "denoise_file", failing_once(error, tiles))
    outcomes = run(request_)
    assert statuses(outcomes) == [Status.DONE] * 4
    assert tiles[:3] == [None, 256, None]
    assert "tiles of 256" in outcomes["cell 0.tif"].message
    assert outcomes["cell 0.tif"].settings["tile"] == 256
    assert "tiles" not in outcomes["cell 1.tif"].message


def test_a_device_that_fails_twice_is_told(request_, monkeypatch):
    monkeypatch.setattr(
        one_file, "denoise_file", failing_once(OutOfMemory("the GPU is full"), times=2)
    )
    outcomes = run(request_)
    assert outcomes["cell 0.tif"].message == "the GPU is full"
    assert statuses(outcomes)[1:] == [Status.DONE] * 3


def failing_once(error, tiles=None, times=1):
    """Return what denoises, but fails at first, in the middle of the work."""
    original = file_denoising.denoise_file
    left = [times]

    def denoise_file(image, task, output):
        if tiles is not None:
            tiles.append(task.tile)
        job = original(image, task, output)
        yield next(job)
        if left[0]:
            left[0] -= 1
            raise error
        return (yield from job)

    return denoise_file


def test_tiles_are_as_small_as_asked(request_, source, rng, monkeypatch):
    put(source / "cell 0.tif", rng, (300, 500))
    filled = []
    from napari_mpi.engine.denoising import shared_adaptation
    from napari_mpi.engine.filling import passes

    finish = passes.finish

    def seen(noisy, *args, **kwargs):
        filled.append(noisy.shape[-2:])
        return finish(noisy, *args, **kwargs)

    monkeypatch.setattr(shared_adaptation, "finish", seen)
    output = request_.folders.output
    output.mkdir()
    image, task = file_denoising.open_file(
        source / "cell 0.tif", output / "x.tif", request_.method
    )
    task = dataclasses.replace(task, tile=256)
    made = jobs.run(file_denoising.denoise_file(image, task, output / "x.tif"))
    assert len(filled) == 4
    assert made.result.shape == (300, 500)


@pytest.mark.parametrize("overwrite", [False, True])
def test_two_runs_at_once_share_the_work(request_, denoised, overwrite):
    request_ = dataclasses.replace(request_, overwrite=overwrite)
    first, second = BatchState(), BatchState()
    running_ = [
        run_batch(request_, state=first),
        run_batch(request_, state=second),
    ]
    while running_:
        for job in list(running_):
            if next(job, None) is None:
                running_.remove(job)
    assert sorted(denoised) == [f"cell {n}.tif" for n in range(4)]
    for n in range(4):
        both = {first.outcomes[n].status, second.outcomes[n].status}
        assert both == {Status.DONE, Status.SKIPPED}
    again = dataclasses.replace(request_, overwrite=False)
    assert statuses(run(again)) == [Status.SKIPPED] * 4


def test_a_file_that_another_run_has_is_waited_for(request_, monkeypatch):
    """The other one is cancelled at last, so that this one does its file."""
    other = run_batch(request_)
    for snapshot in other:
        if snapshot.number == 0 and snapshot.fraction > 0:
            break
    stages = []

    def note(snapshot):
        stages.append(snapshot.stage)
        if "another run is at work on cell 0.tif" in snapshot.stage:
            other.close()

    monkeypatch.setattr(running, "_WAIT", 0)
    outcomes = run(request_, note)
    assert statuses(outcomes) == [Status.DONE] * 4
    assert "another run is at work on cell 0.tif" in stages


def test_progress_is_told_over_files_and_within(request_, monkeypatch):
    every_step = functools.partial(denoise.denoise, snapshot_interval=0)
    monkeypatch.setattr(file_denoising, "denoise", every_step)
    snapshots = []
    run(request_, snapshots.append)
    everything = next(s for s in snapshots if len(s.changed) == 4)
    assert everything.totals.files == 4
    fractions = [s.totals.fraction for s in snapshots]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    within = {s.number for s in snapshots if 0 < s.fraction < 1}
    assert within == {0, 1, 2, 3}
    assert snapshots[-1].totals.done == 4
    assert snapshots[-1].totals.seconds_left == 0


def test_a_pause_is_not_counted(request_, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def pause(_):
        clock[0] += 1000

    outcomes = run(request_, pause)
    assert all(outcome.seconds == 0 for outcome in outcomes.values())


def test_an_output_folder_that_cannot_be_made_is_told_before_the_work(
    request_, denoised, tmp_path
):
    (tmp_path / "results").write_text("a file")
    with pytest.raises(DiskError, match="results cannot be written"):
        run(request_)
    assert denoised == []


def test_files_of_odd_bytes_are_reported_too(request_, source, rng):
    try:
        put(source / os.fsdecode(b"odd \xff.tif"), rng)
    except OSError:
        pytest.skip("this file system wants letters")
    outcomes = run(request_)
    assert statuses(outcomes) == [Status.DONE] * 5
    report = request_.folders.output / "napari-mpi-report.json"
    told = json.loads(report.read_text("utf-8"))
    assert {entry["file"] for entry in told["files"]} == set(outcomes)
    assert statuses(run(request_)) == [Status.SKIPPED] * 5
