"""A batch on a dask cluster of processes on this machine."""

import dataclasses
import os
import signal
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_mpi.batch.outcomes import BatchState, Status
from napari_mpi.batch.records import Records
from napari_mpi.batch.request import BatchRequest, Folders
from napari_mpi.batch.work.run import run_batch
from napari_mpi.engine.networks.weight_files import save_weights
from napari_mpi.engine.runtime import jobs
from napari_mpi.engine.runtime.errors import ConfigError
from napari_mpi.engine.settings.method import Method
from napari_mpi.engine.settings.presets import preset

distributed = pytest.importorskip("distributed", reason="the extra is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

FILES = 8


@pytest.fixture
def request_(tmp_path, rng, small_weights):
    """Return what is asked for: images, and one that is broken."""
    source = tmp_path / "images"
    source.mkdir()
    for number in range(FILES):
        noisy = rng.normal(1000, 100, (24, 28)).astype(np.uint16)
        tifffile.imwrite(source / f"cell {number}.tif", noisy)
    (source / "broken.tif").write_bytes(b"no TIFF")
    weights = tmp_path / "small.safetensors"
    save_weights(small_weights, weights)
    # 'auto' would be measured by each process, and may differ on a busy machine.
    config = preset("blind-fast", iterations=20, precision="float32")
    method = Method(config, str(weights), "cpu")
    return BatchRequest(Folders(source, tmp_path / "results"), method)


def results(folder):
    return {path.name: tifffile.imread(path) for path in folder.glob("*.tif")}


@pytest.mark.skipif(sys.platform == "win32", reason="kill of POSIX")
def test_a_lost_worker_s_files_are_done_again(cluster, request_):
    killed = []

    def kill_one(snapshot):
        if snapshot.totals.done and not killed:
            killed.append(next(iter(cluster.workers.values())).pid)
            os.kill(killed[0], signal.SIGKILL)

    job = run_batch(request_, scheduler=cluster.scheduler_address)
    outcomes = {o.file: o for o in jobs.run(job, kill_one).outcomes}
    assert killed
    assert outcomes.pop("broken.tif").status is Status.FAILED
    # Of what the lost worker had just put in place, its successor finds the result.
    ended = {outcome.status for outcome in outcomes.values()}
    assert Status.DONE in ended <= {Status.DONE, Status.SKIPPED}
    assert len(outcomes) == FILES
    spread = results(request_.folders.output)
    # On one thread, as the workers are and these tests: the same to the bit.
    alone = request_.folders.output.with_name("alone")
    folders = dataclasses.replace(request_.folders, output=alone)
    jobs.run(run_batch(dataclasses.replace(request_, folders=folders)))
    assert spread.keys() == results(alone).keys()
    for name, image in results(alone).items():
        np.testing.assert_array_equal(spread[name], image)
    again = jobs.run(run_batch(request_, scheduler=cluster.scheduler_address))
    assert again.count(Status.SKIPPED) == FILES


def test_cancelling_a_spread_batch_leaves_nothing_half_done(cluster, request_):
    state = BatchState()
    job = run_batch(request_, state=state, scheduler=cluster.scheduler_address)
    for snapshot in job:
        if snapshot.totals.done:
            break
    job.close()
    done = [outcome for outcome in state.outcomes if outcome.status is Status.DONE]
    assert 0 < len(done) < FILES
    assert state.count(Status.NOT_REACHED) > 0
    output = request_.folders.output
    assert {path.name for path in output.glob("*.tif")} == {o.output for o in done}
    assert not list(output.rglob("*.work"))
    assert (output / "napari-mpi-report.csv").is_file()


def test_what_another_run_is_at_work_on_comes_last(cluster, request_):
    other = run_batch(request_)
    for snapshot in other:
        if snapshot.stage.startswith("iteration"):
            break
    state = BatchState()
    for snapshot in run_batch(
        request_, state=state, scheduler=cluster.scheduler_address
    ):
        if snapshot.totals.done == FILES - 1:
            other.close()
    assert state.count(Status.DONE) == FILES


def test_a_scheduler_that_is_not_there_is_told(request_, monkeypatch):
    monkeypatch.setattr("napari_mpi.batch.work.connection._WAIT_FOR_ANSWER", 1.0)
    with pytest.raises(ConfigError, match="there is no scheduler at tcp"):
        jobs.run(run_batch(request_, scheduler="tcp://127.0.0.1:9"))


def test_a_missing_package_is_told(request_, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"napari-mpi\[distributed\]"):
        jobs.run(run_batch(request_, scheduler="tcp://127.0.0.1:9"))


def test_who_listens_and_never_answers_is_told_before_the_plan(request_, monkeypatch):
    monkeypatch.setattr("napari_mpi.batch.work.connection._WAIT_FOR_ANSWER", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ConfigError, match="does not answer as a scheduler"):
            next(run_batch(request_, scheduler=address))


def test_workers_of_another_version_are_told_before_the_plan(
    cluster, request_, monkeypatch
):
    monkeypatch.setattr("napari_mpi.batch.work.connection.VERSION", "0.0.1")
    with pytest.raises(ConfigError, match=r"and here is 0\.0\.1: install the same"):
        next(run_batch(request_, scheduler=cluster.scheduler_address))


def test_a_worker_of_another_version_that_comes_late_does_nothing(
    cluster, request_, monkeypatch
):
    monkeypatch.setattr("napari_mpi.batch.work.cluster.VERSION", "0.0.1")
    state = jobs.run(run_batch(request_, scheduler=cluster.scheduler_address))
    assert state.count(Status.FAILED) == FILES + 1
    assert "install the same version everywhere" in state.outcomes[1].message
    assert not list(request_.folders.output.glob("*.tif"))


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_results_on_another_disk_under_the_same_path_are_no_results(
    request_, tmp_path, monkeypatch
):
    monkeypatch.setattr("napari_mpi.batch.work.cluster._LATE", 0.5)
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    monkeypatch.chdir(there)
    # The same path leads every process to a folder of its own.
    output = Path("/proc/self/cwd/results")
    folders = dataclasses.replace(request_.folders, output=output, pattern="cell 0.tif")
    asked = dataclasses.replace(request_, folders=folders)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as cluster:
        monkeypatch.chdir(here)
        records = Records(there / "results")
        records.make()
        state = jobs.run(run_batch(asked, scheduler=cluster.scheduler_address))
    assert (there / "results" / "cell 0-denoised.tif").is_file()
    assert [outcome.status for outcome in state.outcomes] == [Status.FAILED]
    assert "is not at /proc/self/cwd/results" in state.outcomes[0].message
