"""A setting: its label, its help, its limits, and one check of them all."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from napari_mpi.engine.runtime.errors import ConfigError

_WHOLE = 2**31 - 1  # the largest whole number that an entry of a form holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Between what a number must be.

    Parameters
    ----------
    low, high : float, optional
        The smallest and the largest value.
    above, below : float, optional
        The same where the value itself is not allowed.
    """

    low: float | None = None
    above: float | None = None
    high: float | None = None
    below: float | None = None

    def hold(self, value: float) -> bool:
        """Whether a number is between them; not-a-number never is."""
        return (
            (self.low is None or value >= self.low)
            and (self.above is None or value > self.above)
            and (self.high is None or value <= self.high)
            and (self.below is None or value < self.below)
            and not math.isnan(value)
        )

    def __str__(self) -> str:
        if self.low is not None and self.high is not None:
            return f"from {_shown(self.low)} to {_shown(self.high)}"
        ends = {
            "at least": self.low,
            "above": self.above,
            "at most": self.high,
            "below": self.below,
        }
        return " and ".join(
            f"{k} {_shown(v)}" for k, v in ends.items() if v is not None
        )

    def closed(self, step: float | None) -> dict[str, float]:
        """Return 'min' and 'max' for a form, whose entries know closed ends only."""
        inside = step or 0
        ends = {
            "min": self.low if self.above is None else self.above + inside,
            "max": self.high if self.below is None else self.below - inside,
        }
        most = math.inf if step else _WHOLE
        return {name: min(end, most) for name, end in ends.items() if end is not None}


def setting(
    default: Any,
    label: str,
    help_text: str,
    *,
    step: float | None = None,
    **limits: float,
) -> Any:
    """Return a dataclass field with all that forms, command lines and `check` need.

    Parameters
    ----------
    default : bool, int, float or str
        The value, unless another is given.
    label, help_text : str
        What a form or a command line shows for it.
    step : float, optional
        By how much an entry of a form goes up or down.
    **limits : float
        See `Limits`; only of numbers.
    """
    ends = Limits(**limits)
    metadata = {"label": label, "help": help_text, "limits": ends, **ends.closed(step)}
    if step is not None:
        metadata["step"] = step
    return dataclasses.field(default=default, metadata=metadata)


def check(config: Any) -> None:
    """Raise unless every setting of a config is of its type and within its limits.

    Raises
    ------
    ConfigError
        For the first that is not.
    """
    for field in dataclasses.fields(config):
        # As the command line and Python name it; a form lets nobody go beyond.
        name = field.name.replace("_", " ").replace("ema", "EMA")
        value = getattr(config, field.name)
        if field.type is bool:
            require_choice(name, value, (True, False))
        elif get_origin(field.type) is Literal:
            require_choice(name, value, get_args(field.type))
        else:
            whole = field.type is int
            require_number(name, value, field.metadata["limits"], whole=whole)


def require_number(
    name: str, value: object, limits: Limits, *, whole: bool = False
) -> None:
    """Raise unless the value is a number, or a whole one, within the limits."""
    kind = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kind):
        kinds = "whole number" if whole else "number"
        raise ConfigError(f"{name} is {value!r}: it must be a {kinds} {limits}")
    if not limits.hold(value):
        raise ConfigError(f"{name} is {value}: it must be {limits}")


def require_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    """Raise unless the value is one of the choices."""
    if value not in choices:
        allowed = ", ".join(str(choice) for choice in choices)
        raise ConfigError(f"{name} is {value!r}: choose one of {allowed}")


def _shown(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"
