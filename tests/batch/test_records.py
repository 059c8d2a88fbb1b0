"""Batches: what is done already is not done again, and nothing is half-written."""

import dataclasses
import json
import os

import numpy as np
import pytest
import tifffile

from napari_mpi.batch import records
from napari_mpi.batch.outcomes import Status
from napari_mpi.batch.work.run import run_batch
from napari_mpi.engine.networks.weight_files import save_weights
from napari_mpi.engine.networks.weights import random_weights
from napari_mpi.engine.runtime import jobs


def put(path, rng, shape=(20, 24), dtype=np.uint16):
    tifffile.imwrite(path, rng.normal(1000, 100, shape).clip(0).astype(dtype))


def run(request, on_snapshot=None):
    """Run a batch; return the outcomes by name."""
    state = jobs.run(run_batch(request), on_snapshot)
    return {outcome.file: outcome for outcome in state.outcomes}


def statuses(outcomes):
    return [outcome.status for outcome in outcomes.values()]


def leftovers(folder):
    return [path for path in folder.rglob("*") if ".part" in path.name
            or path.name.endswith(".work")]  # fmt: skip


def method_path(method):
    from pathlib import Path

    return Path(method.weights)


def method_network(method):
    from napari_mpi.engine.networks.loading import load_weights

    return load_weights(method.weights).network


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


def test_a_result_that_is_gone_is_made_again(request_, denoised):
    run(request_)
    (request_.folders.output / "cell 2-denoised.tif").unlink()
    denoised.clear()
    run(request_)
    assert denoised == ["cell 2.tif"]


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


def test_what_a_killed_run_has_left_is_removed(request_):
    run(request_)
    items = request_.folders.output / ".napari-mpi" / "items"
    lock = next(items.glob("*.lock"))
    (lock.with_suffix(".work")).mkdir()
    (lock.with_suffix(".work") / "half.tif").write_bytes(b"half")
    run(request_)
    assert leftovers(request_.folders.output) == []
