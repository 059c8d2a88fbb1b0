"""What a call passes through: rooms entered, doors, kinds of dataclass.

A trace follows a trip on all threads: which folders of the package its functions lie
in, which functions are called and which objects made from another folder than their own
(doors: what a reader of one folder must know of the others; methods of what was handed
over are not counted), and which dataclasses are made. Imports are done before.

Usage: xvfb-run -a python benchmarks/trips.py [--list]

With --list every door and every dataclass is named.
"""

import argparse
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, is_dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import tifffile

import napari_mpi

PACKAGE = str(Path(napari_mpi.__file__).parent)
_SHORT = ["--preset", "blind-fast", "-q"]


@dataclass
class Trip:
    """What a trace has seen."""

    folders: set[str] = field(default_factory=set)
    doors: set[str] = field(default_factory=set)
    kinds: set[str] = field(default_factory=set)

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Note a call."""
        if event != "call":
            return
        code = frame.f_code
        if code.co_filename == "<string>" and code.co_name == "__init__":
            self._made(type(frame.f_locals[code.co_varnames[0]]))
        here = _folder(frame)
        if here is None or code.co_name.startswith("<"):
            return
        self.folders.add(here)
        name = code.co_qualname.removesuffix(".__init__")
        caller = _caller(frame)
        if "." not in name and caller is not None and caller != here:
            self.doors.add(f"{here}: {name}")

    def _made(self, kind: type) -> None:
        if is_dataclass(kind) and kind.__module__.startswith("napari_mpi"):
            self.kinds.add(kind.__name__)


def _folder(frame: FrameType) -> str | None:
    """Return the folder of the package that a frame's code lies in."""
    name = frame.f_code.co_filename
    if not name.startswith(PACKAGE):
        return None
    return str(Path(name).parent.relative_to(PACKAGE)) or "."


def _caller(frame: FrameType) -> str | None:
    """Return the folder of the nearest frame that is the package's; not a library's."""
    outer = frame.f_back
    return None if outer is None else _folder(outer)


@contextmanager
def followed() -> Iterator[Trip]:
    """Follow what is done inside, on this thread and those that it starts."""
    trip = Trip()
    threading.setprofile(trip)
    sys.setprofile(trip)
    try:
        yield trip
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def one_plane(noisy: np.ndarray, _: Path) -> None:
    """Call `denoise` on one plane."""
    napari_mpi.denoise(noisy, "YX", preset="blind-fast")


def tiff_stack(noisy: np.ndarray, folder: Path) -> None:
    """Run `napari-mpi denoise` on a TIFF stack."""
    from napari_mpi.cli.main import main as command

    source = folder / "stack.tif"
    if not source.exists():
        tifffile.imwrite(
            source, np.stack([noisy, noisy]), imagej=True, metadata={"axes": "TYX"}
        )
    _told(command, ["denoise", str(source), "-o", str(folder / "out.tif"), *_SHORT])


def folder_of_one(noisy: np.ndarray, folder: Path) -> None:
    """Run `napari-mpi batch` on a folder of one TIFF."""
    from napari_mpi.cli.main import main as command

    raw = Path(tempfile.mkdtemp(dir=folder))
    tifffile.imwrite(raw / "one.tif", noisy, imagej=True)
    out = Path(tempfile.mkdtemp(dir=folder))
    _told(command, ["batch", str(raw), str(out), *_SHORT])


def _told(command: Callable[[list[str]], object], arguments: list[str]) -> None:
    try:
        command(arguments)
    except SystemExit as end:
        if end.code:
            raise


def button(noisy: np.ndarray, _: Path) -> None:
    """Press the Denoise button, and wait."""
    import napari
    from qtpy.QtWidgets import QApplication

    from napari_mpi.widgets.denoise import run as run_
    from napari_mpi.widgets.denoise.dock import DenoiseWidget

    profile = sys.getprofile()
    sys.setprofile(None)  # from the press on
    viewer = napari.Viewer(show=False)
    viewer.add_image(noisy)
    widget = DenoiseWidget(viewer)
    viewer.window.add_dock_widget(widget)
    job = run_.denoise_job

    def followed_job(*arguments: Any) -> Any:
        sys.setprofile(profile)  # Qt's threads do not ask `threading` for it
        return (yield from job(*arguments))

    run_.denoise_job = followed_job
    sys.setprofile(profile)
    widget.start_button.click()
    while widget.run.ending.value == "running":
        QApplication.processEvents()
    sys.setprofile(None)
    run_.denoise_job = job
    viewer.close()


def main() -> None:
    """Follow the four trips, each the second time that it is made."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    noisy = np.random.default_rng(0).poisson(50, (64, 64)).astype(np.uint16)
    print("| trip | folders | doors | kinds of dataclass |\n| --- | --- | --- | --- |")
    for trip in (one_plane, tiff_stack, button, folder_of_one):
        folder = Path(tempfile.mkdtemp())
        trip(noisy, folder)  # imports, caches
        with followed() as seen:
            trip(noisy, folder)
        name = (trip.__doc__ or "").rstrip(".")
        counts = (seen.folders, seen.doors, seen.kinds)
        told = " | ".join(str(len(each)) for each in counts)
        print(f"| {name} | {told} |", flush=True)
        if options.list:
            for each in counts:
                print("   ", "\n    ".join(sorted(each)), "\n")


if __name__ == "__main__":
    main()
