"""Stacks and large planes: one adaptation, tiles, lazy reading, order, memory."""

import dataclasses

import dask.array
import numpy as np
import pytest
import torch

from napari_mpi.engine.denoising import plane_by_plane, task
from napari_mpi.engine.denoising.adapted import tile_filling
from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.neighbours import start
from napari_mpi.engine.denoising.sampling import take as sampling
from napari_mpi.engine.denoising.sampling.windows import WINDOWS
from napari_mpi.engine.denoising.state import DenoisingState
from napari_mpi.engine.denoising.task import prepare
from napari_mpi.engine.filling import state as filling_state
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.images.results import GrowingResult
from napari_mpi.engine.networks.filling_network import FillingNetwork
from napari_mpi.engine.networks.weights import random_weights
from napari_mpi.engine.runtime.errors import OutOfMemory
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.network import NetworkConfig
from napari_mpi.engine.settings.presets import preset

CONFIG = preset("blind-full", iterations=3, crop=32, precision="float32")


@pytest.fixture(scope="module")
def weights():
    """Return random weights of a small network of our own."""
    network = NetworkConfig(
        architecture="residual", channels=1, mask_channels=1, width=8, scales=2
    )
    return random_weights(network, seed=0)


@pytest.fixture
def stack(rng):
    """Return six planes of camera noise around a gradient, 16 bits."""
    clean = np.add.outer(np.linspace(500, 900, 48), np.linspace(0, 300, 40))
    return rng.normal(clean, 30, (6, 48, 40)).astype(np.uint16)


def result_of(image, axes, weights, config=CONFIG, *, tile=None, **options):
    return run(
        denoise(
            prepare(
                image, axes, weights=weights, config=config, device="cpu", tile=tile
            ),
            **options,
        )
    )


def steps_taken(monkeypatch):
    """Count the steps of all optimisers."""
    taken = []
    true_step = filling_state.FillingState.__init__

    def remember(self, *arguments, **options):
        taken.append(options.get("pooled", False))
        true_step(self, *arguments, **options)

    monkeypatch.setattr(filling_state.FillingState, "__init__", remember)
    return taken


def test_a_channel_is_adapted_to_once(stack, weights, monkeypatch):
    adapted = steps_taken(monkeypatch)
    image = np.stack([stack, stack[::-1]])
    result = result_of(image, "CZYX", weights)
    assert adapted == [True, True]
    assert (result.shape, result.dtype) == (image.shape, image.dtype)
    assert all((result[c, z] != image[c, z]).any() for c in (0, 1) for z in range(6))


def test_without_sharing_every_plane_is_adapted_to_from_scratch(stack, weights):
    alone = dataclasses.replace(CONFIG, share=False)
    both = result_of(stack[:2], "ZYX", weights, alone)
    # The second plane by itself, but for the range of intensities, that both share.
    swapped = result_of(stack[1::-1], "ZYX", weights, alone)
    np.testing.assert_array_equal(both, swapped[::-1])


@pytest.mark.parametrize("steps", [1, 3, 6, 12, 30])
def test_a_closed_job_goes_on_exactly_where_it_stood(steps, stack, weights):
    state = DenoisingState()
    options = {"weights": weights, "config": CONFIG, "device": "cpu"}
    job = denoise(prepare(stack, "ZYX", **options), state=state, snapshot_interval=0)
    for _ in range(steps):
        next(job)
    job.close()
    resumed = run(denoise(prepare(stack, "ZYX", **options), state=state))
    np.testing.assert_array_equal(
        resumed, run(denoise(prepare(stack, "ZYX", **options)))
    )
    assert state.reached()["planes"] == 6


def test_progress_never_falls_and_ends_at_one(stack, weights):
    job = denoise(
        prepare(stack, "CYX", weights=weights, config=CONFIG, device="cpu"),
        snapshot_interval=0,
    )
    snapshots = list(job)
    fractions = [snapshot.fraction for snapshot in snapshots]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert [s.done for s in snapshots] == sorted(s.done for s in snapshots)


def test_what_snapshots_show_amounts_to_the_result(stack, weights):
    seen = np.zeros_like(stack)
    state = DenoisingState()
    job = denoise(
        prepare(stack, "TYX", weights=weights, config=CONFIG, device="cpu"), state=state
    )
    for snapshot in job:
        if snapshot.image is not None:
            seen[snapshot.index] = snapshot.image
    np.testing.assert_array_equal(seen, state.result)


def test_the_plane_that_is_looked_at_comes_next(stack, weights):
    looked, order = [3], []
    job = denoise(
        prepare(stack, "ZYX", weights=weights, config=CONFIG, device="cpu"),
        looking_at=lambda: {"Z": looked[0]},
    )
    for snapshot in job:
        if snapshot.plane not in order:
            order.append(snapshot.plane)
        if snapshot.plane == 2:
            looked[0] = 5
    assert order[0] == 3
    assert order[1:] == [2, 5, 4, 1, 0]


def test_planes_of_the_channel_that_is_looked_at_come_before_others(stack, weights):
    order = []
    for snapshot in denoise(
        prepare(
            stack.reshape(2, 3, 48, 40),
            "ZCYX",
            weights=weights,
            config=CONFIG,
            device="cpu",
        ),
        looking_at=lambda: {"Z": 0, "C": 1},
    ):
        if snapshot.plane not in order:
            order.append(snapshot.plane)
    # Numbers count all planes of a channel before those of the next.
    assert sorted(order[:2]) == [2, 3]
    assert order[0] == 2


@pytest.mark.parametrize("kind", ["dask", "zarr", "counted"])
def test_lazy_images_give_what_numpy_s_give(counted, kind, stack, weights):
    if kind == "zarr":
        source = pytest.importorskip("zarr").array(stack, chunks=(1, 48, 40))
    else:
        source = counted(stack)
        if kind == "dask":
            source = dask.array.from_array(stack, chunks=(1, 48, 40))
    result = result_of(source, "ZYX", weights)
    assert isinstance(result, GrowingResult)
    np.testing.assert_array_equal(result, result_of(stack, "ZYX", weights))


@pytest.mark.parametrize(
    ("neighbours", "more"),
    [("none", 0), ("2", 4 + 5 * WINDOWS), ("auto", 3 * start._TRIALS)],
)
def test_no_more_is_read_than_the_first_result_needs(neighbours, more, rng, weights):
    planes = 10_000
    read = []

    def plane(block_info=None):
        read.append(block_info[None]["chunk-location"][0])
        return rng.normal(500, 30, (1, 48, 40)).astype(np.float32)

    image = dask.array.map_blocks(
        plane, chunks=((1,) * planes, 48, 40), dtype=np.float32, meta=np.empty((0,) * 3)
    )
    config = dataclasses.replace(CONFIG, neighbours=neighbours)
    job = denoise(
        prepare(image, "TYX", weights=weights, config=config, device="cpu"),
        looking_at=lambda: {"T": 7000},
    )
    for snapshot in job:
        if snapshot.image is not None:
            break
    job.close()
    assert snapshot.index[0] == 7000
    assert len(read) == sampling.SAMPLED_PLANES + 1 + more


def test_what_is_brighter_than_the_sample_is_not_clipped(rng, weights, monkeypatch):
    monkeypatch.setattr(sampling, "SAMPLED_PLANES", 2)
    stack = rng.normal(100, 5, (9, 48, 40)).astype(np.float32)
    stack[0, 10:20, 10:20] += 900  # the first plane is not among the two
    config = dataclasses.replace(CONFIG, learning_rate=0.0)
    result = result_of(stack, "ZYX", weights, config)
    assert result[0, 12:18, 12:18].mean() > 500


def test_a_stack_whose_sampled_planes_are_empty_is_denoised_all_the_same(
    stack, weights, monkeypatch
):
    monkeypatch.setattr(sampling, "SAMPLED_PLANES", 2)
    image = np.zeros((9, 48, 40), np.uint16)
    image[0] = stack[0]  # not among the two
    unmerged = dataclasses.replace(CONFIG, merge=False)
    result = result_of(image, "ZYX", weights, unmerged)
    assert (result[0] != image[0]).any()


def test_a_value_that_is_not_finite_in_a_plane_beyond_the_sample_stays_alone(
    counted, stack, weights, monkeypatch
):
    monkeypatch.setattr(sampling, "SAMPLED_PLANES", 2)
    image = stack.astype(np.float32)
    image[5, 3, 3] = np.nan
    result = np.asarray(result_of(counted(image), "ZYX", weights))
    assert np.argwhere(np.isnan(result)).tolist() == [[5, 3, 3]]


def test_tiles_leave_no_trace(rng, weights, monkeypatch):
    monkeypatch.setattr(task, "WHOLE", 0)
    image = rng.normal(500, 30, (200, 170)).astype(np.float32)
    whole = result_of(image, "YX", weights)
    monkeypatch.setattr(tile_filling, "LARGEST", 64)
    monkeypatch.setattr(tile_filling, "SMALLEST", 64)
    tiled = result_of(image, "YX", weights)
    # Local means reach beyond the halo, by very little: a hundredth of the noise.
    assert np.abs(tiled - whole).max() < 0.3
    assert (tiled != image).any()


@pytest.mark.parametrize(("scales", "blocks"), [(2, 1), (3, 2), (4, 1)])
def test_no_prediction_depends_on_what_is_beyond_the_reach(scales, blocks):
    network = FillingNetwork(
        NetworkConfig(
            architecture="residual", channels=1, mask_channels=1, width=4,
            scales=scales, blocks=blocks,
        )
    )  # fmt: skip
    side = 2 * network.reach + 64
    for parameter in network.parameters():
        torch.nn.init.uniform_(parameter, 0.1, 0.2)  # nothing cancels or is cut off
    image = torch.rand(1, 1, 8, side).requires_grad_()
    masked = torch.zeros(1, 1, 8, side, dtype=torch.bool)
    for column in range(side // 2, side // 2 + network.step):
        (gradient,) = torch.autograd.grad(
            network(image, masked)[0, 0, 4, column], image, retain_graph=True
        )
        columns = torch.nonzero(gradient[0, 0].abs().sum(0)).flatten()
        away = (columns - column).abs().max()
        assert away <= network.reach
    assert away > network.reach // 2


def test_a_full_memory_halves_the_tiles_and_says_so(rng, weights, monkeypatch):
    monkeypatch.setattr(task, "WHOLE", 0)
    monkeypatch.setattr(plane_by_plane, "_PREVIEW", 64)
    monkeypatch.setattr(tile_filling, "SMALLEST", 32)
    true_forward = FillingNetwork.forward

    def forward(self, image, masked):
        if image.shape[-1] > 130:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")
        return true_forward(self, image, masked)

    image = rng.normal(500, 30, (200, 170)).astype(np.float32)
    whole = result_of(image, "YX", weights)
    monkeypatch.setattr(FillingNetwork, "forward", forward)
    with pytest.warns(UserWarning, match="is full, so tiles of"):
        smaller = result_of(image, "YX", weights)
    assert np.abs(smaller - whole).max() < 0.3


def test_a_memory_that_is_too_small_for_the_smallest_tile_is_an_error(
    rng, weights, monkeypatch
):
    monkeypatch.setattr(task, "WHOLE", 0)

    def forward(self, image, masked):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")

    monkeypatch.setattr(FillingNetwork, "forward", forward)
    with pytest.raises(OutOfMemory, match="denoise a smaller part"):
        result_of(rng.random((60, 50)), "YX", weights)


def test_more_iterations_can_be_asked_for_afterwards(stack, weights):
    longer = dataclasses.replace(CONFIG, iterations=7)
    state = DenoisingState()
    result_of(stack, "ZYX", weights, state=state)
    further = result_of(stack, "ZYX", weights, longer, state=state)
    np.testing.assert_array_equal(further, result_of(stack, "ZYX", weights, longer))


def test_colours_of_a_stack_are_adapted_to_together(rng, weights):
    image = rng.normal(120, 20, (3, 48, 40, 4)).clip(0, 255).astype(np.uint8)
    result = result_of(image, "TYXS", weights)
    assert (result[..., :3] != image[..., :3]).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(result[..., 3], image[..., 3])


def test_a_sample_holds_each_window_of_a_small_plane_once(stack):
    layout = ImageAxes("ZYX", stack.shape)
    sample = run(sampling.take_sample(stack, layout, layout.planes(), side=64, seed=0))
    assert len(sample.windows) == 6
    assert {window.values.shape for window in sample.windows} == {(1, 48, 40)}
    assert (sample.intensities.low, sample.intensities.high) == (
        stack.min(),
        stack.max(),
    )


def test_tiles_are_as_large_as_the_free_memory_allows(rng, weights, monkeypatch):
    monkeypatch.setattr(task, "WHOLE", 0)
    monkeypatch.setattr(plane_by_plane, "_PREVIEW", 32)
    monkeypatch.setattr(tile_filling, "SMALLEST", 32)
    seen = []
    true_forward = FillingNetwork.forward

    def forward(self, image, masked):
        seen.append(image.shape[-2] * image.shape[-1])
        return true_forward(self, image, masked)

    monkeypatch.setattr(FillingNetwork, "forward", forward)
    image = rng.normal(500, 30, (300, 280)).astype(np.float32)
    per_pixel = tile_filling.bytes_per_pixel(weights.network)
    for free, most in ((10**12, 300 * 280), (2 * 160**2 * per_pixel, 160**2)):
        monkeypatch.setattr(tile_filling, "free_memory", lambda _, free=free: free)
        seen.clear()
        result_of(image, "YX", weights)
        assert most // 2 < max(seen) <= most
