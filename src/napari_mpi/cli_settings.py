"""Command-line options made of the engine's settings, one per field."""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import Field
from typing import Any, Literal, get_args, get_origin


def add_settings(group: Any, fields: Iterable["Field[Any]"]) -> None:
    """Add one option per field of a config; None leaves the value as it is."""
    for field in fields:
        flag, text = f"--{field.name.replace('_', '-')}", field.metadata["help"]
        if field.type is bool:
            group.add_argument(
                flag, action=argparse.BooleanOptionalAction, default=None, help=text
            )
        elif get_origin(field.type) is Literal:
            group.add_argument(
                flag, choices=get_args(field.type), default=None, help=text
            )
        else:
            group.add_argument(
                flag,
                type=type(field.default),
                default=None,
                metavar="N" if isinstance(field.default, int) else "P",
                help=text,
            )


def say(line: str) -> None:
    """Tell a person something that is not a result."""
    print(line, file=sys.stderr)


def say_nothing(line: str) -> None:
    """Stand in for `say` where nothing is to be told."""
