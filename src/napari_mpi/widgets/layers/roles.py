"""What a layer is for: an image of somebody's, or something that was made of one."""

from typing import Any

from napari.layers import Image

KEY = "napari-mpi"
"""Where a layer's metadata has what we know of it."""

_WHAT = "shows"


def shows(what: str) -> dict[str, Any]:
    """Return metadata of a layer that is no image to denoise, such as 'reference'."""
    return {KEY: {_WHAT: what}}


def is_source(layer: Any) -> bool:
    """Whether it is an image that nothing of ours has made, or marked as something."""
    return isinstance(layer, Image) and KEY not in layer.metadata


def role(layer: Image) -> str:
    """Return what a layer is, in a word or two; nothing for a person's own image."""
    known = layer.metadata.get(KEY)
    if known is None:
        return ""
    return str(known.get(_WHAT, "result")) if isinstance(known, dict) else "result"
