"""One file: read, denoised, written whole or not at all."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.regions.learning import sharing_problem
from napari_mpi.engine.denoising.regions.telling import Written
from napari_mpi.engine.denoising.regions.volume import Volume
from napari_mpi.engine.denoising.sampling.take import require_measured
from napari_mpi.engine.denoising.snapshot import DenoisingSnapshot
from napari_mpi.engine.denoising.state import DenoisingState
from napari_mpi.engine.denoising.task import Task, prepare
from napari_mpi.engine.files.formats import TIFF, read_image
from napari_mpi.engine.files.metadata import ImageFile
from napari_mpi.engine.files.output import (
    fitted,
    is_zarr_output,
    notes_on_writing,
    require_writable,
    write_image,
)
from napari_mpi.engine.files.scaling import with_true_values
from napari_mpi.engine.files.sources import require_apart
from napari_mpi.engine.filling.spread import SHOWS
from napari_mpi.engine.images.axes import ImageAxes, guessed_in_words
from napari_mpi.engine.images.quality import VoidOf
from napari_mpi.engine.networks.weights import Weights
from napari_mpi.engine.runtime.errors import ImageFileError
from napari_mpi.engine.runtime.jobs import Job
from napari_mpi.engine.runtime.leftovers import sweep
from napari_mpi.engine.settings.method import Method

# What ImageJ says of the source's intensities, which are not those of their spread.
_OF_INTENSITIES = {"min", "max", "Ranges", "LUTs"}


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
    neighbours : tuple of str
        How far was looked beside its planes, and why, in words.
    notes : tuple of str
        What a person should know about it.
    void_of : callable
        Tells which pixels held no measurement, see `quality`.
    """

    result: Any = field(repr=False)
    made: dict[str, Any]
    noise: tuple[str, ...]
    neighbours: tuple[str, ...]
    notes: tuple[str, ...]
    void_of: VoidOf = field(repr=False)


def opened_image(
    source: Path,
    axes: str | None = None,
    series: int | str | None = None,
    level: int = 0,
) -> ImageFile:
    """Open an image file; its pixels are read when they are asked for.

    Parameters
    ----------
    source : Path
        See `read_image`.
    axes : str, optional
        One letter per dimension, in place of the file's own.
    series : int or str, optional
        See `read_image`.
    level : int
        See `read_image`.

    Raises
    ------
    ImageFileError
        If it cannot be read.
    """
    image = read_image(source, lazy=True, series=series, level=level)
    if axes is None:
        return image
    guess = guessed_in_words(image.axes)
    notes = tuple(note for note in image.notes if note != guess)
    return replace(image, axes=axes.upper(), notes=notes)


def open_file(
    source: Path,
    output: Path,
    method: Method,
    *,
    start: Callable[[ImageFile], Weights] | None = None,
) -> tuple[ImageFile, Task]:
    """Open a file, and say before the work if it or its result is not possible.

    Parameters
    ----------
    source, output : Path
        See `read_image`, `write_image`.
    method : Method
        How to denoise.
    start : callable, optional
        Returns what to start from; the method's weights by name if None.

    Returns
    -------
    tuple of ImageFile and Task
        What the file says, and what to do with its pixels, which are not read yet.

    Raises
    ------
    EngineError
        If file, axes, values, weights, device or output do not fit.
    """
    require_apart(output, source)
    sweep(output.parent)
    image = opened_image(source, method.axes, method.series, method.level)
    return open_image(image, output, method, start=start)


def open_image(
    image: ImageFile,
    output: Path,
    method: Method,
    *,
    start: Callable[[ImageFile], Weights] | None = None,
) -> tuple[ImageFile, Task]:
    """Say before the work if an image that is open, or its result, is not possible.

    Parameters
    ----------
    image : ImageFile
        What to denoise.
    output, method, start
        See `open_file`.

    Returns
    -------
    tuple of ImageFile and Task
        As `open_file` does.
    """
    require_writable(output, image)
    require_measured(image.array, ImageAxes(image.axes, image.array.shape))
    image = fitted(output, image)
    task = prepare(
        image.array,
        image.axes,
        weights=method.weights if start is None else start(image),
        config=method.config,
        device=method.device,
        no_data=image.metadata.nodata,
    )
    return image, task


def denoise_file(
    image: ImageFile, task: Task, output: Path, *, uncertainty: Path | None = None
) -> Job[DenoisingSnapshot, DenoisedFile]:
    """Denoise what `open_file` has opened, and write the result.

    Parameters
    ----------
    image : ImageFile
        What the file says.
    task : Task
        What to do with its pixels.
    output : Path
        Where the result goes, whole or not at all.
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
    if uncertainty is None and goes_by_regions(image, task, output):
        done = yield from Volume(image, task, output).denoise()
        result = read_image(output, lazy=True).array
        return described(image, task, output, result, done)
    state = DenoisingState(wants_spread=uncertainty is not None)
    result = yield from denoise(task, state, scratch=output.resolve().parent)
    made = task.provenance(state)
    written = ImageFile(result, image.axes, image.metadata, notes=image.notes)
    write_image(output, written, provenance=made)
    if uncertainty is not None:
        beside = _beside(image, task.layout, state.spread)
        write_image(uncertainty, beside, provenance={**made, "shows": SHOWS})
    return described(image, task, output, result, Written(made, state))


def goes_by_regions(image: ImageFile, task: Task, output: Path) -> bool:
    """Whether a result is written region by region, so that it can be gone on with.

    Parameters
    ----------
    image : ImageFile
        What the file says.
    task : Task
        What to do with its pixels.
    output : Path
        Where the result goes.
    """
    return (
        is_zarr_output(output)
        and image.metadata.scaling.is_none
        and sharing_problem(task) is None
    )


def described(
    image: ImageFile, task: Task, output: Path, result: Any, done: Written
) -> DenoisedFile:
    """Return what there is to say of a result.

    Parameters
    ----------
    image : ImageFile
        What the file says.
    task : Task
        What was to be done with its pixels.
    output : Path
        Where the result is.
    result : NDArray or LazyArray
        Its pixels.
    done : Written
        How it was made, and what was found.
    """
    made, state = done.made, done.state
    writing = notes_on_writing(output, image)
    notes = (*_notes_on(image), *writing, *state.notes_on(task.config))
    void_of = state.void_in(task.image, task.layout)
    noise, neighbours = state.noise_in_words(), state.neighbours_in_words()
    return DenoisedFile(result, made, noise, neighbours, notes, void_of)


def require_uncertainty(path: Path, result: Path, *inputs: Path) -> None:
    """Raise ImageFileError if the spread cannot be written to a file.

    Parameters
    ----------
    path : Path
        Its name.
    result : Path
        The file of the result.
    *inputs : Path
        What is read.
    """
    require_apart(path, *inputs)
    if path.resolve() == result.resolve():
        raise ImageFileError(
            f"result and uncertainty cannot both be {path}: give another name"
        )
    if not TIFF.names(path):
        raise ImageFileError(
            f"the uncertainty {path} does not end in .tif or .tiff: it is written as"
            " TIFF, whatever the result is"
        )
    require_writable(path)


def _beside(image: ImageFile, layout: ImageAxes, spread: Any) -> ImageFile:
    """Return a spread with axes and calibration of its source."""
    said = image.metadata
    fields = {
        name: value
        for name, value in said.fields.items()
        if name not in _OF_INTENSITIES
    }
    axes = layout.without_colours.letters
    # True units, whatever the result keeps: this file cannot say a slope.
    slope = said.scaling.of_noise
    metadata = replace(said, fields=fields, scaling=slope, nodata=())
    return with_true_values(ImageFile(spread, axes, metadata))


def _notes_on(image: ImageFile) -> list[str]:
    several = f"the file has {image.series} series: only the first is denoised"
    told = image.series < 2 or any("--series" in note for note in image.notes)
    return [*image.notes, *([] if told else [several])]
