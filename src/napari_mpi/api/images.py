"""Images in memory: arrays in, arrays out."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, overload

from napari_mpi.api.method import OnSnapshot, chosen
from napari_mpi.engine.settings.presets import DEFAULT_PRESET, PRESETS

if TYPE_CHECKING:
    import napari.types
    import numpy as np
    from numpy.typing import NDArray


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

    method = chosen(axes, **how)
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
