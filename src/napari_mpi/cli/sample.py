"""The command ``napari-mpi sample``: a noisy sample and its clean partner."""

import argparse
from pathlib import Path
from typing import Any

from napari_mpi.cli.console import on_a_line
from napari_mpi.engine.runtime.errors import ConfigError


def _sample(options: argparse.Namespace) -> None:
    from napari_mpi import samples
    from napari_mpi.engine.files import output as files
    from napari_mpi.engine.files.metadata import ImageFile

    sample = samples.SAMPLES[options.kind](seed=options.seed)
    clean = options.output.with_name(
        f"{options.output.stem}-clean{options.output.suffix}"
    )
    for path in (options.output, clean):
        if path.exists() and not options.overwrite:
            raise ConfigError(
                f"{path} is there already: give another name, or --overwrite"
            )
    for path, array in ((options.output, sample.noisy), (clean, sample.clean)):
        files.write_image(path, ImageFile(array, sample.axes))
        print(on_a_line(str(path)))


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 on")
    return int(text)


def add_sample(commands: Any) -> None:
    parser = commands.add_parser(
        "sample",
        help="write a noisy sample image and its clean partner",
        description=(
            "Write OUT.tif, a noisy sample, and OUT-clean.tif, its clean partner."
        ),
    )
    parser.add_argument("output", metavar="OUT.tif", type=Path)
    parser.add_argument(
        "--kind",
        choices=("retina", "tissue"),
        default="retina",
        help="retina: 16 bit grey; tissue: 8 bit colour (default: retina)",
    )
    parser.add_argument(
        "--seed", type=_whole, default=0, help="seed of the noise (default: 0)"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace files of these names"
    )
    parser.set_defaults(command=_sample)
