"""Weights of one's own."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_mpi.api.method import OnSnapshot, seeded

if TYPE_CHECKING:
    from napari_mpi.engine.networks.weights import Weights


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

    chosen = recipes.recipe(recipe or recipes.DEFAULT_RECIPE, **seeded(settings, rng))
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
