"""How to denoise, whatever the image: the part that all forms of denoising share."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from magicgui.widgets import ComboBox
from magicgui.widgets.bases import ValueWidget
from qtpy.compat import isalive
from qtpy.QtWidgets import QFileDialog, QPushButton, QVBoxLayout, QWidget

from napari_mpi.engine.networks.catalogue import (
    DEFAULT_WEIGHTS,
    suggested_preset,
    training_in_words,
    weights_names,
)
from napari_mpi.engine.runtime.errors import ConfigError, EngineError
from napari_mpi.engine.settings.filling import FillingConfig
from napari_mpi.engine.settings.method import Method
from napari_mpi.engine.settings.presets import (
    DEFAULT_PRESET,
    noise_and_effort,
    preset,
    preset_name,
)
from napari_mpi.widgets.forms import last_used
from napari_mpi.widgets.forms.device_entry import DeviceEntry
from napari_mpi.widgets.forms.settings_form import (
    GROUPS,
    Form,
    SettingsForm,
    effort_choices,
    noise_choices,
)
from napari_mpi.widgets.runs.fold import Fold
from napari_mpi.widgets.runs.news import news


class MethodForm(QWidget):
    """Kind of noise, effort, weights, device; and an advanced fold with all settings.

    Parameters
    ----------
    above, below : sequence of ValueWidget
        Entries of the form that this is part of, in line with its own.
    folded : sequence of QWidget
        What comes first in the advanced fold.
    """

    def __init__(
        self,
        above: Sequence[ValueWidget[Any]] = (),
        below: Sequence[ValueWidget[Any]] = (),
        folded: Sequence[QWidget] = (),
    ) -> None:
        super().__init__()
        self._files: list[str] = []
        self._make_entries()
        self._lay_out(above, below, folded)
        self.noise.changed.connect(self._offer_efforts)
        self.effort.changed.connect(self._apply_preset)
        self.weights.changed.connect(self._suggest_noise)
        self.file_button.clicked.connect(self._choose_file)
        news.weights_changed.connect(self._refresh_weights)

    # -- what comes of it --------------------------------------------------------

    def chosen(self, axes: str | None = None) -> Method:
        """Return what was chosen.

        Parameters
        ----------
        axes : str, optional
            One letter per dimension, where a form asks for them.

        Raises
        ------
        ConfigError
            If a setting is outside its range.
        """
        config = self.settings.config()
        return Method(config, self.weights.value, self.device.value, axes)

    @property
    def preset_name(self) -> str:
        """The preset that the settings started from."""
        return preset_name(self.noise.value, self.effort.value)

    # -- settings from elsewhere -------------------------------------------------

    def keep(self, form: str) -> None:
        """Keep what is chosen for the next time that a form of this name is opened."""
        chosen = {entry.name: entry.value for entry in self._kept}
        settings = dataclasses.asdict(self.settings.config())
        last_used.keep(form, {**chosen, "settings": settings})

    def recall(self, form: str) -> None:
        """Choose what was kept, as far as there still is such a thing."""
        kept = last_used.recalled(form)
        for entry in self._kept:
            self._choose(entry, kept.get(entry.name))
        self._fill_in(kept.get("settings"))

    def use_again(self, made: Mapping[str, Any]) -> None:
        """Choose the settings that a result was made with.

        Parameters
        ----------
        made : mapping
            Provenance, as results carry it.

        Raises
        ------
        ConfigError
            If it names no settings, or such that are unknown here.
        """
        if not self._fill_in(made.get("settings")):
            raise ConfigError("the selected layer does not say how it was made")
        weights = made.get("weights")
        self._choose(self.weights, isinstance(weights, dict) and weights.get("name"))
        self._fill_in(made.get("settings"))  # weights may have suggested others

    @property
    def _kept(self) -> tuple[ComboBox, ...]:
        return self.weights, self.noise, self.effort, self.device

    @staticmethod
    def _choose(entry: ComboBox, value: Any) -> None:
        if value in entry.choices:
            entry.value = value

    def _fill_in(self, settings: Any) -> bool:
        """Fill in settings by their names; whether they could be."""
        try:
            config = FillingConfig(**settings)
        except (TypeError, EngineError):
            return False
        for name, value in dataclasses.asdict(config).items():
            self.settings[name].value = value
        return True

    # -- what there is to choose -------------------------------------------------

    def reset_choices(self) -> None:
        """Refresh every list, those of the entries above and below too."""
        self.rows.reset_choices()

    def add_weights_file(self, path: str) -> None:
        """Offer a weights file beside the named weights, and choose it."""
        self._files.append(path)
        self.weights.reset_choices()
        self.weights.value = path

    def _weights(self, _: Any) -> list[tuple[str, str]]:
        """Return labels and names; the user's own tell how long they were trained."""
        told = {name: training_in_words(name) for name in weights_names()}
        named = [(f"{name}: {t}" if t else name, name) for name, t in told.items()]
        return [*named, *((path, path) for path in self._files)]

    def _refresh_weights(self) -> None:
        if isalive(self):
            self.weights.reset_choices()

    def _choose_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Weights", filter="Weights (*.safetensors *.pth *.pt)"
        )
        if path:
            self.add_weights_file(path)

    # -- how it hangs together ---------------------------------------------------

    def _make_entries(self) -> None:
        self.noise = ComboBox(name="noise", label="Noise", choices=noise_choices())
        self.effort = ComboBox(name="effort", label="Effort", choices=self._efforts)
        self.weights = ComboBox(name="weights", label="Weights", choices=self._weights)
        self.weights.value = DEFAULT_WEIGHTS
        self.device = DeviceEntry(self)
        self.settings = SettingsForm(preset(DEFAULT_PRESET), groups=GROUPS)
        self.file_button = QPushButton("Weights from file…")
        self.again_button = QPushButton("Settings of the selected result")
        self.again_button.setToolTip("set everything as it was when it was made")
        self.command_button = QPushButton("Copy command line")
        self.noise.tooltip = "what the noise of one pixel tells of its neighbours'"
        self.effort.tooltip = "how long to adapt the network to your image"
        self.weights.tooltip = "what the network knows before it sees the image"
        self.command_button.setToolTip("the command that does the same in a terminal")

    def _lay_out(
        self,
        above: Sequence[ValueWidget[Any]],
        below: Sequence[ValueWidget[Any]],
        folded: Sequence[QWidget],
    ) -> None:
        own = [self.noise, self.effort, self.weights, self.device]
        self.rows = Form([*above, *own, *below])
        self.advanced = Fold("Advanced")
        buttons = self.file_button, self.again_button, self.command_button
        for part in (*folded, self.settings, *buttons):
            self.advanced.addWidget(part)
        layout = QVBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.rows)
        layout.addWidget(self.advanced)
        self.setLayout(layout)

    def _efforts(self, _: Any) -> list[tuple[str, str]]:
        return effort_choices(self.noise.value)

    def _offer_efforts(self) -> None:
        """Offer what there is for the kind of noise; keep the effort if it is there."""
        efforts = [value for _, value in effort_choices(self.noise.value)]
        chosen = self.effort.value if self.effort.value in efforts else efforts[0]
        with self.effort.changed.blocked():
            self.effort.native.clear()  # or new ones would come last
            self.effort.reset_choices()
            self.effort.value = chosen
        self._apply_preset()

    def _apply_preset(self) -> None:
        seed = self.settings["seed"].value
        self.settings.show_config(preset(self.preset_name, seed=seed))

    def _suggest_noise(self) -> None:
        """Choose the kind of noise that the weights are meant for, and its effort."""
        if self.weights.value is None:
            return
        noise, effort = noise_and_effort(suggested_preset(self.weights.value))
        if noise != self.noise.value:
            self.noise.value, self.effort.value = noise, effort
