"""What a volume's result is made from, so that parts of others are never mixed in."""

import dataclasses
import hashlib
import importlib.metadata
from typing import Any

import numpy as np

from napari_mpi.engine.denoising.task import Task
from napari_mpi.engine.images.arrays import ArrayLike
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.images.tiles import evenly, middle

_LOOKS, _SIDE = 8, 256  # parts of a source that tell it from others, and their side


def made_from(task: Task) -> dict[str, Any]:
    """Return what tells image, settings and weights apart from others, as JSON values.

    Of the pixels only a few parts are looked at: a volume may have terabytes.

    Parameters
    ----------
    task : Task
        The image and how to denoise it.
    """
    return {
        "version": importlib.metadata.version("napari-mpi"),
        "image": {
            "axes": task.layout.letters,
            "shape": list(task.layout.shape),
            "dtype": np.dtype(task.image.dtype).name,
            "sha256": _looked_at(task.image, task.layout),
        },
        "settings": _without_precision(task),
        "weights": task.weights.sha256 or dict(task.weights.provenance),
    }


def _without_precision(task: Task) -> dict[str, Any]:
    """Return the settings, less what the device has chosen."""
    settings = dataclasses.asdict(task.config)
    del settings["precision"]
    return settings


def _looked_at(image: ArrayLike, layout: ImageAxes) -> str:
    """Return the sha256 of the middles of some planes."""
    digest = hashlib.sha256()
    window = middle(layout.plane_shape, _SIDE)
    for plane in evenly(layout.planes(), _LOOKS):
        part = np.asarray(image[layout.part(plane, window)])
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()
