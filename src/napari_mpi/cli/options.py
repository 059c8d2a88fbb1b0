"""Command-line options that commands share."""

import argparse
from collections.abc import Iterable
from dataclasses import Field, fields
from typing import Any, Literal, get_args, get_origin

from napari_mpi.engine.networks.catalogue import DEFAULT_WEIGHTS, suggested_preset
from napari_mpi.engine.settings.filling import FillingConfig
from napari_mpi.engine.settings.method import Method
from napari_mpi.engine.settings.presets import DEFAULT_PRESET, PRESETS, preset


def add_method(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how to denoise."""
    parser.add_argument(
        "--weights", metavar="NAME|PATH", default=DEFAULT_WEIGHTS,
        help=f"where to start from, see 'weights list' (default: {DEFAULT_WEIGHTS})",
    )  # fmt: skip
    parser.add_argument(
        "--preset", choices=tuple(PRESETS), default=None, metavar="PRESET",
        help=f"noise and effort: {', '.join(PRESETS)} (default: what the weights are"
        f" meant for; for those that ship {DEFAULT_PRESET})",
    )  # fmt: skip
    parser.add_argument(
        "--axes",
        help="one letter per dimension, such as ZYX (default: as the file says)",
    )
    parser.add_argument(
        "--series", metavar="N|NAME",
        help="which image of a file that has several, by number from 0 or by name"
        " (default: the main one, no thumbnail)",
    )  # fmt: skip
    parser.add_argument(
        "--level", metavar="N", type=int, default=0,
        help="which level of an OME-Zarr, from 0, the finest (default: 0)",
    )  # fmt: skip
    parser.add_argument(
        "--device",
        default="auto",
        help="auto, cpu, cuda, cuda:1 or mps (default: auto)",
    )
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="print no progress and no notes"
    )
    add_settings(
        parser.add_argument_group("settings of the preset that can be changed"),
        fields(FillingConfig),
    )


def method_of(options: argparse.Namespace) -> Method:
    """Return what the options of `add_method` say.

    Raises
    ------
    ConfigError
        If a setting is outside its range.
    """
    changes = {f.name: getattr(options, f.name) for f in fields(FillingConfig)}
    config = preset(options.preset or suggested_preset(options.weights), **changes)
    return Method(
        config,
        options.weights,
        options.device,
        options.axes,
        options.series,
        options.level,
    )


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
