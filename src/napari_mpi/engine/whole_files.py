"""Files that appear whole or not at all."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path`` that is renamed to it at the end.

    Parameters
    ----------
    path : Path
        The final name. A file that has it already is replaced in one step.

    Yields
    ------
    Path
        Where to write. Whatever goes wrong inside the block, a full disk or Ctrl-C
        included, it is removed, and ``path`` is as it was before.

    Raises
    ------
    OSError
        If the folder is missing or cannot be written.
    """
    temporary = path.with_name(f".{uuid.uuid4().hex[:8]}.part{path.suffix}")
    try:
        temporary.touch(exist_ok=False)
        yield temporary
        os.replace(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def ensure_writable(path: Path) -> None:
    """Raise OSError if a file could not be put at ``path``; leaves nothing behind."""
    if path.is_dir():
        raise IsADirectoryError(21, "it is a folder", str(path))
    probe = path.with_name(f".{uuid.uuid4().hex[:8]}.part")
    probe.touch(exist_ok=False)
    probe.unlink()
