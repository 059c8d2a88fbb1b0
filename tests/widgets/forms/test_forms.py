"""Forms: the engine's settings in, the same settings and the same command out."""

import shlex
from pathlib import Path

import pytest

from napari_mpi.cli import denoise, main
from napari_mpi.engine.settings.method import Method
from napari_mpi.engine.settings.presets import PRESETS, preset, preset_name
from napari_mpi.widgets.forms.command_line import command_line
from napari_mpi.widgets.forms.settings_form import (
    SettingsForm,
    effort_choices,
    noise_choices,
)


@pytest.mark.parametrize("name", PRESETS)
def test_the_form_gives_back_the_settings_it_shows(name, qapp):
    form = SettingsForm(preset("independent-fast"))
    form.show_config(preset(name, seed=5))
    assert form.config() == preset(name, seed=5)


def test_the_choices_name_every_preset():
    names = {
        preset_name(noise, effort)
        for _, noise in noise_choices()
        for _, effort in effort_choices(noise)
    }
    assert names == set(PRESETS)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("independent-fast", {}),
        ("real-full", {"shared_mask": False, "learning_rate": 0.001}),
        ("correlated-fast", {"ensemble_start": "unbiased", "seed": 4}),
        (
            "independent-full",
            {"mask_ratio": 0.5, "iterations": 7, "pixel_unshuffle": 3},
        ),
    ],
)
def test_the_copied_command_means_the_same_to_the_command_line(
    name, changes, monkeypatch
):
    config = preset(name, **changes)
    method = Method(config, "mpi-pixelwise-30", "cpu", "ZYX")
    command = command_line("/data/my cells.tif", name, method)
    program, *words = shlex.split(command)
    seen = []
    monkeypatch.setattr(denoise, "_denoise", seen.append)
    assert (program, main.main(words)) == ("napari-mpi", 0)
    (options,) = seen
    assert options.input == Path("/data/my cells.tif")
    assert options.output == Path("/data/my cells-denoised.tif")
    assert (options.weights, options.device, options.axes) == (
        "mpi-pixelwise-30",
        "cpu",
        "ZYX",
    )
    given = {field: getattr(options, field) for field in changes}
    assert preset(options.preset, **given) == config
