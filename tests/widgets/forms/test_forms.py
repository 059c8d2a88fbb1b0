"""Forms: the engine's settings in, the same settings and the same command out."""

import dataclasses
import shlex
from pathlib import Path

import pytest

from napari_mpi.cli import denoise, main
from napari_mpi.engine.settings.filling import FillingConfig
from napari_mpi.engine.settings.method import Method
from napari_mpi.engine.settings.presets import PRESETS, preset, preset_name
from napari_mpi.widgets.forms.command_line import command_line
from napari_mpi.widgets.forms.settings_form import (
    GROUPS,
    SettingsForm,
    effort_choices,
    noise_choices,
)


@pytest.mark.parametrize("name", PRESETS)
def test_the_form_gives_back_the_settings_it_shows(name, qapp):
    form = SettingsForm(preset("independent-fast"))
    form.show_config(preset(name, seed=5))
    assert form.config() == preset(name, seed=5)


def test_the_groups_hold_every_setting_once():
    grouped = [name for group in GROUPS.values() for name in group]
    assert sorted(grouped) == sorted(f.name for f in dataclasses.fields(FillingConfig))


def test_what_was_changed_is_marked_and_reset_with_its_group(qapp):
    from qtpy.QtWidgets import QToolButton

    form = SettingsForm(preset("auto"), groups=GROUPS)
    label = form._rows.labelForField(form["passes"].native)
    resets = form.findChildren(QToolButton)
    enabled = [button for button in resets if button.isEnabled()]
    assert label.text() == "Last passes"
    assert not enabled
    form["passes"].value += 1
    form["seed"].value = 7
    assert label.text() == "\N{BULLET} Last passes"
    together = next(b for b in resets if "putting it together" in b.toolTip())
    together.click()
    assert label.text() == "Last passes"
    assert form.config() == preset("auto", seed=7)
    assert not together.isEnabled()
    assert any(button.isEnabled() for button in resets)


@pytest.mark.parametrize("field", dataclasses.fields(FillingConfig))
def test_every_setting_says_what_it_is_and_why(field):
    told = field.metadata["help"]
    assert len(told) > 40
    assert any(mark in told for mark in ";,")


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
