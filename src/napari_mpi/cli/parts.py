"""``napari-mpi denoise`` of one volume by many programs: adapt, parts, merge."""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_mpi.cli.console import say, say_nothing
from napari_mpi.cli.options import method_of
from napari_mpi.cli.telling import (
    Tell,
    kept_if_interrupted,
    tell_what_is_done,
    tell_what_was_made,
    with_progress,
)
from napari_mpi.engine.files.remote import url_of
from napari_mpi.engine.runtime.errors import ConfigError

if TYPE_CHECKING:
    from napari_mpi.engine.denoising.regions.telling import Written
    from napari_mpi.engine.denoising.regions.volume import Volume


def add_parts(parser: argparse.ArgumentParser) -> None:
    """Add the options by which many programs share a volume."""
    group = parser.add_argument_group(
        "one volume, many programs (the result is an OME-Zarr, see docs/volumes.md)"
    )
    group.add_argument(
        "--adapt-only", action="store_true",
        help="adapt to the volume, and write that to OUT, a .safetensors file",
    )  # fmt: skip
    group.add_argument(
        "--adapted", metavar="FILE", type=Path,
        help="what --adapt-only has written; nothing is adapted then",
    )  # fmt: skip
    group.add_argument(
        "--part", metavar="K/N", type=_part,
        help="do the K-th of N parts, in any order and at the same time; needs"
        " --adapted. The last one finishes the result",
    )  # fmt: skip
    group.add_argument(
        "--scheduler", metavar="ADDRESS",
        help="let the workers of a dask.distributed cluster do it; they need the same"
        " version, and the same folders under the same paths",
    )  # fmt: skip
    group.add_argument(
        "--finish", action="store_true",
        help="finish a result all of whose parts are done",
    )  # fmt: skip


def _part(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no part: give one such as 3/64")
    return int(found[1]), int(found[2])


def is_volume(options: argparse.Namespace) -> bool:
    """Whether options ask for a part of the work on a volume."""
    asked = ("adapt_only", "adapted", "part", "finish", "scheduler")
    return any(getattr(options, name) not in (False, None) for name in asked)


def denoise_volume(options: argparse.Namespace) -> None:
    """Do what the options of `add_parts` ask for."""
    _require_fit(options)
    method = method_of(options)
    from napari_mpi.engine.denoising.file import open_file
    from napari_mpi.engine.denoising.regions.volume import Volume

    output = options.output
    if options.adapt_only:  # it is for no result yet: any name of one will do
        output = output.with_name(f"{output.name}.zarr")
    image, task = open_file(options.input, output, method)
    tell = say_nothing if options.quiet else say
    tell_what_is_done(options, image, task, tell)
    volume = Volume(image, task, output)
    if options.adapt_only:
        with_progress(volume.adapt(options.output), tell, quiet=options.quiet)
        tell(f"written  {options.output}")
        return
    with kept_if_interrupted(output):
        written = _done(volume, options, tell)
    if written is not None:
        _tell_written(volume, written, tell)


def _require_fit(options: argparse.Namespace) -> None:
    if options.adapt_only and (options.adapted or options.part or options.finish):
        raise ConfigError(
            "--adapt-only makes an adaptation: give it without --adapted, --part and"
            " --finish"
        )
    if options.adapt_only and options.output.suffix != ".safetensors":
        raise ConfigError(
            f"{options.output} does not end in .safetensors, as what --adapt-only"
            " writes does"
        )
    if sum(map(bool, (options.part, options.finish, options.scheduler))) > 1:
        raise ConfigError(
            "--part does a part, --finish ends them all, --scheduler does all: give one"
            " of them"
        )
    if options.part and options.adapted is None:
        raise ConfigError(
            "--part needs --adapted FILE, which --adapt-only makes once for all parts"
        )
    if options.uncertainty or options.reference:
        raise ConfigError(
            "parts know neither --uncertainty nor --reference: do without, or denoise"
            " the volume at once"
        )
    if not options.adapt_only and options.output.suffix.lower() != ".zarr":
        raise ConfigError(
            f"the output {options.output} does not end in .zarr: only an OME-Zarr can"
            " be written in parts"
        )


def _done(
    volume: "Volume", options: argparse.Namespace, tell: Tell
) -> "Written | None":
    """Do a part, or the rest, or all of it with what was adapted before."""

    def shown(job: Any) -> Any:
        return with_progress(job, tell, quiet=options.quiet)

    if options.finish or options.scheduler is not None:
        job = volume.finish() if options.finish else _spread(volume, options)
        written = shown(job)
        if written is None:
            tell(f"whole    {volume.output} was finished before")
        return written  # type: ignore[no-any-return]
    if options.part is None:
        return shown(volume.denoise(options.adapted))  # type: ignore[no-any-return]
    number, count = options.part
    part = shown(volume.part(number, count, options.adapted))
    tell(
        f"part     {number} of {count} is done; of all {part.total} pieces"
        f" {part.done} are"
    )
    return part.written  # type: ignore[no-any-return]


def _spread(volume: "Volume", options: argparse.Namespace) -> Any:
    """Let a cluster do it; paths hold in any folder, and on any machine."""
    from napari_mpi.batch.work.volume import Order, spread_volume

    url = url_of(options.input)
    source = str(options.input.absolute()) if url is None else url
    method = method_of(options).with_whole_path()
    order = Order(source, str(options.output.absolute()), method)
    return spread_volume(options.scheduler, volume, order, options.adapted)


def _tell_written(volume: "Volume", written: "Written", tell: Tell) -> None:
    from napari_mpi.engine.denoising.file import described
    from napari_mpi.engine.files.formats import read_image

    result = read_image(volume.output, lazy=True).array
    made = described(volume.image, volume.task, volume.output, result, written)
    tell_what_was_made(made, volume.image, volume.output, tell)
