"""Image layers: what they hold, and result layers that overlay them exactly."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image
from napari.utils.transforms import Affine
from numpy.typing import NDArray

from napari_mpi.engine.axes import LETTERS, ImageAxes, Index, guess_axes
from napari_mpi.engine.errors import EngineError, ImageError

Array = NDArray[np.generic]

_KEPT = (
    "affine", "attenuation", "axis_labels", "blending", "colormap", "contrast_limits",
    "custom_interpolation_kernel_2d", "depiction", "gamma", "interpolation2d",
    "interpolation3d", "iso_threshold", "opacity", "projection_mode", "rendering",
    "rgb", "rotate", "scale", "shear", "translate", "units",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Selection:
    """What of a layer is to be denoised; read only when the work starts.

    Parameters
    ----------
    data : array-like
        The layer's pixels (level 0 of a multiscale layer); may be lazy.
    axes : str
        One letter per dimension.
    index : tuple
        The part that is meant; its one-plane axes keep their dimension.
    """

    data: Any
    axes: str
    index: Index

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the part."""
        picks = zip(self.index, self.data.shape, strict=True)
        return tuple(
            len(range(*pick.indices(size))) if isinstance(pick, slice) else 1
            for pick, size in picks
        )

    @property
    def planes(self) -> int:
        """How many planes the part has."""
        return len(ImageAxes(self.axes, self.shape).planes())

    def read(self) -> Array:
        """Return the pixels of the part."""
        return np.asarray(self.data[self.index])


def select(layer: Image, *, whole: bool, step: tuple[int, ...]) -> Selection:
    """Select a whole layer, or the plane of it that is shown.

    Parameters
    ----------
    layer : Image
        The source.
    whole : bool
        All of it, or one plane.
    step : tuple of int
        The layer's own data coordinates of the plane, one number per dimension.

    Raises
    ------
    ImageError, AxesError
        If the layer cannot be denoised, with the reason.
    """
    data = layer.data[0] if layer.multiscale else layer.data
    _require_numbers(layer.name, np.dtype(data.dtype))
    axes = layer_axes(layer)
    ImageAxes(axes, tuple(data.shape))
    index = tuple(
        slice(None) if whole or letter in "YXS" else slice(at, at + 1)
        for letter, at in zip(axes, (*step, 0), strict=False)
    )
    return Selection(data, axes, index)


def layer_axes(layer: Image) -> str:
    """Return the axes of a layer: its labels where they are letters, else a guess."""
    # Sizes of 2: an image of three columns is not to be taken for colours.
    guess = guess_axes((2,) * layer.ndim) + ("S" if layer.rgb else "")
    return named_axes(layer) or guess


def named_axes(layer: Image) -> str | None:
    """Return the axes of a layer if its labels are letters that name them, or None."""
    labels = [str(label).upper() for label in layer.axis_labels]
    known = all(label in LETTERS and label != "S" for label in labels)
    if known and len(set(labels)) == len(labels) and {"Y", "X"} <= set(labels):
        return "".join(labels) + ("S" if layer.rgb else "")
    return None


def shows_plane(viewer: ViewerModel, layer: Image) -> bool:
    """Whether the viewer shows a plane of Y by X of the layer, and not a volume."""
    axes = layer_axes(layer)
    first = viewer.dims.ndim - layer.ndim
    wanted = {first + axes.index("Y"), first + axes.index("X")}
    return viewer.dims.ndisplay == 2 and set(viewer.dims.displayed) == wanted


def shown_step(viewer: ViewerModel, layer: Image) -> tuple[int, ...]:
    """Return the layer's data coordinates of the point where the sliders stand."""
    point = viewer.dims.point[-layer.ndim :]
    world = np.multiply(point, _units_ratio(viewer, layer))
    shape = layer.data[0].shape if layer.multiscale else layer.data.shape
    inside = zip(np.rint(layer.world_to_data(world)), shape, strict=False)
    return tuple(int(min(max(at, 0), size - 1)) for at, size in inside)


def _units_ratio(viewer: ViewerModel, layer: Image) -> list[float]:
    """Return how many of the layer's units one unit of the sliders is, by axis."""
    theirs = getattr(viewer.dims, "units", None)
    if theirs is None:
        return [1.0] * layer.ndim
    pairs = zip(theirs[-layer.ndim :], layer.units, strict=True)
    return [float((1 * unit).to(own).magnitude) for unit, own in pairs]


def add_result(
    viewer: ViewerModel, source: Image, image: Array, index: Index, made: dict[str, Any]
) -> Image:
    """Add a layer for a result that overlays its source exactly.

    It is a layer of its own, never one that was there, with the source's place,
    units and looks, and how it was made in ``metadata['napari-mpi']``.
    """
    # As the transforms name it: an offset in data is turned and sheared into place.
    attributes = {name: getattr(source, name) for name in _KEPT}
    attributes["translate"] = _offset(source, index)
    metadata = {**source.metadata, "napari-mpi": made}
    name = f"{source.name} (denoised)"
    return viewer.add_image(image, name=name, metadata=metadata, **attributes)


def reference_problem(reference: Image | None, selection: Selection) -> str | None:
    """Return why a layer is no reference for a selection, or None."""
    if reference is None:
        return None
    data = reference.data[0] if reference.multiscale else reference.data
    if tuple(data.shape) != tuple(selection.data.shape):
        return (
            f"the reference {reference.name!r} has shape {tuple(data.shape)} but the"
            f" image {tuple(selection.data.shape)}: choose one of equal shape"
        )
    return None


def layer_problem(layer: Image | None) -> str | None:
    """Return why a layer cannot be denoised, in a sentence, or None."""
    if layer is None:
        return "open an image first: labels, points and shapes cannot be denoised"
    try:
        select(layer, whole=True, step=(0,) * layer.ndim)
    except EngineError as error:
        return str(error)
    return None


def _require_numbers(name: str, dtype: np.dtype[Any]) -> None:
    kinds = {"b": "yes/no values, a mask", "c": "complex numbers"}
    if dtype.kind not in "uif":
        held = kinds.get(dtype.kind, f"values of type {dtype}")
        raise ImageError(
            f"the layer {name!r} holds {held}: choose one of integers or real numbers"
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
