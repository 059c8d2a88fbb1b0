"""Batches: files of others, other disks, and two runs at once."""

import dataclasses
import os

import numpy as np
import pytest
import tifffile

from napari_mpi.batch.outcomes import BatchState, Status
from napari_mpi.batch.work import run as running
from napari_mpi.batch.work.run import run_batch
from napari_mpi.engine.runtime import jobs
from napari_mpi.engine.runtime.errors import DiskError


def put(path, rng, shape=(20, 24), dtype=np.uint16):
    tifffile.imwrite(path, rng.normal(1000, 100, shape).clip(0).astype(dtype))


def run(request, on_snapshot=None):
    """Run a batch; return the outcomes by name."""
    state = jobs.run(run_batch(request), on_snapshot)
    return {outcome.file: outcome for outcome in state.outcomes}


def statuses(outcomes):
    return [outcome.status for outcome in outcomes.values()]


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
    assert "is the input itself" in outcomes["cell 0.tif"].message
    assert (source / "cell 0.tif").read_bytes() == before
    assert outcomes["cell 1.tif"].status is Status.DONE


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


def test_an_output_folder_that_cannot_be_made_is_told_before_the_work(
    request_, denoised, tmp_path
):
    (tmp_path / "results").write_text("a file")
    with pytest.raises(DiskError, match="results cannot be written"):
        run(request_)
    assert denoised == []
