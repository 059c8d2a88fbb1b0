"""Packages that only some formats need, and that are installed as extras."""

import importlib
from pathlib import Path
from typing import Any

from napari_mpi.engine.runtime.errors import ImageFileError


def extra(module: str, name: str, path: Path) -> Any:
    """Import a package, or say which extra of ours brings it.

    Parameters
    ----------
    module : str
        The package.
    name : str
        The extra.
    path : Path
        The file that needs it.

    Raises
    ------
    ImageFileError
        If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImageFileError(
            f"{path} needs the package {module}, which is not installed: run pip"
            f' install "napari-mpi[{name}]"'
        ) from error
