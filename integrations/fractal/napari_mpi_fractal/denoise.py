"""The task: denoise one image, beside it or in its place."""

import logging
import warnings
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, validate_call

from napari_mpi_fractal.places import copy_beside, place, working_copy
from napari_mpi_fractal.wells import add_to_well

Preset = Literal[
    "auto", "auto-fast", "auto-full",
    "blind-auto", "blind-fast", "blind-full",
    "independent-fast", "independent-full",
    "real-fast", "real-full",
    "correlated-fast", "correlated-full",
]  # fmt: skip

logger = logging.getLogger(__name__)


@validate_call
def denoise(
    *,
    zarr_url: str,
    preset: Preset = "auto",
    weights: str = "auto",
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    seed: Annotated[int, Field(ge=0)] = 0,
    suffix: Annotated[str, Field(pattern="^[A-Za-z0-9_-]+$")] = "_denoised",
    overwrite_input: bool = False,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Denoise an image with no training data and no noise model.

    The new image has shape, type, levels, channels, labels and tables of its source.
    It is written whole or not at all. The next run goes on with a stack or a large
    plane at which this one was interrupted.

    Parameters
    ----------
    zarr_url : str
        Path of the OME-Zarr image (set by Fractal).
    preset : str
        Kind of noise and effort. With 'auto' the noise is found out from each image.
    weights : str
        What the network knows beforehand: a name that `napari-mpi weights list`
        shows, or the path of a file of your own.
    device : str
        Where to compute; 'auto' takes a GPU if the job has one.
    seed : int
        The same seed gives the same image; any number is as good.
    suffix : str
        What the name of the new image has besides that of its source.
    overwrite_input : bool
        Whether the result takes the place of the source, which is then lost.
    overwrite : bool
        Whether an image that has the new name already is replaced.

    Returns
    -------
    dict
        The new image, and the one that it was made from, for Fractal's image list.

    Raises
    ------
    ValueError
        If there is an image of the new name already, or zarr_url is no local path.
    napari_mpi.errors.EngineError
        If the image cannot be denoised; then nothing has been written.
    """
    from napari_mpi import denoise_file  # torch is imported when it is called

    zarr_url = zarr_url.rstrip("/")
    new_url = zarr_url if overwrite_input else _with_suffix(zarr_url, suffix)
    source, target = _local(zarr_url), _local(new_url)
    if target.exists() and not (overwrite or overwrite_input):
        raise ValueError(
            f"there is an image {target} already: set overwrite to replace it, or"
            " choose another suffix"
        )
    with working_copy(target) as working, warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        made = denoise_file(
            source, working, preset=preset, weights=weights, device=device, rng=seed
        )
        for line in (*made.noise, *made.neighbours, *made.notes):
            logger.info("%s: %s", source, line)
        copy_beside(source, working)
        place(working, target)
    if overwrite_input:
        return {"image_list_updates": [{"zarr_url": zarr_url}]}
    add_to_well(target.parent, source.name, target.name)
    return {"image_list_updates": [{"zarr_url": new_url, "origin": zarr_url}]}


def _with_suffix(url: str, suffix: str) -> str:
    """Return the name of the new image; a field of a plate ends in no '.zarr'."""
    stem = url.removesuffix(".zarr")
    return f"{stem}{suffix}{url[len(stem) :]}"


def _local(url: str) -> Path:
    if "://" in url:
        raise ValueError(f"{url} is no path: images are denoised where jobs have disks")
    return Path(url)


if __name__ == "__main__":
    from fractal_task_tools.task_wrapper import run_fractal_task

    run_fractal_task(task_function=denoise)
