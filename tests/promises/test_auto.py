"""Denoising with settings that the image's own noise chooses."""

import dataclasses

import numpy as np
import pytest
import torch
from skimage import data

from napari_mpi.engine.denoising import look_ahead
from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.state import DenoisingState
from napari_mpi.engine.denoising.task import prepare
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.noise import laws
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.presets import GUARDED, preset

SIDE = 128


@pytest.fixture(scope="module")
def clean():
    """Return a photograph."""
    return data.camera().astype(float)[128 : 128 + SIDE, 128 : 128 + SIDE]


@pytest.fixture(scope="module")
def grey():
    """Return the shipped weights for grey images."""
    return load_weights("grey")


def noisy_of(clean, law, seed=0):
    return law.noisy(clean, rng=np.random.default_rng(seed)).astype(np.float32)


def result_of(image, weights, axes="YX", config=None, **options):
    state = DenoisingState()
    config = config or preset("auto-fast", iterations=2)
    job = denoise(
        prepare(image, axes, weights=weights, config=config, device="cpu", **options),
        state=state,
    )
    return np.asarray(run(job)), state


def error(image, clean):
    return float(np.sqrt(np.mean((image - clean) ** 2)))


def test_independent_noise_gives_what_blind_gives(clean, grey):
    noisy = noisy_of(clean, laws.Gaussian(25))
    result, state = result_of(noisy, grey)
    blind, _ = result_of(noisy, grey, config=preset("blind-fast", iterations=2))
    np.testing.assert_array_equal(result, blind)
    (words,) = state.noise_in_words()
    assert words.startswith("pixel-independent, Gaussian-like, about 2")
    assert words.endswith("masks 20 %")


def test_slightly_correlated_noise_is_removed_that_blind_leaves(clean, grey):
    noisy = noisy_of(clean, laws.CorrelatedGaussian(25, 0.5))
    result, state = result_of(noisy, grey)
    blind, _ = result_of(noisy, grey, config=preset("blind-fast", iterations=2))
    assert error(result, clean) < 0.8 * error(blind, clean)
    assert "slightly correlated" in state.noise_in_words()[0]


def test_the_choice_is_kept_and_makes_the_same_image_again(clean, grey):
    noisy = noisy_of(clean, laws.CorrelatedGaussian(25, 0.5))
    result, state = result_of(noisy, grey)
    (noise,) = state.reached()["noise"]
    assert noise["words"] == state.noise_in_words()[0]
    assert noise["found"]["correlation"] == pytest.approx(0.25, abs=0.1)
    assert not noise["settings"]["by_noise"]
    config = preset("blind-fast", **noise["settings"])
    again, _ = result_of(noisy, grey, config=config)
    np.testing.assert_array_equal(result, again)


def test_channels_are_looked_at_each_for_itself(clean, grey):
    laws_ = (laws.Gaussian(25), laws.CorrelatedGaussian(25, 1.0))
    noisy = np.stack([noisy_of(clean, law) for law in laws_])
    _, state = result_of(noisy, grey, axes="CYX")
    first, second = state.noise_in_words()
    assert first.startswith("channel 0: pixel-independent")
    assert second.startswith("channel 1: correlated")


def test_channels_that_are_alike_share_a_line(clean, grey):
    noisy = np.stack([noisy_of(clean, laws.CorrelatedGaussian(25, 1.0))] * 2)
    _, state = result_of(noisy, grey, axes="CYX")
    assert sorted(state.channels) == [0, 1]
    assert len(state.noise_in_words()) == 1


def test_a_choice_stands_when_work_goes_on(clean, grey, monkeypatch):
    noisy = noisy_of(clean, laws.Gaussian(25))
    _, state = result_of(noisy, grey)
    monkeypatch.setattr(
        look_ahead, "look_at_noise", lambda *_, **__: pytest.fail("looked again")
    )
    further = preset("auto-fast", iterations=3)
    run(
        denoise(
            prepare(noisy, "YX", weights=grey, config=further, device="cpu"),
            state=state,
        )
    )
    assert state.iteration == 3


@pytest.mark.parametrize("axes", ["YX", "ZYX"])
def test_hot_pixels_leave_no_trace(axes, clean, grey):
    noisy = noisy_of(clean, laws.Gaussian(10))
    spoilt = noisy.copy()
    spoilt[10::30, 10::30] = 900
    stack = (spoilt, noisy) if axes == "YX" else ([spoilt] * 2, [noisy] * 2)
    (result, state), (ideal, _) = (
        result_of(np.asarray(image), grey, axes=axes) for image in stack
    )
    assert "hot pixels filled" in state.noise_in_words()[0]
    hot = (..., slice(10, None, 30), slice(10, None, 30))
    assert np.abs(result[hot] - ideal[hot]).max() < 40
    unfilled, _ = result_of(
        np.asarray(stack[0]), grey, axes=axes, config=preset("blind-fast", iterations=2)
    )
    assert error(result, clean) < 0.8 * error(unfilled, clean)


def test_an_image_that_is_too_small_to_tell_is_denoised_as_by_blind(clean, grey):
    noisy = noisy_of(clean, laws.Gaussian(25))[:40, :40]
    result, state = result_of(noisy, grey)
    blind, _ = result_of(noisy, grey, config=preset("blind-fast", iterations=2))
    np.testing.assert_array_equal(result, blind)
    assert state.noise_in_words() == ("cannot be told; masks 20 %",)
    assert state.reached()["noise"][0]["found"] is None


def test_nothing_is_told_where_nothing_was_to_be_chosen(clean, grey):
    noisy = noisy_of(clean, laws.Gaussian(25))
    _, state = result_of(noisy, grey, config=preset("blind-fast", iterations=2))
    assert state.noise_in_words() == ()
    assert "noise" not in state.reached()


@pytest.fixture(scope="module")
def any_weights(small_grey_weights):
    """Return small weights that are all at work, as those drawn anew are not."""
    rng = torch.Generator().manual_seed(0)
    state = {
        name: value + 0.1 * torch.randn(value.shape, generator=rng)
        for name, value in small_grey_weights.state.items()
    }
    return dataclasses.replace(small_grey_weights, state=state)


@pytest.mark.parametrize("factor", [2, 3])
def test_blended_tiles_leave_no_seam(clean, any_weights, factor):
    noisy = np.tile(noisy_of(clean, laws.CorrelatedGaussian(25, 0.6)), (1, 5))
    config = preset(
        "blind-fast", pixel_unshuffle=factor, blend=True, learning_rate=0.0,
        merge=False, precision="float32", keep_means=False,
    )  # fmt: skip
    stack = np.stack([noisy, noisy])
    whole, _ = result_of(stack, any_weights, axes="ZYX", config=config)
    tiled, _ = result_of(stack, any_weights, axes="ZYX", config=config, tile=256)
    assert (whole - stack).std() > 1
    np.testing.assert_allclose(whole, tiled, atol=0.01)


def test_a_blend_is_the_mean_of_what_each_factor_gives(clean, grey):
    noisy = noisy_of(clean, laws.CorrelatedGaussian(25, 0.6))
    both = preset(
        "blind-fast", pixel_unshuffle=2, blend=True, learning_rate=0.0, merge=False
    )
    blended, _ = result_of(noisy, grey, config=both)
    alone = [
        result_of(noisy, grey, config=dataclasses.replace(
            both, pixel_unshuffle=factor, blend=False))[0]
        for factor in (1, 2)
    ]  # fmt: skip
    np.testing.assert_allclose(blended, np.mean(alone, axis=0), atol=0.05)


def test_the_papers_network_keeps_the_papers_precision(clean, small_weights):
    noisy = noisy_of(clean, laws.Gaussian(25))
    _, state = result_of(noisy, small_weights, config=preset("auto", iterations=2))
    config = state.channels[0].choice.config
    expected = preset("independent-fast", iterations=2, shared_mask=True)
    assert config == expected


def test_what_the_noise_has_chosen_is_not_told_as_a_failure(clean, grey):
    config = preset("auto-fast", iterations=2)
    for law in (laws.CorrelatedGaussian(25, 1.0), laws.Gaussian(25)):
        _, state = result_of(noisy_of(clean, law), grey)
        assert state.notes_on(config) == []
    blind = preset("blind-fast", iterations=2)
    _, state = result_of(noisy_of(clean, laws.CorrelatedGaussian(25, 1.0)), grey,
                         config=blind)  # fmt: skip
    assert state.notes_on(blind) == [GUARDED]
