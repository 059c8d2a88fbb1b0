"""A folder of stacks, and a Batch widget that is about to denoise it without work."""

import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from napari_mpi.batch.discovery import discover
from napari_mpi.batch.outcomes import BatchSnapshot, Outcome, Status, Totals
from napari_mpi.batch.work import run as running
from napari_mpi.widgets.batch.dock import BatchWidget

STEPS = 3


class FakeEngine:
    """Stands in for the engine's job: what it calls a result is a copy of the file.

    Attributes
    ----------
    gate : threading.Event
        Holds every step until it is set (set at first).
    failing : set of str
        Names of files that cannot be denoised.
    error : EngineError, optional
        Raised at once.
    """

    def __init__(self):
        self.gate = threading.Event()
        self.gate.set()
        self.failing, self.error, self.requests, self.steps = set(), None, [], 0

    def __call__(self, request, *, state):
        self.requests.append(request)
        yield BatchSnapshot(stage="looking at the files: 0 of 3")
        if self.error is not None:
            raise self.error
        items = discover(request.folders)
        names = [item.output.relative_to(request.folders.output) for item in items]
        state.outcomes = [
            Outcome(item.name, name.as_posix(), item.status, item.message)
            for item, name in zip(items, names, strict=True)
        ]
        try:
            yield self._snapshot(state, *range(len(items)))
            for number, item in enumerate(items):
                if item.status is Status.WAITING and not state.stop_after_file:
                    yield from self._work(state, number, item)
        finally:
            for number, outcome in enumerate(state.outcomes):
                if not outcome.status.is_settled:
                    self._set(state, number, Status.NOT_REACHED)

    def _work(self, state, number, item):
        self._set(state, number, Status.RUNNING)
        yield self._snapshot(state, number, number=number)
        for step in range(STEPS):
            assert self.gate.wait(600)
            self.steps += 1
            told = f"iteration {step + 1} of {STEPS}"
            yield self._snapshot(state, number=number, stage=told, fraction=0.5)
        if item.name in self.failing:
            self._set(state, number, Status.FAILED, "it holds no numbers: mend it")
        else:
            item.output.parent.mkdir(exist_ok=True)
            shutil.copy(item.source, item.output)
            self._set(state, number, Status.DONE)
        yield self._snapshot(state, number)

    def _set(self, state, number, status, message=""):
        outcome = replace(state.outcomes[number], status=status, message=message)
        state.outcomes[number] = outcome

    def _snapshot(self, state, *changed, **told):
        counts = [state.count(s) for s in (Status.DONE, Status.SKIPPED, Status.FAILED)]
        totals = Totals(len(state.outcomes), *counts, 0.5, 130.0)
        pairs = tuple((number, state.outcomes[number]) for number in changed)
        return BatchSnapshot(changed=pairs, totals=totals, **told)


@pytest.fixture
def engine(monkeypatch):
    """Return the engine's stand-in."""
    engine = FakeEngine()
    monkeypatch.setattr(running, "run_batch", engine)
    return engine


@pytest.fixture
def folder(tmp_path, rng):
    """Return a folder of three calibrated stacks and a file that is no image."""
    folder = tmp_path / "my cells"
    folder.mkdir()
    for number in range(3):
        tifffile.imwrite(
            folder / f"cell {number}.tif",
            rng.integers(0, 900, (4, 30, 40)).astype(np.uint16),
            imagej=True,
            resolution=(5, 5),
            metadata={"axes": "ZYX", "unit": "um", "spacing": 0.5},
        )
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture
def make_widget(engine, folder, dock):
    """Return a maker of docked widgets that are about to denoise the folder."""

    def make(on):
        widget = BatchWidget(on)
        dock(widget, on)
        widget.form.input.value = folder
        return widget

    return make


@pytest.fixture
def widget(viewer, make_widget):
    """Return a docked widget that is about to denoise the folder."""
    return make_widget(viewer)
