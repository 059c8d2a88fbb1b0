"""What tifffile only logs, told as errors."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_mpi.engine.runtime.errors import ImageFileError


@contextmanager
def complaints(path: Path) -> Iterator[None]:
    """Raise ImageFileError for what tifffile only logs, such as a file cut short.

    Parameters
    ----------
    path : Path
        The file that is read meanwhile.
    """
    listener, logger = _Listener(), logging.getLogger("tifffile")
    logger.addHandler(listener)
    try:
        yield
    finally:
        logger.removeHandler(listener)
    if listener.texts:
        raise ImageFileError(f"{path} is damaged: {listener.texts[0]}; copy it again")


class _Listener(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            text = record.getMessage().splitlines()[0]
            if not text.startswith("<TiffTag"):  # an odd tag harms no pixel
                self.texts.append(text)
