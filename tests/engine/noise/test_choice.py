"""What noise is called, and the settings that it chooses."""

import dataclasses

import pytest

from napari_mpi.engine.noise.choice import choice_in_words, chosen
from napari_mpi.engine.noise.findings import NoiseFindings
from napari_mpi.engine.settings.network import NetworkConfig
from napari_mpi.engine.settings.presets import PRESETS, preset

WHITE = NoiseFindings(
    level=12, strength=0.05, signal_dependence=0.9, correlation=0.02, detail=0.1
)
SLIGHT = dataclasses.replace(WHITE, correlation=0.3)
STRONG = dataclasses.replace(WHITE, correlation=0.6)
WIDE = dataclasses.replace(WHITE, correlation=0.9)
OURS = NetworkConfig(architecture="residual", channels=1, mask_channels=1)
COLOUR = dataclasses.replace(OURS, channels=3, mask_channels=3)
PIXELWISE, SHARED = NetworkConfig(), NetworkConfig(mask_channels=1)
AUTO = ("auto", "auto-fast", "auto-full")


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (WHITE, "pixel-independent, Poisson-like, about 12 grey levels"),
        (SLIGHT, "slightly correlated, Poisson-like, about 12 grey levels"),
        (STRONG, "correlated, Poisson-like, about 12 grey levels"),
        (
            WIDE,
            "correlated over several pixels, Poisson-like, about 12 grey levels",
        ),
        (
            dataclasses.replace(WHITE, signal_dependence=0.1, level=0.0123),
            "pixel-independent, Gaussian-like, about 0.012 grey levels",
        ),
        (
            dataclasses.replace(WHITE, signal_dependence=0.5, level=1234.5),
            "pixel-independent, Poisson-Gaussian, about 1234 grey levels",
        ),
        (
            dataclasses.replace(WHITE, colours=0.9, hot=0.002),
            (
                "pixel-independent, Poisson-like, about 12 grey levels, shared by the"
                " colours, 0.2 % hot pixels"
            ),
        ),
        (
            dataclasses.replace(SLIGHT, detail=0.8),
            "weak against detail, or correlated, Poisson-like, about 12 grey levels",
        ),
    ],
)
def test_noise_is_told_in_words(found, words):
    assert found.words() == words


@pytest.mark.parametrize("name", AUTO)
def test_independent_noise_leaves_the_settings_as_they_are(name):
    config = chosen(preset(name), WHITE, OURS)
    assert config == preset(name.replace("auto", "blind", 1) if "-" in name
                            else "blind-auto")  # fmt: skip


@pytest.mark.parametrize(
    ("found", "unshuffle", "blend"), [(SLIGHT, 2, True), (STRONG, 1, False),
                                      (WIDE, 2, True)]
)  # fmt: skip
def test_correlated_noise_is_neither_learnt_nor_merged_back(found, unshuffle, blend):
    config = chosen(preset("auto"), found, OURS)
    assert (config.learning_rate, config.merge) == (0, False)
    assert (config.pixel_unshuffle, config.blend) == (unshuffle, blend)


@pytest.mark.parametrize(
    "changes",
    [
        {"detail": 0.8},
        {"is_structured": True},
        {"correlation": 0.6, "detail": 0.8, "strength": 0.01},
    ],
)
def test_what_detail_or_lines_have_in_common_is_not_taken_for_noise(changes):
    found = dataclasses.replace(SLIGHT, **changes)
    assert chosen(preset("auto"), found, OURS) == preset("blind-auto")


def test_strong_noise_hides_half_of_the_pixels():
    found = dataclasses.replace(WHITE, strength=0.15)
    config = chosen(preset("auto"), found, OURS)
    assert config == preset("blind-auto", mask_ratio=0.5)
    assert choice_in_words(config) == "masks 50 %"
    found = dataclasses.replace(SLIGHT, strength=0.15)  # of which nothing is learnt
    assert chosen(preset("auto"), found, OURS).mask_ratio == preset("auto").mask_ratio


def test_what_a_person_has_changed_stays():
    config = preset("auto-fast", pixel_unshuffle=3, merge=False, seed=4, iterations=9)
    config = chosen(config, SLIGHT, OURS)
    assert (config.pixel_unshuffle, config.iterations, config.seed) == (3, 9, 4)
    assert config.learning_rate == 0


def test_colours_that_share_their_noise_share_the_mask():
    found = dataclasses.replace(WHITE, colours=0.9)
    assert chosen(preset("auto"), found, COLOUR).shared_mask
    assert not chosen(preset("auto"), WHITE, COLOUR).shared_mask


def test_hot_pixels_are_filled_where_there_are_some():
    found = dataclasses.replace(WHITE, hot=0.001)
    assert chosen(preset("auto"), found, OURS).hot_pixels
    assert not chosen(preset("auto"), WHITE, OURS).hot_pixels


@pytest.mark.parametrize(
    ("name", "found", "network", "fitting"),
    [
        ("auto", WHITE, PIXELWISE, "independent-fast"),
        ("auto-full", WHITE, PIXELWISE, "independent-full"),
        ("auto", WHITE, SHARED, "real-fast"),
        ("auto-fast", SLIGHT, SHARED, "correlated-fast"),
        ("auto-full", STRONG, PIXELWISE, "correlated-full"),
    ],
)
def test_the_papers_network_gets_the_papers_settings(name, found, network, fitting):
    config = chosen(preset(name, seed=3), found, network)
    assert config == preset(fitting, seed=3)


@pytest.mark.parametrize("name", [name for name in PRESETS if name not in AUTO])
def test_presets_that_were_chosen_by_hand_are_left_alone(name):
    assert chosen(PRESETS[name], SLIGHT, OURS) == PRESETS[name]


def test_the_choice_is_told_in_words():
    told = choice_in_words(chosen(preset("auto"), SLIGHT, OURS))
    assert told == "masks 20 %, averaged with the image taken apart, not adapted"
    found = dataclasses.replace(WHITE, colours=0.9, hot=0.01)
    told = choice_in_words(chosen(preset("auto"), found, COLOUR), found)
    assert told == "masks 20 % for all colours, hot pixels filled"
