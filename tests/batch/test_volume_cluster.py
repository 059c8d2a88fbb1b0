"""One volume on a dask cluster of processes on this machine."""

import dataclasses
import os
import signal
import time

import numpy as np
import pytest

from napari_mpi.batch.work import volume as spread
from napari_mpi.batch.work.volume import Order, spread_volume, work_on
from napari_mpi.engine.denoising.file import open_file
from napari_mpi.engine.denoising.regions.volume import Volume
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.files.metadata import ImageFile
from napari_mpi.engine.files.output import write_image
from napari_mpi.engine.networks.weight_files import save_weights
from napari_mpi.engine.runtime.errors import ConfigError, DeviceError
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.method import Method
from napari_mpi.engine.settings.presets import preset

distributed = pytest.importorskip("distributed", reason="the extra is not installed")
pytest.importorskip("zarr", reason="the extra is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

PLANES = 24


@pytest.fixture
def opened(tmp_path, rng, small_grey_weights):
    """Return what opens a volume for a result of that name, with its order."""
    noisy = rng.poisson(500, (PLANES, 160, 150)).astype(np.uint16)
    write_image(tmp_path / "raw.zarr", ImageFile(noisy, "ZYX"))
    save_weights(small_grey_weights, tmp_path / "small.safetensors")
    config = preset("blind-fast", iterations=2, precision="float32", guard=False)
    method = Method(config, str(tmp_path / "small.safetensors"), "cpu")

    def volume(name):
        source, output = tmp_path / "raw.zarr", tmp_path / name
        image, task = open_file(source, output, method)
        return Volume(image, task, output), Order(str(source), str(output), method)

    return volume


def test_a_lost_worker_s_pieces_are_done_again(cluster, opened, tmp_path):
    volume, order = opened("spread.zarr")
    killed = []

    def kill_one(snapshot):
        done = tmp_path / "spread.zarr.unfinished" / "done"
        if not killed and done.is_dir() and any(done.iterdir()):
            worker = next(iter(cluster.workers.values()))
            killed.append(worker.pid)
            os.kill(worker.pid, signal.SIGKILL)

    run(spread_volume(cluster.scheduler_address, volume, order), kill_one)
    assert killed
    whole, _ = opened("whole.zarr")
    run(whole.denoise())
    spread_, alone = (
        read_image(tmp_path / name).array for name in ("spread.zarr", "whole.zarr")
    )
    np.testing.assert_array_equal(spread_, alone)


def test_what_was_cancelled_goes_on_on_the_cluster_or_here(cluster, opened, tmp_path):
    volume, order = opened("out.zarr")
    job = spread_volume(cluster.scheduler_address, volume, order)
    done = tmp_path / "out.zarr.unfinished" / "done"
    for _ in job:
        if done.is_dir() and any(done.iterdir()):
            break
    job.close()
    left, total = opened("out.zarr")[0].left()
    assert len(left) < total
    run(opened("out.zarr")[0].denoise())
    assert read_image(tmp_path / "out.zarr").array.shape == (PLANES, 160, 150)


def test_what_a_worker_cannot_do_is_told(cluster, opened, tmp_path):
    volume, order = opened("out.zarr")
    elsewhere = dataclasses.replace(order, source=str(tmp_path / "elsewhere.zarr"))
    with pytest.raises(DeviceError, match=r"no file .*elsewhere"):
        run(spread_volume(cluster.scheduler_address, volume, elsewhere))


def test_a_worker_opens_anew_what_was_begun_anew(cluster, opened, tmp_path):
    """Another image at the same place is no case for what it remembers."""
    volume, order = opened("out.zarr")
    run(spread_volume(cluster.scheduler_address, volume, order))
    first = read_image(tmp_path / "out.zarr").array
    noisy = read_image(tmp_path / "raw.zarr").array
    write_image(tmp_path / "raw.zarr", ImageFile(2 * noisy, "ZYX"))
    volume, order = opened("out.zarr")
    run(spread_volume(cluster.scheduler_address, volume, order))
    second = read_image(tmp_path / "out.zarr").array
    assert second.mean() == pytest.approx(2 * first.mean(), rel=0.02)


def test_a_worker_of_another_version_does_nothing(opened):
    _, order = opened("out.zarr")
    told = work_on(((0, 0),), order, None, "0.0.1")
    assert "not 0.0.1: install the same version everywhere" in told


def test_a_scheduler_that_is_not_there_is_told_before_the_work(opened, tmp_path):
    volume, order = opened("out.zarr")
    with pytest.raises(ConfigError, match="there is no scheduler at"):
        run(spread_volume("tcp://127.0.0.1:9", volume, order))
    assert not (tmp_path / "out.zarr.unfinished").exists()


@pytest.mark.parametrize("workers", [0, 1, 2, 50])
def test_pieces_hold_every_slab_once_and_none_spans_two_regions(workers):
    left = [(0, 0), (0, 1), (0, 3), *((1, n) for n in range(40)), (2, 5)]
    pieces = list(spread._pieces(left, workers))
    assert [slab for piece in pieces for slab in piece] == left
    for piece in pieces:
        assert len({region for region, _ in piece}) == 1
    assert len(pieces) >= min(len(left), 4 * workers)


def test_no_worker_waits_for_another_s_piece(monkeypatch):
    """A worker has as many pieces as it may have, and no more."""
    given = []

    class Future:
        status = "finished"

        def __init__(self):
            self.asked = 0

        def done(self):
            self.asked += 1
            return self.asked > 3

        def result(self):
            return ""

        def cancel(self):
            return None

    class Client:
        status = "running"

        def scheduler_info(self, n_workers):
            return {"workers": {"a": 1, "b": 2, "c": 3}}

        def submit(self, *_, pure):
            future = Future()
            given.append(future)
            assert sum(f.asked <= 3 for f in given) <= 3 * spread._AHEAD
            return future

    class Left:
        def left(self):
            return [(0, n) for n in range(100)], 100

    monkeypatch.setattr(time, "sleep", lambda _: None)
    snapshots = list(spread._done_by(Client(), Left(), None))
    assert snapshots[-1].fraction == 1
    assert len(given) >= 3 * 4
