"""The choice of a device by its real name."""

from typing import Any

from magicgui.widgets import ComboBox
from napari.qt.threading import create_worker
from qtpy.compat import isalive
from qtpy.QtWidgets import QWidget


class DeviceEntry(ComboBox):
    """Lists the devices; torch, which knows their names, loads meanwhile.

    Parameters
    ----------
    owner : QWidget
        The form that it is part of; when that is gone, nothing is shown any more.
    """

    def __init__(self, owner: QWidget) -> None:
        self._owner = owner
        self._devices = [("auto", "auto")]
        super().__init__(name="device", label="Device", choices=self._named)
        worker = create_worker(_named_devices, _start_thread=False)
        worker.returned.connect(self._show)
        worker.start()

    def _named(self, _: Any) -> list[tuple[str, str]]:
        return self._devices

    def _show(self, devices: list[tuple[str, str]]) -> None:
        if isalive(self._owner):
            self._devices = [(f"auto: {devices[0][0]}", "auto"), *devices]
            self.reset_choices()


def _named_devices() -> list[tuple[str, str]]:
    """Return (real name, name) of every device; runs on a worker's thread."""
    from napari_mpi.engine.runtime.devices import available_devices, describe_device
    from napari_mpi.engine.runtime.devices import resolve_device as resolved

    return [(describe_device(resolved(name)), name) for name in available_devices()]
