"""Zero-shot denoising of microscopy and medical images, in napari and without it.

All that is meant to be imported is imported from here; what lies below may change.
"""

import importlib
import logging
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_mpi.api.files import denoise_file, denoise_folder
    from napari_mpi.api.images import denoise, denoise_image
    from napari_mpi.api.training import pretrain
    from napari_mpi.engine.files.formats import read_image
    from napari_mpi.engine.files.output import write_image
    from napari_mpi.engine.networks.loading import load_weights
    from napari_mpi.engine.runtime import errors
    from napari_mpi.engine.settings.presets import PRESETS

__version__ = version("napari-mpi")
__all__ = [
    "PRESETS",
    "__version__",
    "denoise",
    "denoise_file",
    "denoise_folder",
    "denoise_image",
    "errors",
    "load_weights",
    "pretrain",
    "read_image",
    "write_image",
]

# Loaded when first asked for: importing the package takes no second, and no torch.
_ROOMS = {
    "PRESETS": "engine.settings.presets",
    "denoise": "api.images",
    "denoise_file": "api.files",
    "denoise_folder": "api.files",
    "denoise_image": "api.images",
    "errors": "engine.runtime",
    "load_weights": "engine.networks.loading",
    "pretrain": "api.training",
    "read_image": "engine.files.formats",
    "write_image": "engine.files.output",
}

# What goes wrong is told in sentences; its tracebacks are for those who ask for them.
logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room = importlib.import_module(f"{__name__}.{_ROOMS[name]}")
    if name == "errors":
        return importlib.import_module(f"{room.__name__}.errors")
    return getattr(room, name)


def __dir__() -> list[str]:
    return __all__
