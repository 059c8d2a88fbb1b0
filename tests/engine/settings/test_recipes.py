"""Recipes of pre-training, and what they refuse."""

import pytest

from napari_mpi.engine.runtime.errors import ConfigError
from napari_mpi.engine.settings.pretraining import PretrainingConfig
from napari_mpi.engine.settings.recipes import DEFAULT_RECIPE, RECIPES, recipe


def test_the_default_is_the_papers_recipe():
    paper = RECIPES[DEFAULT_RECIPE]
    assert paper.network.architecture == "skip"
    config = paper.pretraining
    assert (config.mask_ratio_low, config.mask_ratio_high) == (0.30, 0.30)
    assert (config.batch_size, config.crop_size) == (64, 256)
    assert (config.iterations, config.learning_rate) == (80_000, 2e-3)
    assert (config.final_learning_rate, config.gradient_clip) == (1e-5, 0.01)
    assert (config.beta1, config.beta2) == (0.9, 0.9)
    assert (config.loss_on, config.input_noise) == ("hidden", "none")
    shared = RECIPES["paper-shared"]
    assert shared.network.mask_channels == 1
    assert shared.pretraining.shared_mask
    assert shared.pretraining.mask_ratio_low == 0.80
    assert shared.pretraining.mask_ratio_high == 0.95


def test_changes_reach_network_and_training_and_none_leaves_as_it_is():
    changed = recipe("grey", width=16, iterations=5, batch_size=None)
    assert changed.network.width == 16
    assert changed.pretraining.iterations == 5
    assert changed.pretraining.batch_size == RECIPES["grey"].pretraining.batch_size


def test_unknown_names_are_refused_with_those_there_are():
    with pytest.raises(ConfigError, match="choose one of paper, paper-shared"):
        recipe("fast")
    with pytest.raises(ConfigError, match=r"choose one of .*batch_size"):
        recipe("grey", batchsize=3)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"mask_ratio_low": 0.5}, "exchange them"),
        ({"mask_ratio_low": 0.0}, "no loss on hidden pixels"),
        ({"unmasked_share": 0.2}, "no loss on hidden pixels"),
        (
            {"mask_ratio_low": 0.0, "mask_ratio_high": 0.0, "loss_on": "all"},
            "nothing to learn",
        ),
        ({"loss_on": "some"}, "choose one of hidden, all"),
        ({"crop_size": 8}, "from 16 to 1024"),
        ({"batch_size": 0}, "from 1 to 4096"),
        ({"learning_rate": 0.0}, "above 0"),
        ({"noise_level": 2.0}, "below 1"),
        ({"cooldown": 5}, "a cosine falls all the way"),
        (
            {"schedule": "constant", "iterations": 4, "cooldown": 5},
            "cool-down is 5: it must be from 0 to 4",
        ),
        ({"precision": "float16"}, "choose one of auto, float32, bfloat16"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, sentence):
    with pytest.raises(ConfigError, match=sentence):
        PretrainingConfig(**settings)
