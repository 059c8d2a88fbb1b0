"""The commands ``napari-mpi weights``: list, fetch, import."""

import argparse
from pathlib import Path
from typing import Any

from napari_mpi.cli.console import on_a_line
from napari_mpi.engine.networks.catalogue import (
    DEFAULT_WEIGHTS,
    OURS,
    PUBLISHED,
    RANDOM_START,
    SHIPPED,
    weights_names,
)
from napari_mpi.engine.runtime.folders import data_folder


def _list_weights(options: argparse.Namespace) -> None:
    for name in weights_names():
        if name == DEFAULT_WEIGHTS:
            note = f"the default: {OURS}"
        elif name in SHIPPED:
            note = SHIPPED[name]
        elif name == RANDOM_START:
            note = "a random start: slower and less sharp, but always there"
        elif name in PUBLISHED:
            entry = PUBLISHED[name]
            here = "here" if entry.path.is_file() else "fetched when first used"
            note = f"{entry.summary}; {here}"
        else:
            note = str(data_folder() / f"{name}.safetensors")
        print(on_a_line(f"{name:20} {note}"))


def _fetch_weights(options: argparse.Namespace) -> None:
    from napari_mpi.engine.networks.loading import fetch_weights

    print(on_a_line(str(fetch_weights(options.name))))


def _import_weights(options: argparse.Namespace) -> None:
    from napari_mpi.engine.networks.loading import import_weights

    weights = import_weights(options.file, name=options.name)
    told = f"imported as {weights.name}: use it with --weights {weights.name}"
    print(on_a_line(told))


def add_weights(commands: Any) -> None:
    parser = commands.add_parser("weights", help="list, fetch or import weights")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    action = actions.add_parser("list", help="show all weights that have a name")
    action.set_defaults(command=_list_weights)
    action = actions.add_parser("fetch", help="download published weights to the cache")
    action.add_argument("name", metavar="NAME")
    action.set_defaults(command=_fetch_weights)
    action = actions.add_parser(
        "import", help="check a weights file and keep a copy of it"
    )
    action.add_argument(
        "file",
        metavar="FILE",
        type=Path,
        help=".safetensors of ours, or .pth of the paper's authors",
    )
    action.add_argument(
        "--name", help="keep it under this name (default: that of the file)"
    )
    action.set_defaults(command=_import_weights)
