"""What the docks that run jobs have in common: a form, buttons, one run at a time."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from napari.utils.notifications import show_error, show_info, show_warning
from qtpy.compat import isalive
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtGui import QCloseEvent, QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QAbstractButton,
    QApplication,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_mpi.engine.runtime.errors import EngineError
from napari_mpi.widgets.runs.fold import Scrolled
from napari_mpi.widgets.runs.run import Ending
from napari_mpi.widgets.runs.states import BUTTONS, DOING, Buttons, RunState

_told: set[str] = set()
"""Messages that were shown since napari was started, by any dock."""


class RunDock(QWidget):
    """A dock that has one run at a time, which ends when its dock goes.

    Whoever derives from it lays out the parts, starts runs by `_begin`, and says in
    `_refresh` how the run stands and in `_check` what keeps one from starting.

    Parameters
    ----------
    form : QWidget
        What is chosen; it cannot be changed during a run.
    interval : int
        Milliseconds between two calls of `_refresh` during a run.
    """

    run: Any = None
    when_left = Ending.STOPPED
    """How the run is asked to end when the dock goes."""
    doing = ""
    """What the button that starts says while the run is at work."""

    def __init__(self, form: QWidget, *, interval: int) -> None:
        super().__init__()
        self.form: Any = form
        self.timer = QTimer(self, interval=interval)
        self.timer.timeout.connect(self._refresh)
        self.start_button = QPushButton()
        self.pause_button = QPushButton("Pause")
        self.stop_button = QPushButton("Stop and keep")
        self.cancel_button = QPushButton("Cancel")
        self.hint, self.status = wrapped_label(), wrapped_label()
        self.error = wrapped_label()
        self.error.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.error.setVisible(False)
        self.form.changed.connect(self._check)
        self.pause_button.clicked.connect(self._pause_or_continue)
        self.stop_button.clicked.connect(partial(self._end, Ending.STOPPED))
        self.cancel_button.clicked.connect(partial(self._end, Ending.CANCELLED))

    def copy_command_line(self) -> None:
        """Put the command that equals the form on the clipboard."""
        try:
            command = self.form.command()
        except EngineError as error:
            show_error(str(error))
            return
        QApplication.clipboard().setText(command)
        meant = self.form.meant
        note = f" (for the whole file, not only {meant})" if meant else ""
        show_info(f"copied{note}: {command}")

    # -- what a dock says for itself ---------------------------------------------

    def _check(self) -> None:
        """Say before the start what is missing."""
        raise NotImplementedError

    def _refresh(self) -> None:
        """Show how the run stands."""
        raise NotImplementedError

    def _on_yield(self, run: Any, event: Any) -> None:
        """Take what a run tells."""
        raise NotImplementedError

    # -- how it looks ------------------------------------------------------------

    def _fill(self, column: QLayout) -> None:
        """Put the parts of the dock where they can be scrolled to."""
        inside = QWidget()
        inside.setLayout(column)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(Scrolled(inside))

    def _running_row(self) -> QHBoxLayout:
        return row(self.pause_button, self.stop_button, self.cancel_button)

    def _show_problem(self, problem: str | None) -> None:
        self.hint.setText(problem or "")
        self.hint.setVisible(bool(problem))

    def _show_state(self) -> None:
        """Let the buttons follow the state of the run."""
        buttons, can_go_on = self.buttons, self._can_go_on()
        goes_on = can_go_on or self.state is RunState.PAUSED
        self.pause_button.setText("Continue" if goes_on else "Pause")
        self.pause_button.setEnabled(buttons.pause and (can_go_on or self._is_active()))
        self.stop_button.setEnabled(buttons.stop)
        self.cancel_button.setEnabled(buttons.cancel)
        self.form.setEnabled(buttons.form)
        if self._is_active():
            self.timer.start()
        else:
            self.timer.stop()
        self._check()

    def _show_start(self, what: str, problem: str | None) -> None:
        """Let the button that starts say what it will do, or what is being done."""
        doing = DOING.get(self.state, self.doing)
        self.start_button.setText(doing if self._is_active() else what)
        self.start_button.setEnabled(self.buttons.start and not problem)

    # -- a run -------------------------------------------------------------------

    @property
    def state(self) -> RunState:
        """Where the run stands that the dock is about."""
        return RunState.IDLE if self.run is None else self.run.state

    @property
    def buttons(self) -> Buttons:
        """What can be pressed, but for what the form says."""
        return BUTTONS[RunState.IDLE] if self.run is None else self.run.buttons

    def _can_go_on(self) -> bool:
        return self.run is not None and self.run.can_continue

    def _is_active(self) -> bool:
        return self.run is not None and not self.run.is_over

    def _requested(self, **how: Any) -> Any:
        """Return what the form asks for; None, and a sentence, if it cannot be."""
        try:
            return self.form.request(**how)
        except EngineError as error:
            show_error(str(error))
            return None

    def _begin(self, run: Any) -> None:
        self._show_error("")
        self.run = run
        run.start(partial(self._hear, run), partial(self._on_end, run))
        self._refresh()
        self._show_state()

    def add_shortcut(self, keys: str, button: QAbstractButton) -> None:
        """Let keys press a button, wherever in the window the focus is."""
        shortcut = QShortcut(QKeySequence(keys), self)
        shortcut.activated.connect(button.click)
        if keys not in button.toolTip():
            button.setToolTip(f"{button.toolTip()} ({keys})".strip())

    def tell_once(self, notices: Iterable[str]) -> None:
        """Show messages that nobody was shown yet since napari was started."""
        for notice in notices:
            if notice not in _told:
                _told.add(notice)
                show_warning(notice)

    def _hear(self, run: Any, event: Any) -> None:
        if isalive(self):
            self._on_yield(run, event)
        else:
            run.ask(self.when_left)

    def _pause_or_continue(self) -> None:
        if self.run is not None:
            self.run.toggle_pause()
            self._refresh()
            self._show_state()

    def _end(self, ending: Ending, _: Any = None) -> None:
        if self.run is not None:
            self.run.ask(ending)
            self._refresh()
            self._show_state()

    def _on_end(self, run: Any, error: EngineError | None) -> None:
        run.finish(error, keep_layers=isalive(self))
        if not isalive(self) or run is not self.run:
            return
        self._show_ended()
        if error is not None:
            show_error(str(error))
            self._show_error(str(error))
        self._show_state()

    def _show_error(self, error: str) -> None:
        """Let an error stand until the next run: a message of napari's soon goes."""
        self.error.setText(error)
        self.error.setVisible(bool(error))

    def _show_ended(self) -> None:
        self._refresh()

    # -- when it goes ------------------------------------------------------------

    def event(self, event: QEvent) -> bool:
        """End the run when napari takes the widget out of its dock."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._leave()
        return bool(super().event(event))

    def closeEvent(self, event: QCloseEvent) -> None:
        """End the run when the widget is closed."""
        self._leave()
        super().closeEvent(event)

    def _leave(self) -> None:
        if self._is_active():
            self.run.ask(self.when_left)


def row(*parts: QWidget) -> QHBoxLayout:
    """Return a layout of parts side by side."""
    layout = QHBoxLayout()
    for part in parts:
        layout.addWidget(part)
    return layout


def wrapped_label(text: str = "") -> QLabel:
    """Return a label that goes on in the next line."""
    label = QLabel(text)
    label.setWordWrap(True)
    return label
