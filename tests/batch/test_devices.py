"""Batches: a device that fails, and tiles that fit it."""

import dataclasses

import numpy as np
import pytest
import tifffile

from napari_mpi.batch.outcomes import Status
from napari_mpi.batch.work import one_file
from napari_mpi.batch.work.run import run_batch
from napari_mpi.engine.denoising import file as file_denoising
from napari_mpi.engine.runtime import jobs
from napari_mpi.engine.runtime.errors import OutOfMemory


def put(path, rng, shape=(20, 24), dtype=np.uint16):
    tifffile.imwrite(path, rng.normal(1000, 100, shape).clip(0).astype(dtype))


def run(request, on_snapshot=None):
    """Run a batch; return the outcomes by name."""
    state = jobs.run(run_batch(request), on_snapshot)
    return {outcome.file: outcome for outcome in state.outcomes}


def statuses(outcomes):
    return [outcome.status for outcome in outcomes.values()]


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


def test_tiles_are_as_small_as_asked(request_, source, rng, monkeypatch):
    put(source / "cell 0.tif", rng, (300, 500))
    filled = []
    from napari_mpi.engine.denoising.adapted import tile_filling
    from napari_mpi.engine.filling import passes

    finish = passes.finish

    def seen(noisy, *args, **kwargs):
        filled.append(noisy.shape[-2:])
        return finish(noisy, *args, **kwargs)

    monkeypatch.setattr(tile_filling, "finish", seen)
    output = request_.folders.output
    output.mkdir()
    image, task = file_denoising.open_file(
        source / "cell 0.tif", output / "x.tif", request_.method
    )
    task = dataclasses.replace(task, tile=256)
    made = jobs.run(file_denoising.denoise_file(image, task, output / "x.tif"))
    assert len(filled) == 4
    assert made.result.shape == (300, 500)
