"""A setting: its label, help and limits, and the checks of its value."""

import dataclasses
from typing import Any

from napari_mpi.engine.runtime.errors import ConfigError


def described(default: Any, label: str, help_text: str, **limits: Any) -> Any:
    """Return a dataclass field with what a form or a command line shows for it."""
    metadata = {"label": label, "help": help_text, **limits}
    return dataclasses.field(default=default, metadata=metadata)


def require_number(
    name: str, value: object, *, above: float | None, below: float
) -> None:
    """Raise unless the value is a number in (above, below); None stands for [0."""
    lowest = "at least 0" if above is None else f"above {above}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(
            f"{name} is {value!r}: it must be a number {lowest} and below {below}"
        )
    if not (value >= 0 if above is None else value > above) or not value < below:
        raise ConfigError(f"{name} is {value}: it must be {lowest} and below {below}")


def require_share(name: str, value: object) -> None:
    """Raise unless the value is a number from 0 to 1, both included."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= 1:  # type: ignore[operator]
        raise ConfigError(f"{name} is {value!r}: it must be a number from 0 to 1")


def require_whole(
    name: str, value: object, *, at_least: int, at_most: int | None = None
) -> None:
    """Raise unless the value is a whole number between the limits, both included."""
    limits = (
        f"{at_least} or more" if at_most is None else f"from {at_least} to {at_most}"
    )
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(f"{name} is {value!r}: it must be a whole number, {limits}")
    if value < at_least or (at_most is not None and value > at_most):
        raise ConfigError(f"{name} is {value!r}: it must be {limits}")


def require_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    """Raise unless the value is one of the choices."""
    if value not in choices:
        allowed = ", ".join(str(choice) for choice in choices)
        raise ConfigError(f"{name} is {value!r}: choose one of {allowed}")
