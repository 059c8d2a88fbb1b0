"""Settings: the paper's presets, and clear errors for values out of range."""

import dataclasses

import pytest

from napari_mpi.engine.runtime.errors import ConfigError
from napari_mpi.engine.settings.filling import FillingConfig
from napari_mpi.engine.settings.network import NetworkConfig
from napari_mpi.engine.settings.presets import (
    DEFAULT_PRESET,
    PRESETS,
    noise_and_effort,
    preset,
    preset_name,
)

NAN = float("nan")
FIELDS = dataclasses.fields(FillingConfig)
# DESIGN.md, section 2: mask ratio, shared, iterations, EMA decay, pixel-unshuffle.
PAPER = {
    "independent-fast": (0.30, False, 200, 0.90, 1),
    "independent-full": (0.30, False, 1000, 0.99, 1),
    "real-fast": (0.85, True, 200, 0.90, 1),
    "real-full": (0.85, True, 1000, 0.99, 1),
    "correlated-fast": (0.90, True, 200, 0.90, 2),
    "correlated-full": (0.90, True, 800, 0.99, 2),
}


def test_there_are_no_presets_but_ours_and_the_papers():
    ours = {"auto", "auto-fast", "auto-full", "blind-auto", "blind-fast", "blind-full"}
    assert set(PRESETS) == {*ours, *PAPER}
    assert DEFAULT_PRESET == "auto"


@pytest.mark.parametrize("name", PRESETS)
def test_noise_and_effort_make_the_name_again(name):
    assert preset_name(*noise_and_effort(name)) == name


@pytest.mark.parametrize("name", PAPER)
def test_preset_equals_the_papers_table(name):
    config = preset(name)
    found = (
        config.mask_ratio,
        config.shared_mask,
        config.iterations,
        config.ema_decay,
        config.pixel_unshuffle,
    )
    assert found == PAPER[name]
    assert (config.learning_rate, config.ensemble_start) == (2e-3, "noisy")
    assert not (config.crop or config.passes or config.stop or config.merge)
    assert (config.precision, config.weights_ema_decay) == ("float32", 0)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("iterations", 0, ["iterations", "0", "from 1 to"]),
        ("iterations", -3, ["iterations", "-3", "from 1 to"]),
        ("iterations", 2.5, ["iterations", "2.5", "whole number"]),
        ("iterations", "20", ["iterations", "'20'", "whole number"]),
        ("iterations", True, ["iterations", "True", "whole number"]),
        ("mask_ratio", 0, ["mask ratio is 0", "nothing is hidden", "raise it"]),
        ("mask_ratio", 1, ["mask ratio", "1", "at least 0 and below 1"]),
        ("mask_ratio", 1.5, ["mask ratio", "1.5", "at least 0 and below 1"]),
        ("mask_ratio", NAN, ["mask ratio", "nan", "at least 0 and below 1"]),
        ("mask_ratio", "0.3", ["mask ratio", "'0.3'", "must be a number"]),
        ("mask_ratio", True, ["mask ratio", "True", "must be a number"]),
        ("learning_rate", -1e-3, ["learning rate", "-0.001", "at least 0"]),
        ("learning_rate", NAN, ["learning rate", "nan", "at least 0"]),
        ("ensemble_of", "some", ["'some'", "hidden, all"]),
        ("learning_rate", float("inf"), ["learning rate", "inf", "below 10"]),
        ("ema_decay", 1.0, ["EMA decay", "1.0", "at least 0 and below 1"]),
        ("ema_decay", -0.1, ["EMA decay", "-0.1", "at least 0 and below 1"]),
        ("ema_decay", NAN, ["EMA decay", "nan", "at least 0 and below 1"]),
        ("ensemble_start", "zero", ["'zero'", "noisy, first-fill, unbiased"]),
        ("crop", -1, ["crop", "-1", "from 0 to 65536"]),
        ("crop", 64, ["passes are 0", "set passes to 5"]),
        ("stop", True, ["passes are 0", "set passes to 5"]),
        ("merge", True, ["passes are 0", "set passes to 5"]),
        ("merge", "yes", ["merge", "'yes'", "True, False"]),
        ("passes", 101, ["passes", "101", "from 0 to 100"]),
        ("weights_ema_decay", 1, ["weights EMA decay", "1", "below 1"]),
        ("precision", "half", ["'half'", "float32, bfloat16, auto"]),
        ("pixel_unshuffle", 0, ["pixel unshuffle", "0", "from 1 to 8"]),
        ("pixel_unshuffle", 9, ["pixel unshuffle", "9", "from 1 to 8"]),
        ("seed", -1, ["seed", "-1", "from 0 to"]),
        ("seed", 2**63, ["seed", str(2**63), "from 0 to"]),
        ("seed", False, ["seed", "False", "whole number"]),
    ],
)
def test_value_out_of_range_is_told_with_the_rule(field, value, said):
    with pytest.raises(ConfigError) as caught:
        FillingConfig(**{field: value})
    message = str(caught.value)
    assert all(part in message for part in said), message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("iterations", 1),
        ("mask_ratio", 1e-6),
        ("mask_ratio", 0.999),
        ("learning_rate", 0.0),
        ("ensemble_of", "all"),
        ("ema_decay", 0),
        ("ensemble_start", "first-fill"),
        ("ensemble_start", "unbiased"),
        ("pixel_unshuffle", 8),
        ("seed", 2**63 - 1),
    ],
)
def test_value_at_the_edge_of_its_range_is_taken(field, value):
    assert getattr(FillingConfig(**{field: value}), field) == value


def test_nothing_may_be_hidden_where_nothing_is_learnt_from_it():
    config = FillingConfig(mask_ratio=0, learning_rate=0, ensemble_of="all")
    assert config.mask_ratio == 0
    for changed in ({"learning_rate": 1e-3}, {"ensemble_of": "hidden"}):
        with pytest.raises(ConfigError, match="nothing is hidden"):
            dataclasses.replace(config, **changed)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("architecture", "unet", ["'unet'", "skip"]),
        ("channels", 0, ["channels", "0", "from 1 to 16"]),
        ("mask_channels", 2, ["mask channels", "2", "1, 3"]),
        ("width", "64", ["width", "'64'", "whole number"]),
        ("scales", 9, ["scales", "9", "from 1 to 8"]),
        ("widest", 32, ["widest", "32", "at least 64"]),
        ("block", "dense", ["block", "'dense'", "plain, gated"]),
    ],
)
def test_impossible_network_is_told_with_the_rule(field, value, said):
    with pytest.raises(ConfigError) as caught:
        NetworkConfig(**{field: value})
    message = str(caught.value)
    assert all(part in message for part in said), message


def test_unknown_preset_lists_the_choices():
    with pytest.raises(ConfigError) as caught:
        preset("slow")
    assert "'slow'" in str(caught.value)
    assert all(name in str(caught.value) for name in PAPER)


def test_unknown_field_of_a_preset_lists_the_choices():
    with pytest.raises(ConfigError) as caught:
        preset("real-fast", mask_ration=0.5)
    assert "'mask_ration'" in str(caught.value)
    assert "mask_ratio," in str(caught.value)


def test_preset_is_changed_in_the_given_fields_only():
    changed = preset("real-fast", iterations=7, seed=None, shared_mask=False)
    expected = dataclasses.replace(
        PRESETS["real-fast"], iterations=7, shared_mask=False
    )
    assert changed == expected


def test_none_leaves_every_field_as_the_preset_has_it():
    nothing = {field.name: None for field in FIELDS}
    assert preset("correlated-full", **nothing) == PRESETS["correlated-full"]


def test_changed_preset_is_checked_too():
    with pytest.raises(ConfigError, match="iterations is 0"):
        preset("real-fast", iterations=0)


def test_settings_cannot_be_changed_afterwards():
    with pytest.raises(dataclasses.FrozenInstanceError):
        preset("real-fast").iterations = 3


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_field_tells_forms_its_label_help_and_limits(field):
    assert field.metadata["label"].strip()
    assert field.metadata["help"].strip()
    if isinstance(field.default, (int, float)) and not isinstance(field.default, bool):
        values = [getattr(config, field.name) for config in PRESETS.values()]
        for value in [field.default, *values]:
            assert field.metadata["min"] <= value <= field.metadata["max"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (field.name, field.metadata[limit])
        for field in FIELDS
        for limit in ("min", "max")
        if limit in field.metadata
    ],
)
def test_limits_of_a_form_are_valid_settings(name, value):
    passing = {"passes": 5, "ensemble_of": "all", "learning_rate": 0.0}
    assert getattr(FillingConfig(**{**passing, name: value}), name) == value
