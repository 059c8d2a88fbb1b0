"""Pre-training that goes on: from checkpoints, prolonged, or from other weights."""

import dataclasses
import errno
from contextlib import closing

import pytest
import torch

from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.networks.weight_files import save_weights
from napari_mpi.engine.networks.weights import random_weights
from napari_mpi.engine.pretraining.pretrain import pretrain
from napari_mpi.engine.pretraining.state import (
    checkpoint_weights,
    read_checkpoint,
    start_pretraining,
)
from napari_mpi.engine.runtime import whole_files
from napari_mpi.engine.runtime.errors import (
    ConfigError,
    WeightsError,
)
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.network import NetworkConfig
from napari_mpi.engine.settings.pretraining import PretrainingConfig

NETWORK = NetworkConfig(
    architecture="residual", channels=1, mask_channels=1, width=8, scales=2
)
CONFIG = PretrainingConfig(
    mask_ratio_low=0.2, mask_ratio_high=0.6, loss_on="all", input_noise="mixed",
    iterations=12, batch_size=4, crop_size=32, learning_rate=3e-3, gradient_clip=5.0,
    ema_decay=0.9, precision="float32",
)  # fmt: skip
PAPER = NetworkConfig(width=4, scales=2)


def losses_of(images, config=CONFIG, network=NETWORK, **options):
    losses = []
    job = pretrain(images, network, config, device="cpu", **options)
    weights = run(job, lambda snapshot: losses.extend(snapshot.losses))
    return losses, weights


def stop_after(images, steps, state, **options):
    """Take some steps of a run, then close it."""
    job = pretrain(
        images, state.network_config, state.config, device="cpu", state=state,
        snapshot_interval=0, **options,
    )  # fmt: skip
    with closing(job):
        return [next(job) for _ in range(steps)]


CONSTANT = dataclasses.replace(CONFIG, schedule="constant", ema_decay=0.9999)


@pytest.mark.parametrize("network", [NETWORK, PAPER], ids=["residual", "skip"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_run_resumes_from_its_checkpoint_to_the_same_losses(
    images, tmp_path, network, precision
):
    config = dataclasses.replace(CONFIG, precision=precision)
    whole, weights = losses_of(images, config, network)
    path = tmp_path / "run.checkpoint"
    state = start_pretraining(network, config)
    before = stop_after(images, 5, state, checkpoint=path, checkpoint_interval=0)
    del state  # all that is left of the run is the file
    resumed = read_checkpoint(path)
    assert resumed.step == 5
    after, resumed_weights = losses_of(images, config, network, state=resumed)
    told = [loss for snapshot in before for loss in snapshot.losses]
    assert told + after == whole
    for name, value in weights.state.items():
        assert torch.equal(value, resumed_weights.state[name])


def test_a_closed_job_goes_on_from_its_state(images):
    whole, _ = losses_of(images)
    state = start_pretraining(NETWORK, CONFIG)
    stop_after(images, 5, state)
    after, _ = losses_of(images, state=state)
    assert state.losses == whole
    assert after == whole[5:]


def test_a_state_of_other_settings_or_images_is_refused(images, tmp_path):
    state = start_pretraining(NETWORK, CONFIG)
    stop_after(images, 1, state)
    with pytest.raises(ConfigError, match="has iterations 12, not 13"):
        losses_of(images, dataclasses.replace(CONFIG, iterations=13), state=state)
    other = dataclasses.replace(images, fingerprint="other")
    with pytest.raises(ConfigError, match="not those that the run began with"):
        losses_of(other, state=state)


def test_a_full_disk_leaves_the_last_checkpoint_and_the_run_goes_on(
    images, tmp_path, monkeypatch
):
    path = tmp_path / "run.checkpoint"
    state = start_pretraining(NETWORK, CONFIG)
    stop_after(images, 3, state, checkpoint=path, checkpoint_interval=0)

    def write_half(target, content):
        with target.open("wb") as file:
            file.write(bytes(content)[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(type(path), "write_bytes", write_half)
    told = []
    job = pretrain(
        images, NETWORK, CONFIG, device="cpu", state=state, checkpoint=path,
        checkpoint_interval=0, snapshot_interval=0,
    )  # fmt: skip
    run(job, told.append)
    assert state.is_complete
    assert all("No space left" in snapshot.warning for snapshot in told)
    assert read_checkpoint(path).step == 3
    assert [entry.name for entry in tmp_path.glob("*.checkpoint")] == [path.name]
    assert not list(tmp_path.glob(".*part*"))


def test_a_constant_run_is_prolonged_to_what_one_run_gives(images, tmp_path):
    longer = dataclasses.replace(CONSTANT, iterations=20, cooldown=6)
    whole, weights = losses_of(images, longer)
    path = tmp_path / "run.checkpoint"
    first, _ = losses_of(images, CONSTANT, checkpoint=path)
    after, prolonged = losses_of(images, longer, state=read_checkpoint(path))
    assert first + after == whole
    for name, value in weights.state.items():
        assert torch.equal(value, prolonged.state[name])
    assert prolonged.provenance["pretraining"]["iterations"] == 20


@pytest.mark.parametrize(
    ("config", "change"),
    [(CONFIG, {"iterations": 20}), (CONSTANT, {"learning_rate": 1e-4})],
)
def test_a_run_is_prolonged_in_nothing_else(config, change):
    state = start_pretraining(NETWORK, config)
    with pytest.raises(ConfigError, match="the run to go on with has"):
        state.take_on(dataclasses.replace(config, **change))


def test_a_run_starts_from_the_averaged_weights_of_a_checkpoint(images, tmp_path):
    path = tmp_path / "long.checkpoint"
    state = start_pretraining(NETWORK, CONSTANT)
    stop_after(images, 5, state, checkpoint=path, checkpoint_interval=0)
    cooling = dataclasses.replace(CONSTANT, iterations=8, cooldown=8)
    short = start_pretraining(NETWORK, cooling, start=checkpoint_weights(path))
    for name, value in state.averaged.state_dict().items():
        assert torch.equal(value, short.network.state_dict()[name])
    assert short.start.startswith("long (")
    losses, _ = losses_of(images, cooling, state=short)
    assert len(losses) == 8


def test_weights_of_another_channel_count_lend_their_trunk():
    grey = random_weights(NETWORK, seed=3)
    colour = dataclasses.replace(NETWORK, channels=3, mask_channels=3)
    state = start_pretraining(colour, CONFIG, start=grey)
    inner = "trunk.scale.before.0.first.weight"
    assert torch.equal(state.network.state_dict()[inner], grey.state[inner])
    with pytest.raises(ConfigError, match="another network"):
        start_pretraining(dataclasses.replace(NETWORK, width=4), CONFIG, start=grey)


def test_what_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="no checkpoint"):
        read_checkpoint(tmp_path / "missing")
    path = tmp_path / "run.checkpoint"
    for content in (b"", b"words", b"PK\x03\x04 cut off"):
        path.write_bytes(content)
        with pytest.raises(WeightsError, match="is damaged"):
            read_checkpoint(path)
    torch.save({"format": "something else"}, path)
    with pytest.raises(WeightsError, match="no checkpoint of napari-mpi"):
        read_checkpoint(path)


def test_made_weights_can_be_saved_and_loaded(images, tmp_path):
    _, weights = losses_of(images)
    path = tmp_path / "lab.safetensors"
    save_weights(weights, path)
    loaded = load_weights(path)
    assert loaded.network == NETWORK
    assert loaded.provenance == weights.provenance


def test_no_file_is_left_half_written(images, tmp_path, monkeypatch):
    """A kill between writing and renaming leaves the old checkpoint alone."""
    path = tmp_path / "run.checkpoint"
    state = start_pretraining(NETWORK, CONFIG)
    stop_after(images, 2, state, checkpoint=path, checkpoint_interval=0)
    monkeypatch.setattr(
        whole_files.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("killed"))
    )
    stop_after(images, 2, state, checkpoint=path, checkpoint_interval=0)
    assert read_checkpoint(path).step == 2
