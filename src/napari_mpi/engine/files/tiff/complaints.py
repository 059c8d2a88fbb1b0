"""What tifffile only logs, told as errors."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_mpi.engine.runtime.errors import ImageFileError


@contextmanager
def complaints(path: Path) -> Iterator[list[str]]:
    """Raise ImageFileError for what tifffile only logs, such as a file cut short.

    Doubt about what a file says of itself is no damage: where its pixels are there,
    they are read.

    Parameters
    ----------
    path : Path
        The file that is read meanwhile.

    Yields
    ------
    list of str
        Grows by what tifffile doubts.
    """
    listener, logger = _Listener(), logging.getLogger("tifffile")
    logger.addHandler(listener)
    try:
        yield listener.doubts
    finally:
        logger.removeHandler(listener)
    if listener.texts:
        raise ImageFileError(f"{path} is damaged: {listener.texts[0]}; copy it again")


class _Listener(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []
        self.doubts: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            text = record.getMessage().splitlines()[0]
            if text.startswith("<TiffTag"):  # an odd tag harms no pixel
                return
            (self.doubts if " series " in text else self.texts).append(text)
