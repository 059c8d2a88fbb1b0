"""Batches: each file on its own, all of them told of."""

import csv
import dataclasses
import functools
import json
import os
import sys
import time

import numpy as np
import pytest
import tifffile

from napari_mpi.batch import contents
from napari_mpi.batch.outcomes import BatchState, Status
from napari_mpi.batch.work import one_file
from napari_mpi.batch.work.run import run_batch
from napari_mpi.engine.denoising import denoise
from napari_mpi.engine.denoising import file as file_denoising
from napari_mpi.engine.runtime import jobs


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


@pytest.mark.skipif(sys.platform == "win32", reason="names that Windows has not")
def test_no_cell_of_the_report_is_a_formula(request_, source):
    for sign in "=+-@":
        (source / f"{sign}1+cmd.txt").write_text("no image")
    run(request_)
    output = request_.folders.output
    with (output / "napari-mpi-report.csv").open(encoding="utf-8-sig") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(tuple("=+-@\t\r"))]
    assert {"'=1+cmd.txt", "'@1+cmd.txt"} <= set(cells)
    told = json.loads((output / "napari-mpi-report.json").read_text("utf-8"))
    assert "=1+cmd.txt" in {entry["file"] for entry in told["files"]}


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
