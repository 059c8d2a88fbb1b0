"""The states of a run, and which buttons there are in each: the same in all docks."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class RunState(Enum):
    """Where a run stands, as a person sees it."""

    IDLE = "idle"
    PREPARING = "preparing"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    COMPLETE = "complete"
    STOPPED = "stopped, result kept"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Buttons:
    """What can be pressed.

    Parameters
    ----------
    start, pause, stop, cancel : bool
        The four buttons; ``start`` only if the form has no problem either, ``pause``
        after the end only if the run can go on, which it is for then.
    form : bool
        Whether the form can be changed.
    """

    start: bool = False
    pause: bool = False
    stop: bool = False
    cancel: bool = False
    form: bool = False


_ENDED = Buttons(start=True, pause=True, form=True)

BUTTONS: Mapping[RunState, Buttons] = {
    RunState.IDLE: Buttons(start=True, form=True),
    RunState.PREPARING: Buttons(cancel=True),
    RunState.RUNNING: Buttons(pause=True, stop=True, cancel=True),
    RunState.PAUSED: Buttons(pause=True, stop=True, cancel=True),
    RunState.STOPPING: Buttons(),
    RunState.COMPLETE: _ENDED,
    RunState.STOPPED: _ENDED,
    RunState.CANCELLED: Buttons(start=True, form=True),
    RunState.FAILED: Buttons(start=True, form=True),
}
"""What can be pressed in each state."""

DOING: Mapping[RunState, str] = {
    RunState.PREPARING: "Preparing\N{HORIZONTAL ELLIPSIS}",
    RunState.PAUSED: "Paused",
    RunState.STOPPING: "Stopping\N{HORIZONTAL ELLIPSIS}",
}
"""What the button that starts says meanwhile, but for what is said while it runs."""
