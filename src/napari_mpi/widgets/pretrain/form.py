"""What a person chooses in the Pre-train widget, and the request that comes of it."""

import dataclasses
from pathlib import Path
from typing import Any

from magicgui.widgets import ComboBox, FileEdit, LineEdit
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_mpi.engine.networks.catalogue import (
    checkpoint_path,
    own_weights_path,
    require_new,
)
from napari_mpi.engine.runtime.errors import EngineError
from napari_mpi.engine.settings.recipes import NETWORK_SETTINGS, RECIPES, Recipe
from napari_mpi.widgets.forms.device_entry import DeviceEntry
from napari_mpi.widgets.forms.settings_form import Form, SettingsForm
from napari_mpi.widgets.pretrain.job import PretrainRequest
from napari_mpi.widgets.runs.fold import Fold

_START_RECIPE = "grey"
"""The recipe that the form starts with: most images of our users are grey."""

_USUAL = 60  # minutes
_TIMES = [
    ("10 minutes", 10),
    ("1 hour", _USUAL),
    ("8 hours, a night", 480),
    ("as many iterations as under Advanced", 0),
]


class PretrainForm(QWidget):
    """Folder, recipe, name, device; and an advanced fold with all settings."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._make_entries()
        self._lay_out()
        for entry in (self.folder, self.name):
            entry.changed.connect(self._on_change)
        self.recipe.changed.connect(self._apply_recipe)
        self._apply_recipe()

    def problem(self) -> str | None:
        """Return why it cannot be started, in a sentence, or None."""
        if not self._folder_is_chosen():
            return "choose a folder of clean images"
        if not self.name.value.strip():
            return "give the weights a name"
        try:
            path = self._weights_path()
            if not checkpoint_path(path).exists():
                require_new(path)
        except EngineError as error:
            return str(error)
        return None

    @property
    def can_resume(self) -> bool:
        """Whether there is a checkpoint of this name to go on from."""
        try:
            path = self._weights_path()
        except EngineError:
            return False
        return self._folder_is_chosen() and checkpoint_path(path).exists()

    def _weights_path(self) -> Path:
        """Return the file of the name, which must not be a path here."""
        return own_weights_path(self.name.value.strip().removesuffix(".safetensors"))

    def request(self, *, resume: bool) -> PretrainRequest:
        """Return what was chosen.

        Raises
        ------
        EngineError
            If a setting is outside its range, or the name is taken.
        """
        path = self._weights_path()
        if not resume:
            require_new(path)
        chosen = RECIPES[self.recipe.value]
        recipe = Recipe(
            network=self.network.config(),
            pretraining=self.settings.config(),
            summary=chosen.summary,
        )
        folder = Path(self.folder.value)
        return PretrainRequest(
            folder,
            recipe,
            path,
            self.device.value,
            resume,
            seconds=60 * self.time.value or None,
        )

    def _folder_is_chosen(self) -> bool:
        folder = Path(self.folder.value)
        return folder != Path() and folder.is_dir()

    def _make_entries(self) -> None:
        names = [(f"{name}: {r.summary}", name) for name, r in RECIPES.items()]
        self.folder = FileEdit(name="folder", label="Images", mode="d", value="")
        self.recipe = ComboBox(
            name="recipe", label="Recipe", choices=names, value=_START_RECIPE
        )
        self.name = LineEdit(name="name", label="Name", value="my-weights")
        self.device = DeviceEntry(self)
        self.time = ComboBox(name="time", label="Time", choices=_TIMES, value=_USUAL)
        self.time.tooltip = (
            "how long to train; a longer training gives better weights. It can be"
            " stopped before, which keeps what is learnt"
        )
        recipe = RECIPES[_START_RECIPE]
        self.network = SettingsForm(recipe.network, NETWORK_SETTINGS)
        self.settings = SettingsForm(recipe.pretraining)
        self.folder.tooltip = "TIFF, PNG and JPEG images, as free of noise as you have"
        self.recipe.tooltip = "the network, and how it is trained"
        self.name.tooltip = "what the weights are called in the Denoise widget"

    def _lay_out(self) -> None:
        self._choices = Form(
            [self.folder, self.recipe, self.name, self.time, self.device]
        )
        self.advanced = Fold("Advanced")
        self.advanced.addWidget(self.network)
        self.advanced.addWidget(self.settings)
        layout = QVBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._choices)
        layout.addWidget(self.advanced)
        self.setLayout(layout)

    def _on_change(self, _: Any = None) -> None:
        self.changed.emit()

    def _apply_recipe(self, _: Any = None) -> None:
        recipe = RECIPES[self.recipe.value]
        seed = self.settings["seed"].value
        self.network.show_config(recipe.network)
        self.settings.show_config(dataclasses.replace(recipe.pretraining, seed=seed))
