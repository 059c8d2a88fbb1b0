"""Forms built from the engine's settings, and the command line that equals them."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar, get_args

from magicgui.widgets import CheckBox, ComboBox, create_widget
from magicgui.widgets.bases import ValueWidget
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QToolButton,
    QWidget,
)

from napari_mpi.engine.settings.filling import FillingConfig
from napari_mpi.engine.settings.network import NetworkConfig
from napari_mpi.engine.settings.presets import (
    PRESETS,
    Effort,
    Noise,
    preset_name,
)
from napari_mpi.engine.settings.pretraining import PretrainingConfig

C = TypeVar("C", FillingConfig, NetworkConfig, PretrainingConfig)

_SHORT = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
_LETTERS_SHOWN = 8

NOISE_LABELS: dict[Noise, str] = {
    "auto": "auto: found out from the image",
    "blind": "blind: whatever the weights know",
    "independent": "independent: from pixel to pixel",
    "real": "real: of a real instrument",
    "correlated": "correlated: in grains or smears",
}
"""What the kinds of noise are called in the form."""


def noise_choices() -> list[tuple[str, str]]:
    """Return (label, value) of every kind of noise."""
    return [(NOISE_LABELS[noise], noise) for noise in get_args(Noise)]


EFFORT_LABELS: dict[Effort, str] = {
    "auto": "auto: until more no longer pays",
    "fast": "fast: a first look",
    "full": "full: as long as it may pay",
}
"""What the efforts are called in the form."""


def effort_choices(noise: str) -> list[tuple[str, str]]:
    """Return (label, value) of every effort that there is for a kind of noise."""
    return [
        (EFFORT_LABELS[effort], effort)
        for effort in get_args(Effort)
        if preset_name(noise, effort) in PRESETS
    ]


GROUPS: dict[str, tuple[str, ...]] = {
    "Noise": (
        "by_noise", "guard", "hot_pixels", "pixel_unshuffle", "blend", "shared_mask",
    ),
    "Learning from the image": (
        "mask_ratio", "iterations", "stop", "learning_rate", "crop", "share",
        "weights_ema_decay",
    ),
    "Putting it together": (
        "neighbours", "passes", "merge", "keep_means", "ema_decay", "ensemble_start",
        "ensemble_of",
    ),
    "Computing": ("precision", "seed"),
}  # fmt: skip
"""The settings of denoising, in the order of what a person wants of them."""


class Form(QWidget):
    """Entries of magicgui, one a row, their labels in line.

    Parameters
    ----------
    entries : list of ValueWidget
        Shown in this order; found again by their names.
    """

    def __init__(self, entries: list[ValueWidget[Any]]) -> None:
        super().__init__()
        self._entries = {entry.name: entry for entry in entries}
        self._rows = QFormLayout()
        self._rows.setContentsMargins(0, 0, 0, 0)
        # A long label goes above its entry rather than widen the whole dock.
        self._rows.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        self._rows.setFieldGrowthPolicy(
            QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow
        )
        for entry in entries:
            self._rows.addRow(entry.label, getattr(entry, "row", entry.native))
            if isinstance(entry.native, QComboBox):
                # A long name, such as a device's, must not widen the whole dock.
                entry.native.setSizeAdjustPolicy(_SHORT)
                entry.native.setMinimumContentsLength(_LETTERS_SHOWN)
        self.setLayout(self._rows)

    def __getitem__(self, name: str) -> ValueWidget[Any]:
        return self._entries[name]

    def show_row(self, name: str, *, visible: bool) -> None:
        """Show or hide an entry together with its label."""
        self._rows.setRowVisible(self[name].native, visible)

    def reset_choices(self) -> None:
        """Ask again what every entry has to choose from."""
        for entry in self._entries.values():
            if isinstance(entry, ComboBox):
                entry.reset_choices()


class SettingsForm(Form, Generic[C]):
    """One entry per setting of a config; starts from the values that it has.

    What differs from the config that was shown last is marked by a dot, and can be
    reset, group by group.

    Parameters
    ----------
    config : dataclass
        One of the engine's configs, whose fields say how they are shown.
    names : tuple of str, optional
        The fields to show; all if None.
    groups : mapping, optional
        Names of fields by the title that they are shown under; one without a title if
        None.
    """

    def __init__(
        self,
        config: C,
        names: tuple[str, ...] | None = None,
        groups: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        fields = {field.name: field for field in dataclasses.fields(config)}
        groups = groups or {"": names or tuple(fields)}
        self._names = [name for group in groups.values() for name in group]
        super().__init__([_entry(fields[name]) for name in self._names])
        self._resets: dict[QToolButton, tuple[str, ...]] = {}
        for title, group in groups.items():
            if title:
                self._put_title(title, group)
        self.show_config(config)
        for name in self._names:
            self[name].changed.connect(self._mark)

    def show_config(self, config: C) -> None:
        """Set every entry to the value that the config has."""
        self._config: C = config
        self._set(self._names)

    def config(self) -> C:
        """Return the settings as they stand.

        Raises
        ------
        ConfigError
            If a value is outside its range.
        """
        values = {name: self[name].value for name in self._names}
        changed: C = dataclasses.replace(self._config, **values)
        return changed

    def is_changed(self, name: str) -> bool:
        """Whether a person has changed a setting."""
        return bool(self[name].value != getattr(self._config, name))

    def _set(self, names: Iterable[str]) -> None:
        for name in names:
            self[name].value = getattr(self._config, name)
        self._mark()

    def _put_title(self, title: str, group: tuple[str, ...]) -> None:
        """Put a title above the first entry of a group, with a button to reset it."""
        reset = QToolButton(text="reset", autoRaise=True)
        reset.setToolTip(f"set all of '{title.lower()}' back to the preset's values")
        reset.clicked.connect(lambda: self._set(group))
        self._resets[reset] = group
        head = QWidget()
        row = QHBoxLayout(head)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(QLabel(f"<b>{title}</b>"))
        row.addStretch()
        row.addWidget(reset)
        at, _ = self._rows.getWidgetPosition(self[group[0]].native)
        self._rows.insertRow(at, head)

    def _mark(self, *_: Any) -> None:
        """Show what differs from the preset."""
        for name in self._names:
            label = self._rows.labelForField(self[name].native)
            dot = "\N{BULLET} " if self.is_changed(name) else ""
            label.setText(dot + self[name].label)
        for reset, group in self._resets.items():
            reset.setEnabled(any(map(self.is_changed, group)))


def _entry(field: "dataclasses.Field[Any]") -> ValueWidget[Any]:
    """Return the entry of one setting, with its label, limits and tooltip."""
    options: dict[str, Any] = {"tooltip": field.metadata["help"]}
    options |= {
        name: field.metadata[name]
        for name in ("min", "max", "step")
        if name in field.metadata
    }
    entry = create_widget(
        value=field.default,
        annotation=field.type,
        name=field.name,
        label=field.metadata["label"],
        options=options,
    )
    assert isinstance(entry, ValueWidget)
    if isinstance(entry, CheckBox):
        entry.text = ""  # its row has the label already
    return entry
