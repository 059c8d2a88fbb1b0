"""The command line: its commands, and the status that they end with."""

import argparse
import io
import sys
from collections.abc import Callable, Sequence

from napari_mpi import __version__
from napari_mpi.cli.batch import add_batch
from napari_mpi.cli.console import ending, say
from napari_mpi.cli.denoise import add_denoise
from napari_mpi.cli.pretrain import add_pretrain
from napari_mpi.cli.sample import add_sample
from napari_mpi.cli.weights import add_weights
from napari_mpi.engine.runtime.errors import ConfigError, EngineError

DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130
_EPILOG = """\
exit status: 0 done, 1 failed (one sentence on stderr says why), 2 wrong usage,
130 interrupted; whatever it is, no half-written file is left behind.

For research use only, not for diagnosis."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows the program's name; ``sys.argv`` if None.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of any letters
    try:
        with ending():
            options = _parser().parse_args(arguments)
            command: Callable[[argparse.Namespace], None] = options.command
            command(options)
    except ConfigError as error:
        say(f"napari-mpi: {error}")
        return MISUSED
    except EngineError as error:
        say(f"napari-mpi: {error}")
        return FAILED
    except KeyboardInterrupt as error:
        what = str(error) or "nothing was written"
        say(f"napari-mpi: interrupted, {what}")
        return INTERRUPTED
    except OSError as error:  # one that nobody foresaw, of a disk or a pipe
        place = f" ({error.filename})" if error.filename else ""
        say(f"napari-mpi: the system says: {error.strerror or error}{place}")
        return FAILED
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="napari-mpi",
        description=(
            "Denoise one noisy image with no training data: masked pre-train,"
            " then iterative fill (arXiv 2401.14966)."
        ),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"napari-mpi {__version__}"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_denoise(commands)
    add_batch(commands)
    add_pretrain(commands)
    add_weights(commands)
    add_sample(commands)
    return parser
