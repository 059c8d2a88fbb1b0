"""Small networks that differ in what their pre-training saw, and where its loss was."""

import dataclasses
import zipfile
from pathlib import Path

from cases import DATA
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.networks.weight_files import save_weights
from napari_mpi.engine.networks.weights import Weights
from napari_mpi.engine.pretraining.images import read_training_images
from napari_mpi.engine.pretraining.pretrain import pretrain
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.recipes import RECIPES

STEPS, CROP, BATCH = 2000, 64, 8
ARCHIVE = DATA.parent / "pretrain" / "natural-3.zip"
HIDDEN = {"loss_on": "hidden", "unmasked_share": 0.0, "mask_ratio_low": 0.1}
CHANGES = {
    "noisy input": {"input_noise": "mixed", **HIDDEN},
    "clean input": {"input_noise": "none", **HIDDEN},
    "noisy input, all pixels": {},  # our own recipe
}


def small_weights(name: str, cache: Path, folder: Path | None, steps: int) -> Weights:
    """Return a small network's weights, pre-trained if they are not in the cache.

    Network and recipe are our own for grey images but for width 32 and smaller crops.
    A loss on open pixels too makes no sense with a clean input, which could be copied.
    """
    file = name.replace(",", "").replace(" ", "-")
    path = cache / f"{file}-{steps}.safetensors"
    if not path.is_file():
        images = folder or unpacked(cache)
        save_weights(_pretrained(name, images, steps), path)
    return load_weights(path)


def unpacked(cache: Path) -> Path:
    """Unpack the training photographs into the cache, once."""
    target = cache / ARCHIVE.stem
    if not target.is_dir():
        with zipfile.ZipFile(ARCHIVE) as archive:
            archive.extractall(target.with_suffix(".part"))
        target.with_suffix(".part").rename(target)
    return target


def _pretrained(name: str, folder: Path, steps: int) -> Weights:
    network = dataclasses.replace(RECIPES["grey"].network, width=32)
    config = dataclasses.replace(
        RECIPES["grey"].pretraining,
        **CHANGES[name],
        iterations=steps,
        batch_size=BATCH,
        crop_size=CROP,
        ema_decay=0.99,
    )
    images = run(read_training_images(folder, smallest_side=CROP))
    job = pretrain(images, network, config, name=name, device="cpu")
    return run(job, lambda snapshot: None)
