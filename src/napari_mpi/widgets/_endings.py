"""How a run of a widget ends."""

from enum import Enum


class Ending(Enum):
    """How a run ended, or was asked to end."""

    NOT_YET = "running"
    COMPLETE = "complete"
    STOPPED = "stopped, result kept"
    CANCELLED = "cancelled"
    FAILED = "failed"
