"""The spread of the fills: on request, in the image's units, and only where known."""

import dataclasses

import dask.array
import numpy as np
import pytest
import torch

from napari_mpi.engine.denoising.adapted import tile_filling
from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.state import DenoisingState
from napari_mpi.engine.denoising.task import prepare
from napari_mpi.engine.filling.passes import finish
from napari_mpi.engine.filling.spread import EnsembleSpread, PassSpread
from napari_mpi.engine.images import results as growing
from napari_mpi.engine.images import results as images_results
from napari_mpi.engine.images.results import GrowingResult
from napari_mpi.engine.networks.weights import random_weights
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.filling import FillingConfig
from napari_mpi.engine.settings.network import NetworkConfig
from napari_mpi.engine.settings.presets import preset

# Without the guard: to it the gradient, which a random start misses, is grain.
CONFIG = preset("blind-full", iterations=3, crop=32, precision="float32", guard=False)
PAPER = preset("independent-fast", iterations=12)


@pytest.fixture(scope="module")
def weights():
    """Return random weights of a small network of our own."""
    return random_weights(small_network(channels=1), seed=0)


@pytest.fixture
def stack(rng):
    """Return three planes of camera noise around a gradient, 16 bits."""
    clean = np.add.outer(np.linspace(500, 900, 48), np.linspace(0, 300, 40))
    return rng.normal(clean, 30, (3, 48, 40)).astype(np.uint16)


def small_network(channels):
    return NetworkConfig(
        architecture="residual", channels=channels, mask_channels=1, width=8, scales=2
    )


def spread_of(image, axes, weights, config=CONFIG, *, tile=None, **options):
    """Denoise; return the result and the spread."""
    state = DenoisingState(wants_spread=True)
    job = denoise(
        prepare(image, axes, weights=weights, config=config, device="cpu", tile=tile),
        state=state,
        **options,
    )
    return np.asarray(run(job)), state.spread


def plain(image, axes, weights, config=CONFIG):
    return run(
        denoise(prepare(image, axes, weights=weights, config=config, device="cpu"))
    )


# -- what it measures ----------------------------------------------------------------


def test_fills_that_agree_have_no_spread(rng):
    noisy = torch.from_numpy(rng.normal(0.5, 0.1, (1, 1, 40, 30)).astype("f4"))
    *_, passed = finish(
        noisy, lambda image, masked: torch.full_like(image, 0.3), CONFIG,
        spread_of="channels",
    )  # fmt: skip
    assert passed.spread.shape == noisy.shape
    assert not passed.spread.any()


def test_passes_that_differ_from_the_open_one_are_its_jackknife():
    spread = PassSpread("channels")
    for value in (0.1, 0.2, 0.3, 0.4):
        spread.add(torch.full((1, 1, 8, 9), value))
    found = spread.around(torch.full((1, 1, 8, 9), 0.3))
    # Differences of 0.2, 0.1, 0, 0.1: their mean square, times four less one.
    expected = (3 * (0.04 + 0.01 + 0 + 0.01) / 4) ** 0.5
    torch.testing.assert_close(found, torch.full((1, 1, 8, 9), expected))


def test_the_ensemble_s_spread_has_its_weights_and_no_noisy_start():
    config = FillingConfig(ema_decay=0.5)
    noisy = torch.full((1, 1, 8, 8), 9.0)
    spread = EnsembleSpread(noisy, config, "channels")
    everywhere = torch.ones(1, 1, 8, 8, dtype=torch.bool)
    for value in (0.0, 1.0, 1.0):
        spread.move(torch.full_like(noisy, value), everywhere, (...,))
    zero = 1 / 7  # weights 1/4, 1/2 and 1 of 7/4
    expected = (zero * (1 - zero)) ** 0.5
    torch.testing.assert_close(spread.deviation(), torch.full_like(noisy, expected))


def test_what_was_filled_once_is_not_known():
    noisy = torch.zeros(1, 1, 40, 40)
    spread = EnsembleSpread(noisy, FillingConfig(), "channels")
    left = torch.zeros(1, 1, 40, 40, dtype=torch.bool)
    left[..., :10] = True
    for value in (0.0, 1.0):
        spread.move(torch.full_like(noisy, value), left, (...,))
    spread.move(noisy, ~left, (...,))
    found = spread.deviation()
    assert found[..., :10].isfinite().all()
    assert found[..., 20:].isnan().all()


def test_a_grey_plane_in_three_channels_has_the_spread_of_their_mean():
    predictions = [torch.tensor([0.0, 3.0, 0.0]), torch.tensor([3.0, 0.0, 0.0])]
    predictions = [p.reshape(1, 3, 1, 1).expand(1, 3, 8, 8) for p in predictions]
    spread = PassSpread("mean")
    for prediction in predictions:
        spread.add(prediction)
    assert not spread.around(predictions[0]).any()  # every mean is 1
    noisy = torch.zeros(1, 3, 8, 8)
    fills = EnsembleSpread(noisy, FillingConfig(), "mean")
    everywhere = torch.ones(1, 1, 8, 8, dtype=torch.bool)
    for prediction in predictions:
        fills.move(prediction, everywhere, (...,))
    torch.testing.assert_close(fills.deviation(), torch.zeros(1, 1, 8, 8))


# -- in an image ---------------------------------------------------------------------


@pytest.mark.parametrize("config", [CONFIG, PAPER], ids=["passes", "paper"])
def test_asking_changes_nothing_of_the_result(config, stack, weights, small_weights):
    start = weights if config is CONFIG else small_weights
    result, spread = spread_of(stack, "ZYX", start, config)
    np.testing.assert_array_equal(result, plain(stack, "ZYX", start, config))
    assert (spread.shape, spread.dtype) == (stack.shape, np.float32)
    assert (spread > 0).all()


def test_nothing_is_kept_where_nobody_asks(stack, weights):
    state = DenoisingState()
    run(denoise(prepare(stack, "ZYX", weights=weights, config=CONFIG), state=state))
    assert state.spread is None


@pytest.mark.parametrize("config", [CONFIG, PAPER], ids=["passes", "paper"])
def test_it_is_in_the_units_of_the_image(config, stack, weights, small_weights):
    start = weights if config is CONFIG else small_weights
    image = stack[0].astype(np.float32)
    _, spread = spread_of(image, "YX", start, config)
    _, scaled = spread_of(image * 8 + 1000, "YX", start, config)
    assert (spread > 0).all()
    np.testing.assert_allclose(scaled, 8 * spread, rtol=0.01)


def test_what_float32_cannot_hold_has_a_spread_of_float64(stack, weights):
    _, spread = spread_of(stack[0].astype(np.int32), "YX", weights)
    assert spread.dtype == np.float64


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("axes", "shape"), [("YXS", (40, 36)), ("SYX", (40, 36))])
def test_colours_have_one_spread(channels, axes, shape, rng):
    colours = random_weights(small_network(channels), seed=0)
    size = (*shape, 3) if axes == "YXS" else (3, *shape)
    _, spread = spread_of(rng.integers(0, 256, size, "uint8"), axes, colours)
    assert spread.shape == shape
    assert (spread > 0).all()


def test_of_constant_channels_nothing_is_known(stack, weights):
    image = np.stack([stack, np.full_like(stack, 7)], axis=1)
    _, spread = spread_of(image, "ZCYX", weights)
    assert (spread[:, 0] > 0).all()
    assert np.isnan(spread[:, 1]).all()


def test_tiles_leave_no_trace_in_it(rng, weights, monkeypatch):
    clean = np.add.outer(np.linspace(0, 90, 200), np.linspace(0, 60, 180))
    image = rng.normal(100 + clean, 10).astype(np.float32)
    config = dataclasses.replace(CONFIG, seed=3)
    stack = np.stack([image, image[::-1]])
    _, whole = spread_of(stack, "ZYX", weights, config)
    monkeypatch.setattr(tile_filling, "SMALLEST", 64)
    _, tiled = spread_of(stack, "ZYX", weights, config, tile=64)
    assert (whole > 0).all()
    np.testing.assert_allclose(tiled, whole, rtol=1e-3)


def test_what_is_not_done_yet_is_not_a_number(stack, weights):
    state = DenoisingState(wants_spread=True)
    job = denoise(prepare(stack, "ZYX", weights=weights, config=CONFIG), state=state)
    for snapshot in job:
        if snapshot.done == 1:
            break
    job.close()
    assert np.isfinite(state.spread[snapshot.index]).all()
    assert np.isnan(state.spread).sum() == stack[1:].size
    run(denoise(prepare(stack, "ZYX", weights=weights, config=CONFIG), state=state))
    np.testing.assert_array_equal(state.spread, spread_of(stack, "ZYX", weights)[1])


@pytest.mark.parametrize("config", [CONFIG, PAPER], ids=["passes", "paper"])
def test_going_on_with_more_iterations_equals_doing_them_at_once(
    config, stack, weights, small_weights
):
    start = weights if config is CONFIG else small_weights
    more = dataclasses.replace(config, iterations=config.iterations + 4)
    state = DenoisingState(wants_spread=True)
    for settings in (config, more):
        run(
            denoise(
                prepare(stack[0], "YX", weights=start, config=settings), state=state
            )
        )
    np.testing.assert_array_equal(
        state.spread, spread_of(stack[0], "YX", start, more)[1]
    )


def test_a_preview_takes_back_what_was_known(stack, weights):
    """After the passes the network is adapted further, and the result a preview."""
    state = DenoisingState(wants_spread=True)
    options = {"weights": weights, "device": "cpu"}
    run(denoise(prepare(stack[0], "YX", config=CONFIG, **options), state))
    more = dataclasses.replace(CONFIG, iterations=9)
    job = denoise(
        prepare(stack[0], "YX", config=more, **options), state, snapshot_interval=0
    )
    assert next(job).iteration < 9
    job.close()
    assert np.isnan(state.spread).all()


def test_a_large_one_grows_on_the_disk(stack, weights, monkeypatch):
    monkeypatch.setattr(images_results, "is_small", lambda _: False)
    lazy = dask.array.from_array(stack, chunks=(1, 48, 40))
    _, spread = spread_of(lazy, "ZYX", weights)
    assert isinstance(spread, GrowingResult)
    assert isinstance(spread._made, growing.DiskArray)
    np.testing.assert_array_equal(
        np.asarray(spread), spread_of(stack, "ZYX", weights)[1]
    )


def test_blocks_that_are_taken_apart_have_one_too(stack, weights):
    config = dataclasses.replace(CONFIG, pixel_unshuffle=2)
    _, spread = spread_of(stack[0], "YX", weights, config)
    assert (spread > 0).all()
