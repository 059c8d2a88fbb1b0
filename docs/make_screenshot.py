"""Take the README's picture: the Denoise widget part of the way through a real run.

Needs a display with OpenGL; without a screen, run it as
``xvfb-run -s "-screen 0 1280x860x24" python docs/make_screenshot.py``.
"""

import sys
from pathlib import Path

import napari
from qtpy.QtCore import QTimer

from napari_mpi.widgets.denoise.dock import DenoiseWidget

HALF_WAY = 0.3


def main(target: Path) -> None:
    """Denoise the retina sample in a viewer and photograph it on the way."""
    viewer = napari.Viewer()
    viewer.window.resize(1240, 800)
    viewer.open_sample("napari-mpi", "noisy_retina")
    _, widget = viewer.window.add_plugin_dock_widget("napari-mpi", "Denoise")
    assert isinstance(widget, DenoiseWidget)
    widget.form.image.value = viewer.layers["retina (noisy)"]
    widget.form.reference.value = viewer.layers["retina (clean)"]
    widget.form.effort.value = "full"  # or it would be done before the photograph
    QTimer.singleShot(3000, widget.start_button.click)
    timer = QTimer()
    timer.timeout.connect(lambda: _photograph(viewer, widget, target, timer))
    timer.start(200)
    napari.run()


def _photograph(
    viewer: napari.Viewer, widget: DenoiseWidget, target: Path, timer: QTimer
) -> None:
    """Photograph the window on the way, then leave."""
    layers = [layer for layer in viewer.layers if "denoised" in layer.name]
    if not layers:
        return
    # Left of the middle the result so far, right of it the noisy image.
    noisy = viewer.layers["retina (noisy)"]
    noisy.translate = (0, noisy.data.shape[1] + 8)
    viewer.reset_view()
    run = widget.run
    if run is not None and run.fraction >= HALF_WAY:
        timer.stop()
        viewer.screenshot(str(target), canvas_only=False, flash=False)
        widget.cancel_button.click()
        QTimer.singleShot(3000, viewer.close)


if __name__ == "__main__":
    main(
        Path(
            sys.argv[1]
            if len(sys.argv) > 1
            else Path(__file__).with_name("denoise.png")
        )
    )
