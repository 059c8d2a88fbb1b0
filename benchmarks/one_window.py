"""What stays in memory of runs in one window: a line that should be flat.

Opens a viewer with the Denoise dock (needs a display), denoises the same small image
again and again, removes the result each time, and prints what the program holds. Beside
it, what adding and removing a layer costs napari without any run.

Usage: xvfb-run -a python benchmarks/one_window.py [--runs 50]
"""

import argparse
import gc

import napari
import numpy as np
import psutil
from qtpy.QtWidgets import QApplication

EVERY = 10  # runs between two lines


def main() -> None:
    """Print the memory after every few runs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=50)
    options = parser.parse_args()
    noisy = np.random.default_rng(0).normal(500, 60, (96, 96)).astype(np.float32)
    viewer = napari.Viewer(show=True)
    layer = viewer.add_image(noisy, name="noisy")
    _, dock = viewer.window.add_plugin_dock_widget("napari-mpi", "Denoise")
    for _ in range(3):
        run(viewer, dock, layer)
    told("layers alone", options.runs, lambda: layers_alone(viewer, noisy))
    told("runs", options.runs, lambda: run(viewer, dock, layer))
    viewer.close()


def told(name: str, count: int, action) -> None:
    """Do something so often, and print how the memory grows."""
    before = held()
    print(f"{name}: {before:.0f} MB", end="", flush=True)
    for number in range(1, count + 1):
        action()
        if number % EVERY == 0:
            print(f", {held():.0f}", end="", flush=True)
    print(f": {(held() - before) / count:+.2f} MB each")


def held() -> float:
    """Return the megabytes that the program holds."""
    gc.collect()
    return psutil.Process().memory_info().rss / 1e6


def layers_alone(viewer: napari.Viewer, noisy: np.ndarray) -> None:
    """Add and remove a layer."""
    viewer.layers.remove(viewer.add_image(noisy.copy()))
    QApplication.processEvents()


def run(viewer: napari.Viewer, dock, layer) -> None:
    """Denoise once, and remove the result."""
    dock.form.image.value = layer
    dock.start_button.click()
    while not dock.run.is_over:
        QApplication.processEvents()
    for other in [each for each in viewer.layers if each is not layer]:
        viewer.layers.remove(other)
    QApplication.processEvents()


if __name__ == "__main__":
    main()
