"""The tasks of napari-mpi as functions: each does one from beginning to end."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, overload

from napari_mpi.engine.runtime.errors import ConfigError
from napari_mpi.engine.runtime.whole_files import require_other_file
from napari_mpi.engine.settings.method import Method
from napari_mpi.engine.settings.presets import DEFAULT_PRESET, PRESETS, preset

if TYPE_CHECKING:
    import napari.types
    import numpy as np
    from numpy.typing import NDArray

    from napari_mpi.batch.outcomes import Outcome
    from napari_mpi.engine.denoising.file import DenoisedFile
    from napari_mpi.engine.networks.weights import Weights

OnSnapshot = Callable[[Any], object]
"""Is called with every snapshot of the work, some five times a second."""


@overload
def denoise(
    image: "NDArray[np.generic]",
    axes: str | None = ...,
    *,
    uncertainty: Literal[False] = ...,
    **how: Any,
) -> "NDArray[np.generic]": ...
@overload
def denoise(
    image: "NDArray[np.generic]",
    axes: str | None = ...,
    *,
    uncertainty: Literal[True],
    **how: Any,
) -> "tuple[NDArray[np.generic], NDArray[np.float32]]": ...
def denoise(
    image: "NDArray[np.generic]",
    axes: str | None = None,
    *,
    uncertainty: bool = False,
    on_snapshot: OnSnapshot | None = None,
    **how: Any,
) -> Any:
    """Denoise an image from nothing but itself.

    Parameters
    ----------
    image : NDArray
        Integers or finite reals, of any shape that holds Y and X; it is not changed.
        Arrays of dask and zarr are read a plane at a time.
    axes : str, optional
        One letter per dimension, such as 'YX', 'TZCYX' or 'YXS'; guessed if None.
    uncertainty : bool
        Whether to return, too, how far the fills of every pixel lie apart: no
        confidence interval, see `docs/uncertainty.md`.
    on_snapshot : callable, optional
        Called with what the work has reached, on the way.
    **how
        How to denoise, the same for `denoise_file` and `denoise_folder`:

        weights : str, default 'auto'
            A name that ``napari-mpi weights list`` shows, or the path of a file.
        preset : str, optional
            A key of `PRESETS`: noise and effort, such as 'auto', which finds out both
            from the image, or 'real-fast'. What the weights are meant for if None.
        device : str, default 'auto'
            'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'.
        rng : int or numpy.random.Generator, optional
            The seed, or what to draw it from; 0 if None, so that equal calls give
            equal images.
        others
            Settings to be other than the preset's, such as ``iterations=400``: the
            fields of the values of `PRESETS`.

    Returns
    -------
    NDArray
        The denoised image, of the same shape and type. Of what is not numpy's, or takes
        more than a quarter of the memory, it is an array on disk, gone with the
        program, that is read by indexing as numpy's are. With ``uncertainty`` a tuple
        of it and a float32 array of the image's shape without colours, in the image's
        units, not-a-number where nothing is known.

    Raises
    ------
    napari_mpi.errors.EngineError
        One of its kinds, with a sentence on what does not fit, and the way out.

    Examples
    --------
    >>> from napari_mpi import denoise  # doctest: +SKIP
    >>> clean = denoise(noisy, axes="ZYX", preset="real-fast", rng=1)  # doctest: +SKIP

    References
    ----------
    Ma et al., Masked Pre-trained Model Enables Universal Zero-shot Denoiser,
    NeurIPS 2024, arXiv 2401.14966.
    """
    import numpy as np

    # torch takes seconds to import: whoever only imports this need not wait.
    from napari_mpi.engine.denoising import denoise as denoising
    from napari_mpi.engine.denoising.state import DenoisingState
    from napari_mpi.engine.denoising.task import prepare
    from napari_mpi.engine.images.axes import guess_axes
    from napari_mpi.engine.runtime import jobs

    method = _method(axes, **how)
    array = image if hasattr(image, "shape") else np.asanyarray(image)
    task = prepare(
        array,
        method.axes or guess_axes(array.shape),
        weights=method.weights,
        config=method.config,
        device=method.device,
    )
    state = DenoisingState(wants_spread=uncertainty)
    result = jobs.run(denoising.denoise(task, state), on_snapshot)
    return (result, state.spread) if uncertainty else result


def denoise_file(
    source: Path | str,
    output: Path | str,
    axes: str | None = None,
    *,
    uncertainty: Path | str | None = None,
    on_snapshot: OnSnapshot | None = None,
    **how: Any,
) -> "DenoisedFile":
    """Denoise an image file; its pixels are read a plane at a time where that works.

    Parameters
    ----------
    source : Path or str
        TIFF, PNG, JPEG, OME-Zarr, NIfTI or DICOM; of DICOM a file, or a folder.
    output : Path or str
        Where the result goes, whole or not at all: .tif, .zarr, .nii, .nii.gz, or a
        new folder for DICOM. What has that name is replaced.
    axes : str, optional
        One letter per dimension; as the file says if None.
    uncertainty : Path or str, optional
        A TIFF file for how far the fills of every pixel lie apart.
    on_snapshot, **how
        See `denoise`.

    Returns
    -------
    DenoisedFile
        The result, how it was made, and what a person should know about it.

    Raises
    ------
    napari_mpi.errors.EngineError
        If file, settings or output do not fit; then nothing has been written.
    """
    from napari_mpi.engine.denoising import file as files
    from napari_mpi.engine.runtime import jobs

    method, beside = _method(axes, **how), None
    source, output = Path(source), Path(output)
    require_other_file(output, source)
    if uncertainty is not None:
        beside = Path(uncertainty)
        require_other_file(beside, source)
        files.require_uncertainty(beside, output)
    image, task = files.open_file(source, output, method)
    job = files.denoise_file(image, task, output, uncertainty=beside)
    return jobs.run(job, on_snapshot)


def denoise_folder(
    source: Path | str,
    output: Path | str,
    axes: str | None = None,
    *,
    pattern: str = "*",
    recursive: bool = False,
    adapt_once: bool = False,
    overwrite: bool = False,
    on_snapshot: OnSnapshot | None = None,
    **how: Any,
) -> "tuple[Outcome, ...]":
    """Denoise the images of a folder; what is up to date is left as it is.

    Parameters
    ----------
    source, output : Path or str
        Folder of images, and folder of results, which mirrors it and holds the report.
    axes : str, optional
        One letter per dimension; as each file says if None.
    pattern : str
        Names of the files to take, such as '*.tif; *.png'.
    recursive : bool
        Whether to look into the folders of the folder.
    adapt_once : bool
        Whether to adapt the network to all files of a kind together.
    overwrite : bool
        Whether to do again what is up to date.
    on_snapshot, **how
        See `denoise`.

    Returns
    -------
    tuple of Outcome
        What became of every file, with its ``status`` and, where it failed, why; a
        warning says how many failed.

    Raises
    ------
    napari_mpi.errors.EngineError
        If there is nothing to do, or folders and settings do not fit.
    """
    from napari_mpi.batch.outcomes import BatchState, Status
    from napari_mpi.batch.request import BatchRequest, Folders
    from napari_mpi.batch.work.run import run_batch
    from napari_mpi.engine.runtime import jobs

    folders = Folders(Path(source), Path(output), pattern, recursive=recursive)
    method = _method(axes, **how)
    request = BatchRequest(folders, method, adapt_once=adapt_once, overwrite=overwrite)
    state: BatchState = jobs.run(run_batch(request), on_snapshot)
    failed = state.count(Status.FAILED)
    if failed:
        files = f"{failed} of {len(state.outcomes)} files"
        warnings.warn(f"{files} failed: their outcomes say why", stacklevel=2)
    return tuple(state.outcomes)


def pretrain(
    images: Path | str,
    output: Path | str,
    *,
    recipe: str | None = None,
    start_from: str | None = None,
    device: str = "auto",
    rng: Any = None,
    on_snapshot: OnSnapshot | None = None,
    **settings: Any,
) -> "Weights":
    """Pre-train weights of one's own on a folder of clean images.

    A run that is cut short goes on with ``napari-mpi pretrain ... --resume``.

    Parameters
    ----------
    images : Path or str
        Folder of TIFF, PNG and JPEG files.
    output : Path or str
        A name for menus, or a path that ends in .safetensors; it must be new.
    recipe : str, optional
        'grey', 'paper' or 'paper-shared'; the default one if None.
    start_from : str, optional
        Weights to start from, by name or path; a random start if None.
    device : str
        See `denoise`.
    rng : int or numpy.random.Generator, optional
        The seed of weights, crops, noise and masks, or what to draw it from.
    on_snapshot : callable, optional
        Called with what the work has reached, on the way.
    **settings
        Settings to be other than the recipe's, such as ``iterations=2000``.

    Returns
    -------
    Weights
        As they have been written.

    Raises
    ------
    napari_mpi.errors.EngineError
        If images, settings or output do not fit, or the training diverges.
    """
    from napari_mpi.engine.networks import catalogue, loading, weight_files
    from napari_mpi.engine.pretraining import pretrain as pretraining
    from napari_mpi.engine.pretraining.images import read_training_images
    from napari_mpi.engine.pretraining.state import start_pretraining
    from napari_mpi.engine.runtime import jobs
    from napari_mpi.engine.settings import recipes

    chosen = recipes.recipe(recipe or recipes.DEFAULT_RECIPE, **_seeded(settings, rng))
    path = catalogue.own_weights_path(str(output))
    catalogue.require_new(path)
    network, config = chosen.network, chosen.pretraining
    start = None if start_from is None else loading.load_weights(start_from)
    state = start_pretraining(network, config, start=start)
    found = jobs.run(read_training_images(Path(images), smallest_side=config.crop_size))
    kept = catalogue.checkpoint_path(path)
    job = pretraining.pretrain(
        found,
        network,
        config,
        name=path.stem,
        device=device,
        state=state,
        checkpoint=kept,
    )
    weights = jobs.run(job, on_snapshot)
    weight_files.save_weights(weights, path)
    if not config.can_change:  # else the run may be prolonged
        kept.unlink(missing_ok=True)
    return weights


def denoise_image(
    image: "napari.types.ImageData",
    preset: Annotated[str, {"choices": tuple(PRESETS)}] = DEFAULT_PRESET,
    seed: int = 0,
) -> "napari.types.ImageData":
    """Denoise an image layer's data: for napari's own tools, which go by types.

    Parameters
    ----------
    image : napari.types.ImageData
        See `denoise`; its axes are guessed.
    preset : str
        A key of `PRESETS`.
    seed : int
        The same seed gives the same image.

    Examples
    --------
    >>> viewer.window.add_function_widget(denoise_image)  # doctest: +SKIP
    """
    return denoise(image, preset=preset, rng=seed)


def _method(
    axes: str | None,
    *,
    weights: str = "auto",
    preset: str | None = None,
    device: str = "auto",
    rng: Any = None,
    **settings: Any,
) -> Method:
    config = _preset(preset, weights, _seeded(settings, rng))
    return Method(config, weights, device, None if axes is None else axes.upper())


def _preset(name: str | None, weights: str, settings: dict[str, Any]) -> Any:
    from napari_mpi.engine.networks.catalogue import suggested_preset

    return preset(name or suggested_preset(weights), **settings)


def _seeded(settings: dict[str, Any], rng: Any) -> dict[str, Any]:
    """Return settings with the seed that ``rng`` says (SPEC 7 of scientific Python)."""
    if rng is None:
        return settings
    if "seed" in settings:
        raise ConfigError("rng and seed mean the same: give one of them")
    if hasattr(rng, "integers"):
        rng = int(rng.integers(2**31))
    return {**settings, "seed": rng}
