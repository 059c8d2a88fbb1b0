"""The last passes: what they predict from, and when the pixel's own value enters."""

import dataclasses
import time

import pytest
import torch

from napari_mpi.engine.filling.passes import finish, passes_of
from napari_mpi.engine.settings.presets import preset

CONFIG = preset("blind-full", passes=4, keep_means=False, merge=False)


@pytest.fixture
def noisy():
    noise = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    return 0.5 + 0.05 * noise


def last(noisy, predict, config):
    *_, passed = finish(noisy, predict, config)
    return passed


def test_every_pixel_is_hidden_once_and_one_pass_hides_nothing(noisy):
    seen = []

    def predict(image, masked):
        seen.append(masked)
        return image

    passed = last(noisy, predict, CONFIG)
    *masks, nothing = seen
    assert nothing is None
    hidden = sum(mask.int() for mask in masks)
    assert torch.equal(hidden, torch.ones_like(hidden))
    assert passed.share == 1
    assert not passed.merged


def test_open_and_hidden_passes_count_half_each(noisy):
    def predict(image, masked):
        return torch.full_like(image, 0.2 if masked is None else 0.6)

    image = last(noisy, predict, CONFIG).image
    torch.testing.assert_close(image, torch.full_like(noisy, 0.4))


def test_merging_knows_what_a_prediction_took_over(noisy):
    def predict(image, masked):
        """Return local means, a part of which is the pixel's own value."""
        return torch.nn.functional.avg_pool2d(image, 7, 1, 3, count_include_pad=False)

    config = dataclasses.replace(CONFIG, merge=True)
    passed = last(noisy, predict, config)
    assert passed.merged
    # Nothing but noise is left, so that next to nothing is merged back.
    before = (predict(noisy, None) - 0.5).square().mean()
    assert (passed.image - 0.5).square().mean() < 1.1 * before


def test_correlated_noise_is_not_merged(noisy):
    grain = 0.5 + 3 * torch.nn.functional.avg_pool2d(noisy - 0.5, 3, 1, 1)
    config = dataclasses.replace(CONFIG, merge=True)

    def predict(image, masked):
        return torch.full_like(image, 0.5)

    passed = last(grain, predict, config)
    assert not passed.merged
    torch.testing.assert_close(passed.image, torch.full_like(noisy, 0.5))
    assert last(noisy, predict, config).merged


def test_progress_rises_to_one_within_the_passes_foretold(noisy):
    calls = []

    def predict(image, masked):
        calls.append(masked)
        return 0.5 * image + 0.25

    config = dataclasses.replace(CONFIG, merge=True)
    shares = [passed.share for passed in finish(noisy, predict, config)]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(calls) == passes_of(config) == 6


def test_a_large_image_lets_others_have_their_turn_within_a_pass(monkeypatch):
    """So a cancel is seen; what comes out is the same."""
    from napari_mpi.engine.filling import passes

    noisy = torch.rand(1, 1, 24, 20, generator=torch.Generator().manual_seed(0))
    config = dataclasses.replace(CONFIG, merge=True)

    def predict(image, masked):
        time.sleep(0.25)
        return image * 0.5

    def last(large):
        monkeypatch.setattr(passes, "_LARGE", large)
        return list(passes.finish(noisy, predict, config))

    quick, told = last(10**9), last(0)
    assert len(told) > len(quick)
    shares = [filled.share for filled in told]
    assert shares == sorted(shares)
    assert torch.equal(told[-1].image, quick[-1].image)
