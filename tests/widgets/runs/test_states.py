"""One model of a run's state behind all docks: which buttons there are in each."""

from types import SimpleNamespace

import pytest

pytestmark = pytest.mark.gui

STATES = {
    "idle": "start form",
    "preparing": "cancel",
    "running": "pause stop cancel",
    "paused": "pause stop cancel",
    "stopping": "",
    "complete": "start form",
    "stopped, result kept": "start form",
    "cancelled": "start form",
    "failed": "start form",
}


class StandIn:
    """A run that stands where it is told to."""

    is_shown = can_compare = can_show_removed = False
    can_continue = False
    has_failed_files = False
    source = SimpleNamespace(name="cells")

    def __init__(self, state):
        from napari_mpi.widgets.runs.states import BUTTONS

        self.state, self.buttons = state, BUTTONS[state]
        self.is_over = state.value in list(STATES)[-4:]
        self.is_paused = state.value == "paused"

    def ask(self, ending):
        self.is_over = True


@pytest.fixture(params=["denoise", "batch", "pretrain"])
def widget(request, viewer, dock, tmp_path):
    from napari_mpi.widgets.batch.dock import BatchWidget
    from napari_mpi.widgets.denoise.dock import DenoiseWidget
    from napari_mpi.widgets.pretrain.dock import PretrainWidget

    kinds = {
        "denoise": DenoiseWidget, "batch": BatchWidget, "pretrain": PretrainWidget
    }  # fmt: skip
    widget = kinds[request.param](viewer)
    dock(widget, viewer)
    widget.form.problem = lambda: None
    widget._refresh = lambda: None
    yield widget
    widget.run = None
    widget.timer.stop()


@pytest.mark.parametrize("state", STATES)
def test_the_buttons_of_each_state_are_the_same_in_all_docks(widget, state):
    from napari_mpi.widgets.runs.states import RunState

    widget.run = None if state == "idle" else StandIn(RunState(state))
    widget._show_state()
    there = {
        "start": widget.start_button.isEnabled(),
        "pause": widget.pause_button.isEnabled(),
        "stop": widget.stop_button.isEnabled(),
        "cancel": widget.cancel_button.isEnabled(),
        "form": widget.form.isEnabled(),
    }
    assert {name for name, on in there.items() if on} == set(STATES[state].split())
    assert widget.timer.isActive() == (state in list(STATES)[1:5])


def test_what_a_paused_run_says_is_not_that_it_works(widget):
    from napari_mpi.widgets.runs.states import RunState

    widget.run = StandIn(RunState.PAUSED)
    widget._show_state()
    assert widget.start_button.text() == "Paused"
    assert widget.pause_button.text() == "Continue"
    widget.run = StandIn(RunState.RUNNING)
    widget._show_state()
    assert widget.start_button.text() == widget.doing
    assert widget.pause_button.text() == "Pause"


def test_a_run_that_can_go_on_says_so(widget):
    from napari_mpi.widgets.runs.states import RunState

    widget.run = StandIn(RunState.STOPPED)
    widget.run.can_continue = True
    widget._show_state()
    assert widget.pause_button.isEnabled()
    assert widget.pause_button.text() == "Continue"


def test_every_state_is_in_the_table():
    from napari_mpi.widgets.runs.states import BUTTONS, RunState

    assert set(BUTTONS) == set(RunState)
    assert {state.value for state in RunState} == set(STATES)


def test_an_error_stands_until_the_next_run(widget):
    widget._show_error("the disk is full")
    assert widget.error.text() == "the disk is full"
    assert not widget.error.isHidden()
    widget._show_error("")
    assert widget.error.isHidden()


def test_a_message_comes_once_a_session(widget, monkeypatch):
    from napari_mpi.widgets.runs import dock

    shown = []
    monkeypatch.setattr(dock, "show_warning", shown.append)
    monkeypatch.setattr(dock, "_told", set())
    widget.tell_once(["no GPU found", "slow"])
    widget.tell_once(["no GPU found"])
    assert shown == ["no GPU found", "slow"]
