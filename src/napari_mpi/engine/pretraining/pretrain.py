"""Masked pre-training, the paper's algorithm 1: learn to fill what is hidden."""

import dataclasses
import importlib.metadata
import math
from pathlib import Path
from typing import Any

import torch

from napari_mpi.engine.networks.weights import Weights
from napari_mpi.engine.pretraining.images import TrainingImages
from napari_mpi.engine.pretraining.processes import Processes
from napari_mpi.engine.pretraining.run import PretrainingRun
from napari_mpi.engine.pretraining.snapshot import PretrainingSnapshot
from napari_mpi.engine.pretraining.state import (
    PretrainingState,
    mean_loss,
    require_same,
    start_pretraining,
)
from napari_mpi.engine.runtime.devices import (
    describe_device,
    memory_told,
    resolve_device,
)
from napari_mpi.engine.runtime.errors import ConfigError
from napari_mpi.engine.runtime.jobs import Job
from napari_mpi.engine.runtime.precision import resolve_precision
from napari_mpi.engine.settings.network import NetworkConfig
from napari_mpi.engine.settings.pretraining import PretrainingConfig

SNAPSHOT_INTERVAL = 0.2
"""Seconds between snapshots, or one step where that is longer."""

CHECKPOINT_INTERVAL = 60.0
"""Seconds between checkpoints."""


def pretrain(
    images: TrainingImages,
    network: NetworkConfig,
    config: PretrainingConfig,
    *,
    name: str = "pretrained",
    device: str | torch.device = "auto",
    state: PretrainingState | None = None,
    checkpoint: Path | None = None,
    checkpoint_interval: float = CHECKPOINT_INTERVAL,
    snapshot_interval: float = SNAPSHOT_INTERVAL,
) -> Job[PretrainingSnapshot, Weights]:
    """Pre-train a network to fill hidden pixels of many images.

    Each step hides pixels of random crops, predicts them, and takes one step of AdamW
    on the mean over the crops of the logarithm of the squared error (Ma et al. 2024,
    arXiv 2401.14966, section 3.1). All randomness of a step follows from the seed and
    the number of the step.

    Under ``torchrun`` each process takes its share of every batch and the gradients
    are averaged; the first process alone evaluates and writes.

    Parameters
    ----------
    images : TrainingImages
        See `read_training_images`.
    network : NetworkConfig
        The network.
    config : PretrainingConfig
        See `recipe`.
    name : str
        Name of the weights.
    device : str or torch.device
        'auto', 'cpu', 'cuda', 'cuda:1', 'mps'.
    state : PretrainingState, optional
        Where to start and where to leave what was reached; see `start_pretraining` and
        `read_checkpoint`. Where its learning rate is constant, ``config`` may have
        other ``iterations`` and another ``cooldown``.
    checkpoint : Path, optional
        Where to keep what is needed to go on after a crash.
    checkpoint_interval, snapshot_interval : float
        Least seconds between two checkpoints, and two snapshots.

    Yields
    ------
    PretrainingSnapshot
        At least the one of the last step, with an evaluation.

    Returns
    -------
    Weights
        The averaged weights, with provenance.

    Raises
    ------
    ConfigError
        If the state is of other settings or images.
    DivergenceError
        If loss or gradient are no longer finite, or the loss has risen by 10 dB; the
        state is then the last good one.
    OutOfMemory
        If the device cannot hold a batch.
    """
    processes = Processes.current()
    target = _device(device, processes)
    state = state if state is not None else start_pretraining(network, config)
    require_same(state.network_config, network)
    state.take_on(config)
    _require_same_images(state, images)
    processes.require_divides(config.batch_size)
    if not state.precision:
        state.precision = resolve_precision(config.precision, target)
        # One answer for all processes: measured ones may differ.
        state.precision = processes.agreed(state.precision)
    state.fingerprint, state.device = images.fingerprint, describe_device(target)
    run = PretrainingRun(
        images, state, target, processes, checkpoint, checkpoint_interval
    )
    crops = f"{config.batch_size} crops of {config.crop_size} x {config.crop_size}"
    try:
        with memory_told(target, f"for {crops}: lower the batch size or the crop size"):
            state.to(target)
            yield from run.steps(snapshot_interval)
    finally:
        state.to("cpu")
        if target.type == "cuda":
            torch.cuda.empty_cache()
    return pretrained_weights(state, images, name=name)


def pretrained_weights(
    state: PretrainingState, images: TrainingImages, *, name: str
) -> Weights:
    """Return the averaged weights that a state has reached, with provenance."""
    config, psnr = state.config, state.held_out[-1][1] if state.held_out else math.nan
    made: dict[str, Any] = {
        "pretraining": dataclasses.asdict(config),
        "mask": {
            "mask_ratio": [config.mask_ratio_low, config.mask_ratio_high],
            "shared": config.shared_mask,
        },
        "data": {
            "folder": images.folder.name,
            "files": images.files,
            "images": len(images.images),
            "left_out": len(images.left_out),
            "fingerprint": images.fingerprint,
        },
        "iterations": state.step,
        "seed": config.seed,
        "start": state.start,
        "loss": None if not state.losses else round(mean_loss(state.losses), 4),
        "held_out_psnr": round(psnr, 4) if math.isfinite(psnr) else None,
        "device": state.device,
        "precision": state.precision,
        "seconds": round(state.seconds),
        "version": importlib.metadata.version("napari-mpi"),
        "torch": torch.__version__,
    }
    return Weights(name, state.network_config, state.averaged_tensors(), made)


def _device(device: str | torch.device, processes: Processes) -> torch.device:
    if isinstance(device, torch.device):
        return device
    target = resolve_device(device)
    if target.type == "cuda" and processes.count > 1:
        return torch.device("cuda", processes.local_rank)
    return target


def _require_same_images(state: PretrainingState, images: TrainingImages) -> None:
    """Raise ConfigError if a state is of other images."""
    if state.fingerprint and state.fingerprint != images.fingerprint:
        raise ConfigError(
            f"the images in {images.folder} are not those that the run began with:"
            " give the same folder, or start anew"
        )
