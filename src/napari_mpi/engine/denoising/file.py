"""One file: read, denoised, written whole or not at all."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from napari_mpi.engine.denoising import denoise as denoising
from napari_mpi.engine.denoising import task
from napari_mpi.engine.denoising.sampling import require_finite
from napari_mpi.engine.denoising.snapshot import DenoisingSnapshot
from napari_mpi.engine.denoising.state import DenoisingState, noise_in_words, notes_on
from napari_mpi.engine.files.formats import read_image, require_writable, write_image
from napari_mpi.engine.files.metadata import ImageFile
from napari_mpi.engine.files.tiff.files import TIFF_SUFFIXES
from napari_mpi.engine.filling.spread import SHOWS
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.networks.weights import Weights
from napari_mpi.engine.runtime.devices import resolve_device
from napari_mpi.engine.runtime.errors import ImageFileError
from napari_mpi.engine.runtime.jobs import Job
from napari_mpi.engine.settings.filling import FillingConfig
from napari_mpi.engine.settings.method import Method

# What ImageJ says of the source's intensities, which are not those of their spread.
_OF_INTENSITIES = {"min", "max", "Ranges", "LUTs"}


@dataclass(frozen=True, slots=True)
class Opened:
    """A file that can be denoised, and what it will be denoised with.

    Parameters
    ----------
    image : ImageFile
        As read; its pixels are not read yet. Its axes are those that count.
    layout : ImageAxes
        The same axes with the shape.
    weights : Weights
        Where the network starts from.
    config : FillingConfig
        The settings that image, weights and device lead to.
    device : torch.device
        Where the work is done.
    """

    image: ImageFile = field(repr=False)
    layout: ImageAxes
    weights: Weights
    config: FillingConfig
    device: torch.device


@dataclass(frozen=True, slots=True)
class DenoisedFile:
    """A result that has been written.

    Parameters
    ----------
    result : NDArray or GrowingResult
        The pixels.
    made : dict
        What is needed to make it again, as JSON values.
    noise : tuple of str
        What was found of its noise, and chosen by it, in words.
    notes : tuple of str
        What a person should know about it.
    """

    result: Any = field(repr=False)
    made: dict[str, Any]
    noise: tuple[str, ...]
    notes: tuple[str, ...]


def opened_image(source: Path, axes: str | None = None) -> ImageFile:
    """Open an image file; its pixels are read when they are asked for.

    Parameters
    ----------
    source : Path
        See `read_image`.
    axes : str, optional
        One letter per dimension, in place of the file's own.

    Raises
    ------
    ImageFileError
        If it cannot be read.
    """
    image = read_image(source, lazy=True)
    letters = image.axes if axes is None else axes.upper()
    return ImageFile(image.array, letters, image.metadata, image.series)


def open_file(
    source: Path,
    output: Path,
    method: Method,
    *,
    start: Callable[[ImageFile], Weights] | None = None,
) -> Opened:
    """Open a file, and say before the work if it or its result is not possible.

    Parameters
    ----------
    source, output : Path
        See `read_image`, `write_image`.
    method : Method
        How to denoise.
    start : callable, optional
        Returns what to start from; the method's weights by name if None.

    Raises
    ------
    EngineError
        If file, axes, values, weights, device or output do not fit.
    """
    image = opened_image(source, method.axes)
    layout = ImageAxes(image.axes, image.array.shape)
    require_writable(output, image)
    require_finite(image.array, layout)
    device = resolve_device(method.device)
    if start is not None:
        weights = start(image)
    else:
        weights = load_weights(method.weights, seed=method.config.seed)
    config = task.effective_config(method.config, layout, weights, device)
    return Opened(image, layout, weights, config, device)


def denoise_file(
    opened: Opened,
    output: Path,
    *,
    tile: int | None = None,
    uncertainty: Path | None = None,
) -> Job[DenoisingSnapshot, DenoisedFile]:
    """Denoise what `open_file` has opened, and write the result.

    Parameters
    ----------
    opened : Opened
        The image, and what to denoise it with.
    output : Path
        Where the result goes, whole or not at all.
    tile : int, optional
        Largest rows and columns that are filled at once, see `denoise`.
    uncertainty : Path, optional
        A TIFF file for the spread of the fills, written after the result, whole or not
        at all; none if None. See `require_uncertainty`.

    Yields
    ------
    DenoisingSnapshot
        As `denoise` does.

    Raises
    ------
    EngineError
        If the image cannot be denoised, or the result not be written.
    """
    image, config = opened.image, opened.config
    state = DenoisingState(wants_spread=uncertainty is not None)
    result = yield from denoising.denoise(
        image.array,
        image.axes,
        weights=opened.weights,
        config=config,
        device=opened.device,
        state=state,
        scratch=output.resolve().parent,
        tile=tile,
    )
    made = task.provenance(config, opened.weights, opened.device, image.axes, state)
    if tile is not None:
        made["tile"] = tile
    written = ImageFile(result, image.axes, image.metadata)
    write_image(output, written, provenance=made)
    if uncertainty is not None:
        beside = _beside(opened, state.spread)
        write_image(uncertainty, beside, provenance={**made, "shows": SHOWS})
    noise = noise_in_words(state)
    return DenoisedFile(result, made, noise, _notes(opened, state))


def require_uncertainty(path: Path) -> None:
    """Raise ImageFileError if the spread cannot be written to a file.

    Parameters
    ----------
    path : Path
        Its name.
    """
    if not path.name.lower().endswith(TIFF_SUFFIXES):
        raise ImageFileError(
            f"the uncertainty {path} does not end in .tif or .tiff: it is written as"
            " TIFF, whatever the result is"
        )
    require_writable(path)


def _beside(opened: Opened, spread: Any) -> ImageFile:
    """Return a spread with axes and calibration of its source."""
    said = opened.image.metadata
    fields = {
        name: value
        for name, value in said.fields.items()
        if name not in _OF_INTENSITIES
    }
    axes = opened.layout.without_colours.letters
    return ImageFile(spread, axes, replace(said, fields=fields))


def _notes(opened: Opened, state: DenoisingState) -> tuple[str, ...]:
    count, notes = opened.image.series, []
    if count > 1:
        notes.append(f"the file has {count} series: only the first is denoised")
    return (*notes, *notes_on(state, opened.config))
