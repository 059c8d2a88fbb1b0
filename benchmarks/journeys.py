"""Walk through the docks as a person does, in real windows, and look at each step.

Sample, plane, stack of channels, time series, lazy stack, a result that grows in a
file, colours, a folder of mixed files and a short pre-training, in a window of 1280 x
720, in both themes. Each step is photographed into OUT, and these are checked: the
window never grew, a dock is 320 pixels wide, the image that is denoised is the selected
one, keys come to what is seen alone, and the buttons are those of the table of states.

Usage: xvfb-run -a -s "-screen 0 1280x720x24" python benchmarks/journeys.py OUT
           [--theme dark light] [--only sample plane ...]
"""

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import dask.array as da
import imageio.v3 as imageio
import napari
import numpy as np
import tifffile
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QScrollArea

from napari_mpi import write_image
from napari_mpi.engine.files.metadata import ImageFile
from napari_mpi.samples import retina, tissue
from napari_mpi.widgets.runs.states import BUTTONS, RunState

SIZE = (1280, 720)
WIDTH = 320
LONGEST = 900  # seconds that a run may take
DOCKS = {
    "denoise": "Denoise",
    "batch": "Denoise a folder\N{HORIZONTAL ELLIPSIS}",
    "pretrain": "Pre-train on a folder\N{HORIZONTAL ELLIPSIS}",
}


class Walk:
    """One journey in one theme: a viewer, a dock, and what is checked at each step."""

    def __init__(self, out: Path, theme: str, name: str) -> None:
        self.out, self.name = out, f"{theme}-{name}"
        self.viewer = napari.Viewer(show=False)
        self.viewer.theme = theme
        self.window = self.viewer.window._qt_window
        self.viewer.window.show()
        self.steps = itertools.count(1)
        self.settle()
        self.window.showNormal()  # or it is as large as it was last
        self.window.resize(*SIZE)
        self.settle()

    def open(self, kind: str) -> object:
        """Open a dock from the plugin menu."""
        dock, self.widget = self.viewer.window.add_plugin_dock_widget(
            "napari-mpi", DOCKS[kind]
        )
        self.dock = dock
        self.settle()
        self.look("opened")
        self.check_keys()
        fold = getattr(self.widget.form, "method", self.widget.form).advanced
        fold.expand()
        self.look("advanced")
        self.check_keys()
        fold.collapse()
        self.look("folded")
        return self.widget

    def settle(self, seconds: float = 0.4) -> None:
        """Let Qt draw."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.01)

    def look(self, what: str) -> None:
        """Take a photograph, and check what must be so at every step."""
        self.settle()
        path = self.out / f"{self.name}-{next(self.steps)}-{what}.png"
        self.window.grab().save(str(path))
        size = (self.window.width(), self.window.height())
        assert size == SIZE, f"{path.name}: the window has become {size}"
        if hasattr(self, "dock"):
            assert self.dock.width() <= WIDTH, f"{path.name}: {self.dock.width()} wide"
            self.check_buttons(path.name)

    def check_buttons(self, where: str) -> None:
        """Compare what can be pressed with the table."""
        widget, run = self.widget, self.widget.run
        state = RunState.IDLE if run is None else run.state
        wanted = BUTTONS[state] if run is None else run.buttons
        for name in ("stop", "cancel"):
            is_on = getattr(widget, f"{name}_button").isEnabled()
            assert is_on == getattr(wanted, name), f"{where}: {name} in {state}"
        if widget.start_button.isEnabled():
            assert wanted.start, f"{where}: start in {state}"

    def check_keys(self) -> None:
        """Check that keys come to nothing that cannot be seen."""
        inside = self.widget.findChild(QScrollArea).widget()
        at = self.widget.nextInFocusChain()
        while at is not self.widget:
            if inside.isAncestorOf(at) and at.focusPolicy() & Qt.FocusPolicy.TabFocus:
                folded = not at.isVisibleTo(inside)
                assert not folded or not at.isVisible(), f"{at} is in the tab order"
            at = at.nextInFocusChain()

    def denoise(self, expected: str, *, until: str = "end") -> None:
        """Press the button, and look at the first preview and at the end."""
        widget = self.widget
        assert widget.form.image.value.name == expected, widget.form.image.value
        assert widget.start_button.text().startswith("Denoise ")
        widget.start_button.click()
        run = widget.run
        self.wait(lambda: run.result is not None or run.is_over)
        self.look("first-preview")
        if until == "stop" and not run.is_over:
            widget.pause_button.click()
            self.look("paused")
            widget.pause_button.click()
            widget.stop_button.click()
        self.wait(lambda: run.is_over)
        self.look("done")
        assert run.source.name == expected
        assert run.result in self.viewer.layers
        print(f"{self.name}: {widget.status.text()!r}", flush=True)

    def wait(self, is_there: Callable[[], bool]) -> None:
        """Wait until something is so, drawing meanwhile."""
        end = time.monotonic() + LONGEST
        while not is_there():
            assert time.monotonic() < end, f"{self.name}: too long"
            self.settle(0.05)

    def close(self) -> None:
        self.viewer.close()
        self.settle()


def sample(walk: Walk) -> None:
    """Open the sample, press the button, compare."""
    walk.viewer.open_sample("napari-mpi", "noisy_retina")
    widget = walk.open("denoise")
    widget.form.reference.value = walk.viewer.layers["retina (clean)"]
    walk.denoise("retina (noisy)")
    widget.comparing.before.click()
    walk.look("before")
    widget.comparing.before.click()
    widget.comparing.beside.click()
    walk.look("side-by-side")
    widget.comparing.beside.click()
    widget.comparing.removed.click()
    walk.look("removed")
    assert widget.form.image.value.name == "retina (noisy)"


def plane(walk: Walk) -> None:
    """Of two images the selected one is denoised, and stopped on the way."""
    noisy = np.tile(retina().noisy, (2, 2))
    walk.viewer.add_image(noisy, name="first")
    walk.viewer.add_image(noisy[:256], name="second")
    walk.open("denoise").form.effort.value = "full"
    walk.viewer.layers.selection.active = walk.viewer.layers["first"]
    walk.denoise("first", until="stop")


def stack(walk: Walk) -> None:
    """Open an ImageJ stack of channels; its axes are not asked for."""
    path = Path(tempfile.mkdtemp()) / "zcyx.tif"
    planes = np.stack([np.stack([retina(seed=n).noisy] * 2) for n in range(3)])
    tifffile.imwrite(path, planes, imagej=True, metadata={"axes": "ZCYX"})
    walk.viewer.open(str(path), plugin="napari")
    widget = walk.open("denoise")
    assert not widget.form.axes.native.isVisible()
    widget.form.effort.value = "fast"
    walk.denoise(walk.viewer.layers.selection.active.name)


def series(walk: Walk) -> None:
    """Denoise a still time series: its frames help each other, which is told."""
    frames = np.stack([retina(seed=n).noisy[128:384, 128:384] for n in range(7)])
    walk.viewer.add_image(frames, name="series", axis_labels=("t", "y", "x"))
    widget = walk.open("denoise")
    widget.form.effort.value = "fast"
    walk.denoise("series")
    assert "planes either side along time" in widget.details.text()
    widget.more.expand()
    walk.look("details")


def lazy(walk: Walk) -> None:
    """Denoise a dask stack; its result is an array that behaves as one."""
    planes = np.stack([retina(seed=n).noisy for n in range(3)])
    walk.viewer.add_image(da.from_array(planes, chunks=(1, -1, -1)), name="lazy")
    walk.open("denoise").form.effort.value = "fast"
    walk.denoise("lazy")
    data = walk.widget.run.result.data
    assert isinstance(data, da.Array), type(data)
    assert float((data * 2).mean()) > 0


def file(walk: Walk) -> None:
    """Let a stack's result grow in a file: stop, look, go on."""
    folder = Path(tempfile.mkdtemp())
    planes = np.stack([retina(seed=n).noisy for n in range(6)])
    write_image(folder / "cells.zarr", ImageFile(planes, "ZYX"))
    (layer,) = walk.viewer.open(folder / "cells.zarr" / "0", plugin="napari")
    layer.name = "cells"
    walk.viewer.dims.set_current_step(0, 0)
    widget = walk.open("denoise")
    widget.form.effort.value = "fast"
    widget.form.settings["neighbours"].value = "none"
    widget.form.output.value = folder / "denoised.zarr"
    walk.look("chosen")
    widget.start_button.click()
    run = widget.run
    walk.wait(lambda: "Region" in widget.status.text() and run.result is not None)
    walk.settle(1)
    walk.look("growing")
    widget.stop_button.click()
    walk.wait(lambda: run.is_over)
    assert not (folder / "denoised.zarr").exists()
    walk.look("stopped")
    widget.pause_button.click()
    walk.wait(lambda: widget.run.is_over and (folder / "denoised.zarr").exists())
    walk.look("finished")


def colour(walk: Walk) -> None:
    """Try a part of a colour image, then all of it."""
    walk.viewer.add_image(tissue().noisy, name="tissue", rgb=True)
    widget = walk.open("denoise")
    widget.form.effort.value = "fast"
    walk.settle(1)
    widget.try_button.click()
    run = widget.run
    walk.wait(lambda: run.is_over)
    walk.look("tried")
    walk.denoise("tissue")


def batch(walk: Walk) -> None:
    """Denoise a folder of mixed files, one of them damaged."""
    folder = Path(tempfile.mkdtemp()) / "images"
    folder.mkdir()
    tifffile.imwrite(folder / "a.tif", retina().noisy)
    imageio.imwrite(folder / "b.png", tissue().noisy)
    (folder / "c.tif").write_bytes(b"no image")
    widget = walk.open("batch")
    widget.form.input.value = folder
    widget.form.method.effort.value = "fast"
    walk.look("chosen")
    widget.start_button.click()
    walk.wait(lambda: widget.run is not None and widget.run.is_over)
    walk.look("done")
    print(f"{walk.name}: {widget.status.text()!r}", flush=True)
    assert "1 failed" in widget.status.text()


def pretrain(walk: Walk) -> None:
    """Pre-train a few steps, and stop."""
    folder = Path(tempfile.mkdtemp()) / "clean"
    folder.mkdir()
    for number in range(4):
        clean = (retina().clean / retina().clean.max() * 255).astype(np.uint8)
        imageio.imwrite(folder / f"{number}.png", np.rot90(clean, number))
    widget = walk.open("pretrain")
    widget.form.folder.value = folder
    widget.form.name.value = f"journey-{time.time():.0f}"
    widget.form.settings["batch_size"].value = 2
    walk.look("chosen")
    widget.start_button.click()
    run = widget.run
    walk.wait(lambda: run.has_result or run.is_over)
    walk.look("learning")
    widget.cancel_button.click()
    walk.wait(lambda: run.is_over)
    walk.look("cancelled")
    print(f"{walk.name}: {widget.status.text()!r}", flush=True)


JOURNEYS = {
    "sample": sample, "plane": plane, "stack": stack, "series": series, "lazy": lazy,
    "file": file, "colour": colour, "batch": batch, "pretrain": pretrain,
}  # fmt: skip


def main() -> None:
    """Walk all journeys, in all themes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--theme", nargs="+", default=["dark", "light"])
    parser.add_argument("--only", nargs="+", choices=JOURNEYS, default=list(JOURNEYS))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    # A person's weights and last used settings are neither used nor changed.
    os.environ["NAPARI_MPI_HOME"] = tempfile.mkdtemp()
    for theme, name in itertools.product(options.theme, options.only):
        walk = Walk(options.out, theme, name)
        JOURNEYS[name](walk)
        walk.close()
        print(f"{theme}-{name}: walked", flush=True)


if __name__ == "__main__":
    main()
