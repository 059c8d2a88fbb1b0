"""What an output folder keeps: whatever is found there ends no batch, hurts nobody."""

import dataclasses
import json

import numpy as np
import pytest
import tifffile

from napari_mpi.batch.outcomes import Status
from napari_mpi.batch.work.run import run_batch
from napari_mpi.engine.runtime import jobs
from napari_mpi.engine.runtime.errors import DiskError


def run(request):
    """Run a batch; return the outcomes by name."""
    return {o.file: o for o in jobs.run(run_batch(request)).outcomes}


def items(request):
    return request.folders.output / ".napari-mpi" / "items"


def record_of(request, name):
    for path in items(request).glob("*.json"):
        if json.loads(path.read_text())["file"] == name:
            return path
    raise AssertionError(f"no record of {name}")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.tif")}


def test_what_a_run_was_killed_at_comes_last_and_is_told(request_, denoised):
    first = run_batch(request_)
    for snapshot in first:
        if snapshot.stage.startswith("iteration"):
            break
    (work,) = items(request_).glob("*.work")
    first.close()  # whose folder a killed run would have left
    work.mkdir()
    denoised.clear()
    with pytest.warns(UserWarning, match=r"cell 0\.tif comes last"):
        outcomes = run(request_)
    assert denoised == ["cell 1.tif", "cell 2.tif", "cell 3.tif", "cell 0.tif"]
    assert {o.status for o in outcomes.values()} == {Status.DONE}
    # That is forgotten once it is done.
    denoised.clear()
    run(dataclasses.replace(request_, overwrite=True))
    assert denoised[0] == "cell 0.tif"


@pytest.mark.parametrize("share", [0, 0.3, 0.7, 0.99])
def test_a_record_that_was_cut_is_told_and_mended_on_request(request_, share):
    run(request_)
    before = contents(request_.folders.output)
    record = record_of(request_, "cell 2.tif")
    whole = record.read_bytes()
    record.write_bytes(whole[: int(share * len(whole))])
    outcomes = run(request_)
    assert outcomes["cell 2.tif"].status is Status.FAILED
    assert "is damaged: retry what has failed" in outcomes["cell 2.tif"].message
    mended = run(dataclasses.replace(request_, retry_failed=True))
    assert mended["cell 2.tif"].status is Status.DONE
    assert contents(request_.folders.output) == before
    assert {o.status for o in run(request_).values()} == {Status.SKIPPED}


JUNK = {
    "deep": "[" * 100_000,
    "list": "[]",
    "words": {"outcome": {"shape": "12"}},
    "settings": {"outcome": {"settings": {"weights": 3}}},
    "status": {"outcome": {"seconds": "long"}},
    "unknown": {"outcome": {"colour": 1}},
    "made from": {"made_from": [1]},
    "null": {"source": "a\0b"},
    "hash": {"output_sha256": 5},
}


@pytest.mark.parametrize("kind", JUNK)
def test_a_record_that_is_junk_ends_no_batch(request_, kind):
    run(request_)
    record = record_of(request_, "cell 1.tif")
    junk = JUNK[kind]
    if isinstance(junk, dict):
        junk = json.dumps({**json.loads(record.read_text()), **junk})
    record.write_text(junk)
    outcomes = run(request_)
    assert [o.status for o in outcomes.values()] == [
        Status.SKIPPED, Status.FAILED, Status.SKIPPED, Status.SKIPPED
    ]  # fmt: skip
    assert "is damaged" in outcomes["cell 1.tif"].message


@pytest.mark.parametrize("planted", [".napari-mpi", ".napari-mpi/items"])
def test_a_link_in_place_of_our_folder_is_refused(request_, tmp_path, planted):
    elsewhere = tmp_path / "elsewhere"
    precious = elsewhere / f"{'0' * 24}.work" / "thesis.txt"
    precious.parent.mkdir(parents=True)
    (elsewhere / "items").mkdir()
    precious.write_text("three years")
    link = request_.folders.output / planted
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere, target_is_directory=True)
    with pytest.raises(DiskError, match="is a link"):
        run(request_)
    assert precious.read_text() == "three years"


def test_only_what_has_the_name_of_ours_is_removed(request_):
    items(request_).mkdir(parents=True)
    (items(request_) / "mine.work").mkdir()
    (items(request_) / "mine.work" / "notes.txt").write_text("kept")
    run(request_)
    assert (items(request_) / "mine.work" / "notes.txt").read_text() == "kept"


def test_a_link_in_place_of_a_work_folder_is_removed_and_not_followed(
    request_, tmp_path
):
    run(request_)
    precious = tmp_path / "elsewhere"
    precious.mkdir()
    tifffile.imwrite(precious / "a.tif", np.zeros((4, 4)))
    record = record_of(request_, "cell 0.tif")
    record.with_suffix(".work").symlink_to(precious, target_is_directory=True)
    outcomes = run(dataclasses.replace(request_, overwrite=True))
    assert {o.status for o in outcomes.values()} == {Status.DONE}
    assert (precious / "a.tif").is_file()


def test_the_result_of_another_file_is_not_taken_for_damaged(request_):
    run(request_)
    before = contents(request_.folders.output)
    record = record_of(request_, "cell 0.tif")
    kept = json.loads(record.read_text())
    record.write_text(json.dumps({**kept, "file": "cell 0.png"}))
    outcomes = run(dataclasses.replace(request_, retry_failed=True))
    assert outcomes["cell 0.tif"].status is not Status.DONE
    assert contents(request_.folders.output) == before
