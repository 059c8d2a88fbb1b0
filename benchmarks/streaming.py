"""What watching costs: the same run in a real viewer, with previews and without.

Also for how long the window does not answer while it runs: the longest time between
two ticks of a timer of 10 ms on the main thread. Without a graphics card the drawing
of a preview is a part of it, so it is told for runs without previews, too.

Usage: xvfb-run -s "-screen 0 1280x860x24" python benchmarks/streaming.py
           [--iterations 40] [--repeats 5]
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, QTimer

from napari_mpi.engine.denoising import denoise as denoising
from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.task import prepare
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.runtime.jobs import run as run_job
from napari_mpi.samples import retina
from napari_mpi.widgets.denoise.dock import DenoiseWidget
from napari_mpi.widgets.denoise.run import DenoiseRun
from napari_mpi.widgets.runs.run import Ending

_NEARLY = 0.97  # of the work: until then it streams


def main() -> None:
    """Interleave runs of three kinds and print the ratios of their medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    viewer = napari.Viewer()
    viewer.add_image(np.tile(retina().noisy, (2, 2)), name="retina")
    widget = DenoiseWidget(viewer)
    viewer.window.add_dock_widget(widget)
    widget.form.effort.value = "full"  # so that every run does the same work
    widget.form.settings["iterations"].value = options.iterations
    seconds: dict[str, list[float]] = {"engine": [], "silent": [], "previews": []}
    gaps: dict[str, list[float]] = {"silent": [], "previews": []}
    with_engine(widget)  # warms up
    for _ in range(options.repeats):
        seconds["engine"].append(with_engine(widget))
        for name in ("silent", "previews"):
            took, longest = in_widget(widget, previews=name == "previews")
            seconds[name].append(took)
            gaps[name].append(longest)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    size = "x".join(map(str, widget.form.image.value.data.shape))
    print(f"{size}, {options.iterations} iterations, {options.repeats} runs of each")
    for name, median in medians.items():
        values = ", ".join(f"{value:.2f}" for value in seconds[name])
        print(f"{name:9} {median:6.2f} s  ({values})")
    print(f"previews / silent {medians['previews'] / medians['silent']:.3f}")
    print(f"previews / engine {medians['previews'] / medians['engine']:.3f}")
    for name, found in gaps.items():
        told = ", ".join(f"{gap:.3f}" for gap in found)
        print(f"{name}: longest time without an answer {told} s")
    latencies = [cancel_latency(widget) for _ in range(options.repeats)]
    told = ", ".join(f"{cancel:.2f} ({one:.2f})" for cancel, one in latencies)
    print(f"seconds from Cancel to the end (and of one iteration before): {told}")
    viewer.close()


def with_engine(widget: DenoiseWidget) -> float:
    """Return the seconds of a run without any window."""
    config = widget.form.settings.config()
    weights = load_weights(widget.form.weights.value, seed=config.seed)
    started = time.perf_counter()
    image = widget.form.image.value.data
    run_job(denoise(prepare(image, "YX", weights=weights, config=config)))
    return time.perf_counter() - started


def in_widget(widget: DenoiseWidget, *, previews: bool) -> tuple[float, float]:
    """Return the seconds of a run in the widget, and the longest without an answer."""
    interval = widget.timer.interval()
    widget.timer.setInterval(interval if previews else 10**8)
    started = time.perf_counter()
    run, ticks, pulse = start(widget), [], QTimer()
    wait_until(lambda: run.has_result)  # the first layer is added: napari's own work
    pulse.timeout.connect(lambda: ticks.append(time.perf_counter()))
    pulse.start(10)
    wait_until(lambda: run.fraction > _NEARLY or run.is_over)
    pulse.stop()
    wait_for_end(run)
    widget.timer.setInterval(interval)
    longest = max(b - a for a, b in itertools.pairwise(ticks))
    return time.perf_counter() - started, longest


def cancel_latency(widget: DenoiseWidget) -> tuple[float, float]:
    """Return the seconds from Cancel until the work has ended, and of one iteration.

    The end is when the job has let go of its memory, on its own thread; taking the
    layer away and drawing the window anew comes after.
    """
    ended: list[float] = []
    release = denoising._release

    def note_end(*arguments: Any) -> None:
        release(*arguments)
        ended.append(time.perf_counter())

    denoising._release = note_end
    run = start(widget)
    wait_until(lambda: run.has_result)
    first, started = run._newest.snapshot.iteration, time.perf_counter()
    wait_until(lambda: run._newest.snapshot.iteration > first + 5)
    pressed = time.perf_counter()
    done = run._newest.snapshot.iteration - first
    widget.cancel_button.click()
    wait_for_end(run)
    denoising._release = release
    return ended[0] - pressed, (pressed - started) / done


def start(widget: DenoiseWidget) -> DenoiseRun:
    """Press Denoise."""
    widget.start_button.click()
    assert widget.run is not None
    return widget.run


def wait_for_end(run: DenoiseRun) -> None:
    """Let Qt work until the run has ended."""
    wait_until(lambda: run.ending is not Ending.NOT_YET)


def wait_until(condition: Callable[[], bool]) -> None:
    """Let Qt work, and sleep where there is nothing to do, until something is so."""
    loop, timer = QEventLoop(), QTimer()
    timer.timeout.connect(lambda: loop.quit() if condition() else None)
    timer.start(20)
    loop.exec()


if __name__ == "__main__":
    main()
