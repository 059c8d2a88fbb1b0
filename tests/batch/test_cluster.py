"""A batch on a dask cluster of processes on this machine."""

import dataclasses
import os
import signal
import sys

import numpy as np
import pytest
import tifffile

from napari_mpi.batch.outcomes import BatchState, Status
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


@pytest.fixture(scope="module")
def cluster():
    """Return a cluster of two processes, which are not profiled."""
    import dask

    with (
        dask.config.set({"distributed.worker.profile.enabled": False}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
    ):
        yield cluster


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
    monkeypatch.setattr("napari_mpi.batch.work.cluster._WAIT_FOR_ANSWER", 1.0)
    with pytest.raises(ConfigError, match="there is no scheduler at tcp"):
        jobs.run(run_batch(request_, scheduler="tcp://127.0.0.1:9"))


def test_a_missing_package_is_told(request_, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"napari-mpi\[distributed\]"):
        jobs.run(run_batch(request_, scheduler="tcp://127.0.0.1:9"))
