"""The program ``napari-mpi``, also as ``python -m napari_mpi``.

Nothing that takes long is imported before an interruption can be told.
"""

import signal
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status, see `cli.main`."""
    try:
        _hear_of_the_end()
        from napari_mpi.cli.main import main as command

        return command(arguments)
    except KeyboardInterrupt:
        sys.stderr.write("napari-mpi: interrupted, nothing was written\n")
        return 130


def _hear_of_the_end() -> None:
    """Take the system's end and a closed terminal for Ctrl-C; `nohup` stays."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # not all on Windows
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
