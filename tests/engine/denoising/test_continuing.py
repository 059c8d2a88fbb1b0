"""Denoising that is watched, closed, gone on with and done again."""

import dataclasses
import gc
import json
import weakref

import numpy as np
import pytest

from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.state import DenoisingState
from napari_mpi.engine.denoising.task import prepare
from napari_mpi.engine.filling import state as filling_state
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.filling import FillingConfig

CONFIG = FillingConfig(iterations=3)


def result_of(image, axes, weights, config=CONFIG, *, tile=None, **options):
    return run(
        denoise(
            prepare(
                image, axes, weights=weights, config=config, device="cpu", tile=tile
            ),
            **options,
        )
    )


def test_the_same_seed_gives_the_same_image_bit_for_bit(rng, small_weights):
    image = rng.normal(100, 10, (24, 20)).astype(np.float32)
    first, again = (result_of(image, "YX", small_weights) for _ in range(2))
    other = result_of(image, "YX", small_weights, dataclasses.replace(CONFIG, seed=1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.gpu
def test_cuda_repeats_its_image_and_comes_close_to_the_cpu_s_noise_reduction(rng):
    image = rng.normal(100, 10, (64, 64)).astype(np.float32)
    weights = load_weights("none")
    config = FillingConfig(iterations=50)
    options = {"weights": weights, "config": config}
    first, again = (
        run(denoise(prepare(image, "YX", device="cuda", **options))) for _ in "ab"
    )
    on_cpu = run(denoise(prepare(image, "YX", device="cpu", **options)))
    np.testing.assert_allclose(first, again, rtol=0, atol=1e-3 * np.ptp(image))
    assert first.std() == pytest.approx(on_cpu.std(), rel=0.3)


def test_snapshots_tell_where_their_plane_belongs(rng, small_weights):
    image = rng.integers(0, 99, (2, 24, 20)).astype(np.uint16)
    state = DenoisingState()
    job = denoise(
        prepare(image, "ZYX", weights=small_weights, config=CONFIG, device="cpu"),
        state=state,
        snapshot_interval=0,
    )
    seen = np.zeros_like(image)
    fractions = []
    for snapshot in job:
        seen[snapshot.index] = snapshot.image
        fractions.append(snapshot.fraction)
        assert not snapshot.image.flags.writeable
    np.testing.assert_array_equal(seen, state.result)
    assert fractions == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1])


@pytest.mark.parametrize("steps", [1, 2, 4, 5])
def test_a_closed_job_goes_on_exactly_where_it_stood(steps, rng, small_weights):
    image = rng.integers(0, 99, (2, 24, 20)).astype(np.uint16)
    state = DenoisingState()
    options = {"weights": small_weights, "config": CONFIG, "device": "cpu"}
    job = denoise(prepare(image, "ZYX", **options), state=state, snapshot_interval=0)
    for _ in range(steps):
        next(job)
    job.close()
    resumed = run(denoise(prepare(image, "ZYX", **options), state=state))
    np.testing.assert_array_equal(
        resumed, run(denoise(prepare(image, "ZYX", **options)))
    )


def test_more_iterations_can_be_asked_for_afterwards(rng, small_weights):
    image = rng.integers(0, 99, (24, 20)).astype(np.uint16)
    longer = dataclasses.replace(CONFIG, iterations=7)
    state = DenoisingState()
    result_of(image, "YX", small_weights, state=state)
    further = result_of(image, "YX", small_weights, longer, state=state)
    np.testing.assert_array_equal(
        further, result_of(image, "YX", small_weights, longer)
    )


def test_a_cancelled_job_leaves_no_network(rng, small_weights, monkeypatch):
    networks = []
    true_init = filling_state.FillingState.__init__

    def remember(self, noisy, network, config, **options):
        networks.append(weakref.ref(network))
        true_init(self, noisy, network, config)

    monkeypatch.setattr(filling_state.FillingState, "__init__", remember)
    image = rng.random((24, 20))
    job = denoise(
        prepare(image, "YX", weights=small_weights, config=CONFIG, device="cpu")
    )
    next(job)
    assert networks[0]() is not None
    job.close()
    del job
    gc.collect()
    assert networks[0]() is None


def test_provenance_is_json_and_says_what_is_needed_to_repeat(small_weights):
    image = np.zeros((8, 8), np.uint8)
    task = prepare(image, "YX", weights=small_weights, config=CONFIG, device="cpu")
    read = json.loads(json.dumps(task.provenance()))
    assert read["settings"] == dataclasses.asdict(task.config)
    assert read["weights"]["name"] == "none"
    assert read["weights"]["seed"] == 0
    assert read["axes"] == "YX"
    assert {"version", "device", "torch"} <= read.keys()


def test_the_state_tells_whether_the_network_was_adapted(rng, small_weights):
    image = rng.random((32, 32)).astype(np.float32)
    smooth = np.add.outer(np.arange(32.0), np.arange(32.0)) / 64
    for picture, adapted in ((smooth, False), (image, True)):
        state = DenoisingState()
        config = dataclasses.replace(CONFIG, guard=True)
        result_of(picture, "YX", small_weights, config, state=state)
        assert state.reached()["adapted"] is adapted
