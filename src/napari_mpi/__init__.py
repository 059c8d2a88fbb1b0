"""Zero-shot denoising of microscopy and medical images, in napari and without it."""

import logging
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__version__ = version("napari-mpi")
__all__ = ["__version__", "denoise"]

# What goes wrong is told in sentences; its tracebacks are for those who ask for them.
logging.getLogger(__name__).addHandler(logging.NullHandler())


def denoise(
    image: "NDArray[np.generic]",
    axes: str | None = None,
    *,
    weights: str = "auto",
    preset: str | None = None,
    device: str = "auto",
    state: Any = None,
    **settings: Any,
) -> "NDArray[np.generic]":
    """Denoise an image from nothing but itself.

    Parameters
    ----------
    image : NDArray
        Integers or finite reals, of any shape that holds Y and X; it is not changed.
        Arrays of dask and zarr are read a plane at a time.
    axes : str, optional
        One letter per dimension, such as 'YX', 'TZCYX' or 'YXS'; guessed if None.
    weights : str
        A name that ``napari-mpi weights list`` shows, or the path of a weights file.
    preset : str, optional
        Noise and effort: 'auto', which finds out both from the image, 'auto-fast',
        '(blind|independent|real|correlated)-(fast|full)', or another of
        `napari_mpi.engine.settings.presets.PRESETS`; what the weights are meant for
        if None.
    device : str
        'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'.
    state : napari_mpi.engine.denoising.state.DenoisingState, optional
        One with ``wants_spread=True`` holds thereafter, in ``spread``, how far the
        fills of every pixel lie apart; see `docs/uncertainty.md`.
    **settings
        Fields of `napari_mpi.engine.settings.filling.FillingConfig` to set otherwise
        than the preset does, such as ``seed=1`` or ``iterations=400``.

    Returns
    -------
    NDArray
        The denoised image, of the same shape and type. Of what is not numpy's, or takes
        more than a quarter of the memory, it is an array on disk, gone with the
        program, that is read by indexing as numpy's are.

    Raises
    ------
    napari_mpi.engine.runtime.errors.EngineError
        One of its kinds, with a sentence on what does not fit, and the way out.

    Examples
    --------
    >>> from napari_mpi import denoise  # doctest: +SKIP
    >>> clean = denoise(noisy, axes="ZYX", preset="real-fast", seed=1)  # doctest: +SKIP

    References
    ----------
    Ma et al., Masked Pre-trained Model Enables Universal Zero-shot Denoiser,
    NeurIPS 2024, arXiv 2401.14966.
    """
    import numpy as np

    # torch takes seconds to import: napari must be able to read the manifest without.
    from napari_mpi.engine.denoising import denoise as denoising
    from napari_mpi.engine.denoising.task import prepare
    from napari_mpi.engine.images.axes import guess_axes
    from napari_mpi.engine.networks.catalogue import suggested_preset
    from napari_mpi.engine.runtime import jobs
    from napari_mpi.engine.settings import presets

    config = presets.preset(preset or suggested_preset(weights), **settings)
    array = image if hasattr(image, "shape") else np.asanyarray(image)
    letters = guess_axes(array.shape) if axes is None else axes.upper()
    task = prepare(array, letters, weights=weights, config=config, device=device)
    return jobs.run(denoising.denoise(task, state))
