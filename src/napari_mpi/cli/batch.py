"""The command ``napari-mpi batch``: the images of a folder, one after the other."""

import argparse
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_mpi.batch.outcomes import BatchState, Outcome, Status
from napari_mpi.batch.request import SUFFIX, BatchRequest, Folders
from napari_mpi.cli.console import Unheard, on_a_line, say, say_nothing, stopping
from napari_mpi.cli.options import add_method, method_of
from napari_mpi.engine.runtime.errors import ConfigError, ImageFileError

if TYPE_CHECKING:
    from napari_mpi.batch.outcomes import BatchSnapshot

_EPILOG = """\
Results that are up to date (same input, settings and weights, by their contents) are
skipped, so that a run which was ended goes on when it is started again. What became of
every file is in OUT/napari-mpi-report.csv and .json; what OUT knows of its results, in
OUT/.napari-mpi.

exit status: 0 everything is done or skipped, 1 at least one file failed (the others are
done) or nothing could be begun, 2 wrong usage, 130 interrupted. No half-written file
ever has a result's name; what a killed run leaves in OUT/.napari-mpi, the next removes.

example: napari-mpi batch raw denoised --pattern "*.tif" --recursive"""


def add_batch(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "batch",
        help="denoise the images of a folder",
        description=(
            "Denoise the images of a folder, each on its own: what cannot be denoised"
            " is reported, and the next one's turn comes."
        ),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", metavar="IN", type=Path, help="folder of images")
    parser.add_argument(
        "output", metavar="OUT", type=Path,
        help="folder of results, which mirrors IN; made if it is not there",
    )  # fmt: skip
    _add_choice(parser)
    _add_ways(parser)
    add_method(parser)
    parser.set_defaults(command=_batch)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pattern", default="*",
        help="names to take, such as '*.tif'; several separated by ; (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--recursive", action="store_true", help="look into the folders of IN too"
    )
    parser.add_argument(
        "--suffix", default=SUFFIX,
        help="what results' names have besides their sources', as in"
        f" --suffix={SUFFIX}, the default",
    )  # fmt: skip


def _add_ways(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--adapt-once", action="store_true",
        help="adapt once to all files of equal channel count and pixel type, then only"
        " fill each: faster, and alike for all",
    )  # fmt: skip
    parser.add_argument(
        "--overwrite", action="store_true",
        help="make results (and an adaptation that they share) anew, and replace files"
        " that are in their way",
    )  # fmt: skip
    parser.add_argument(
        "--retry-failed", action="store_true",
        help="try only the files that failed when they were last tried",
    )  # fmt: skip
    parser.add_argument(
        "--dry-run", action="store_true", help="tell what would be done, and do nothing"
    )
    parser.add_argument(
        "--scheduler", metavar="ADDRESS",
        help="let the workers of a dask.distributed cluster do it; they must see IN and"
        " OUT under the same paths (needs the extra 'distributed')",
    )  # fmt: skip


def _batch(options: argparse.Namespace) -> None:
    folders = Folders(
        options.input,
        options.output,
        options.pattern,
        recursive=options.recursive,
        suffix=options.suffix,
    )
    if options.overwrite and options.retry_failed:
        raise ConfigError(
            "what failed has no result to overwrite: give --overwrite or --retry-failed"
        )
    request = BatchRequest(
        folders,
        method_of(options),
        adapt_once=options.adapt_once,
        overwrite=options.overwrite,
        retry_failed=options.retry_failed,
    )
    if options.dry_run:
        _tell_plan(request)
        return
    with stopping() as asked:
        _run(request, options, asked)


def _tell_plan(request: BatchRequest) -> None:
    from napari_mpi.batch.planning import plan_batch
    from napari_mpi.engine.runtime.jobs import run

    for _, outcome in run(plan_batch(request)):
        reason = f": {outcome.message}" if outcome.message else ""
        status = "to do" if outcome.status is Status.WAITING else outcome.status.value
        print(on_a_line(f"{status:8} {outcome.file}{reason}"))


def _run(request: BatchRequest, options: argparse.Namespace, asked: list[int]) -> None:
    # torch takes seconds to import: wrong usage is told before.
    from napari_mpi.batch.report import CSV_NAME, write_report
    from napari_mpi.batch.work.run import run_batch

    tell = say_nothing if options.quiet else say
    if options.scheduler is None:
        _say_device(options.device, tell)
    tell(f"weights  {options.weights}")
    state = BatchState()
    job = run_batch(request, state=state, scheduler=options.scheduler)
    report = options.output / CSV_NAME
    try:
        _with_progress(job, asked, quiet=options.quiet)
    except KeyboardInterrupt as error:
        if not state.outcomes:
            raise
        state.close()
        write_report(request, state.outcomes)  # again, should it have been cut short
        counts = _counted(state)
        raise KeyboardInterrupt(f"{counts}; the report is {report}") from error
    tell(f"report   {report}")
    if state.count(Status.FAILED):
        raise ImageFileError(f"{_counted(state)}: see {report}")
    tell(f"batch    {_counted(state)}")


def _counted(state: BatchState) -> str:
    counts = Counter(outcome.status for outcome in state.outcomes)
    words = [
        f"{counts[status]} {status.value}" for status in Status if status in counts
    ]
    return ", ".join(words) or "nothing was written"


def _say_device(name: str, tell: Callable[[str], None]) -> None:
    from napari_mpi.engine.runtime.devices import (
        describe_device,
        notices,
        resolve_device,
    )

    device = resolve_device(name)
    tell(f"device   {describe_device(device)}")
    for notice in notices(name, device):
        tell(f"note     {notice}")


def _with_progress(job: Any, asked: list[int], *, quiet: bool) -> None:
    """Run the job under a bar over all files; Ctrl-C ends it between two steps."""
    from tqdm import tqdm

    from napari_mpi.engine.runtime.jobs import run

    layout = "{percentage:3.0f}%|{bar}| {elapsed} so far{postfix}"
    names: dict[int, str] = {}
    with (
        tqdm(
            total=1.0,
            file=Unheard(),
            bar_format=layout,
            disable=quiet,
            leave=False,
            dynamic_ncols=True,
        ) as bar,
        warnings.catch_warnings(),
    ):

        def tell(line: str) -> None:
            if not quiet:
                bar.write(on_a_line(line), file=bar.fp)

        def show(snapshot: "BatchSnapshot") -> None:
            if asked:
                raise KeyboardInterrupt
            names.update((n, outcome.file) for n, outcome in snapshot.changed)
            for line in _lines(snapshot):
                tell(line)
            bar.set_postfix_str(_standing(snapshot, names), refresh=False)
            bar.update(max(0.0, snapshot.totals.fraction - bar.n))

        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda text, *_, **__: tell(f"note     {text}")
        run(job, show)


def _lines(snapshot: "BatchSnapshot") -> list[str]:
    """Return what has ended since the snapshot before; what is skipped, in sum."""
    outcomes = [outcome for _, outcome in snapshot.changed]
    skipped = [o.message for o in outcomes if o.status is Status.SKIPPED]
    lines = [
        f"skipped  {count} file{'s' * (count != 1)}: {reason}"
        for reason, count in Counter(skipped).items()
    ]
    return lines + [
        _line(o) for o in outcomes if o.status in (Status.DONE, Status.FAILED)
    ]


def _line(outcome: Outcome) -> str:
    if outcome.status is Status.FAILED:
        return f"failed   {outcome.file}: {outcome.message}"
    note = f" ({outcome.message})" if outcome.message else ""
    before, after = outcome.noise_before, outcome.noise_after
    noise = "" if before is None else f", noise {before:g} -> {after:g}"
    return f"done     {outcome.file}, {outcome.seconds:.1f} s{noise}{note}"


def _standing(snapshot: "BatchSnapshot", names: dict[int, str]) -> str:
    from tqdm import tqdm

    totals = snapshot.totals
    ended = totals.done + totals.skipped + totals.failed
    left = totals.seconds_left
    words = [f"{ended} of {totals.files} files"]
    words += [f"{tqdm.format_interval(left)} left"] if left is not None else []
    stage = snapshot.stage
    if snapshot.number is not None:
        stage = f"{names.get(snapshot.number, '')} {stage}".strip()
    return ", ".join([*words, stage] if stage else words)
