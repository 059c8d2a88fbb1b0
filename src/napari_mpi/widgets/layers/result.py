"""Result layers that overlay their source exactly."""

from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image
from napari.utils.transforms import Affine
from numpy.typing import NDArray

from napari_mpi.engine.images.axes import Index

_KEPT = (
    "affine", "attenuation", "axis_labels", "blending", "colormap", "contrast_limits",
    "custom_interpolation_kernel_2d", "depiction", "gamma", "interpolation2d",
    "interpolation3d", "iso_threshold", "opacity", "projection_mode", "rendering",
    "rgb", "rotate", "scale", "shear", "translate", "units",
)  # fmt: skip


def add_result(
    viewer: ViewerModel,
    source: Image,
    image: Any,
    index: Index,
    made: dict[str, Any],
    *,
    what: str = "denoised",
    **looks: Any,
) -> Image:
    """Add a layer for a result that overlays its source exactly.

    It is a layer of its own, never one that was there, with the source's place,
    units and looks, but for those that are given, and how it was made in
    ``metadata['napari-mpi']``.
    """
    # As the transforms name it: an offset in data is turned and sheared into place.
    attributes = {name: getattr(source, name) for name in _KEPT}
    attributes["translate"] = _offset(source, index)
    metadata = {**source.metadata, "napari-mpi": made}
    name = f"{source.name} ({what})"
    return viewer.add_image(
        image,
        name=name,
        metadata=metadata,
        multiscale=False,
        **{**attributes, **looks},
    )


def _offset(source: Image, index: Index) -> NDArray[np.float64]:
    """Return where the first pixel of a part lies, before the layer's affine."""
    starts = [pick.start or 0 if isinstance(pick, slice) else pick for pick in index]
    place = Affine(
        scale=source.scale,
        translate=source.translate,
        rotate=source.rotate,
        shear=source.shear,
    )
    return np.asarray(place(np.array(starts[: source.ndim], dtype=float)))
