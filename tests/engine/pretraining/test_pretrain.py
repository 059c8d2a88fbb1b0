"""Pre-training: what is learnt, told, and done about divergence and full memories."""

import dataclasses
import itertools
import math
from contextlib import closing

import numpy as np
import pytest
import torch

from napari_mpi.engine.networks.weights import random_weights
from napari_mpi.engine.pretraining import clock
from napari_mpi.engine.pretraining import run as pretraining_run
from napari_mpi.engine.pretraining.corruption.corrupt import Crops
from napari_mpi.engine.pretraining.pretrain import pretrain
from napari_mpi.engine.pretraining.run import learning_rate
from napari_mpi.engine.pretraining.state import (
    start_pretraining,
)
from napari_mpi.engine.runtime.errors import (
    DivergenceError,
    OutOfMemory,
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


def test_the_loss_falls_and_the_weights_say_how_they_were_made(images):
    config = dataclasses.replace(CONFIG, iterations=60)
    losses, weights = losses_of(images, config, name="blobs")
    assert len(losses) == 60
    assert np.mean(losses[-10:]) < np.mean(losses[:5]) - 3  # dB
    made = weights.provenance
    assert weights.name == "blobs"
    assert weights.network == NETWORK
    assert made["data"]["fingerprint"] == images.fingerprint
    assert made["data"]["files"] == 6
    assert made["pretraining"] == dataclasses.asdict(config)
    assert (made["iterations"], made["seed"]) == (60, 0)
    assert made["loss"] == pytest.approx(np.mean(losses), abs=1e-3)
    assert made["held_out_psnr"] > 10


def test_pretrained_weights_fill_better_than_random_ones(images):
    _, weights = losses_of(images, dataclasses.replace(CONFIG, iterations=150))
    clean = torch.from_numpy(images.images[0].crop(0, 0, 64, 1).copy())[None]
    masked = torch.rand(clean.shape, generator=torch.Generator().manual_seed(0)) < 0.4
    with torch.no_grad():
        errors = [
            float((w.to_network()(clean, masked) - clean)[masked].square().mean())
            for w in (weights, random_weights(NETWORK, seed=0))
        ]
    assert errors[0] < 0.2 * errors[1]


def test_the_same_seed_gives_the_same_weights(images):
    first, second = (losses_of(images) for _ in range(2))
    assert first[0] == second[0]
    for name, value in first[1].state.items():
        assert torch.equal(value, second[1].state[name])
    other, _ = losses_of(images, dataclasses.replace(CONFIG, seed=1))
    assert other != first[0]


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_divergence_goes_back_to_the_last_good_state(images, monkeypatch, poison):
    true_losses = pretraining_run.crop_losses
    calls = itertools.count()
    state = start_pretraining(NETWORK, CONFIG)

    def losses(filled, batch, config):
        value = true_losses(filled, batch, config)
        return value * poison if next(calls) == 8 and filled.requires_grad else value

    stop_after(images, 4, state, checkpoint_interval=0)
    good = {name: value.clone() for name, value in state.network.state_dict().items()}
    monkeypatch.setattr(pretraining_run, "crop_losses", losses)
    with pytest.raises(DivergenceError, match="iteration 4 is kept; lower the learn"):
        losses_of(images, state=state, snapshot_interval=0)
    assert state.step == 4
    for name, value in state.network.state_dict().items():
        assert torch.equal(value, good[name])


def test_a_loss_that_climbs_is_divergence_too(images, monkeypatch):
    true_losses = pretraining_run.crop_losses
    state = start_pretraining(NETWORK, dataclasses.replace(CONFIG, iterations=400))

    def climbing(filled, batch, config):
        worse = 30 if state.step > 120 else 0
        return true_losses(filled, batch, config) + worse

    monkeypatch.setattr(pretraining_run, "crop_losses", climbing)
    with pytest.raises(DivergenceError):
        losses_of(images, state.config, state=state)


def test_hidden_loss_looks_at_hidden_pixels_only():
    clean = torch.zeros(2, 1, 8, 8)
    masked = torch.zeros(2, 1, 8, 8, dtype=torch.bool)
    masked[:, :, :2] = True
    filled = torch.where(masked, 0.1, 5.0)
    batch = Crops(clean, clean, masked)
    hidden = dataclasses.replace(CONFIG, loss_on="hidden")
    losses = pretraining_run.crop_losses(filled, batch, hidden)
    assert losses.tolist() == pytest.approx([-20, -20], abs=1e-3)  # 10 log10 of 0.01
    everywhere = pretraining_run.crop_losses(filled, batch, CONFIG)
    assert (everywhere > 10).all()


def test_the_learning_rate_rises_then_follows_a_cosine():
    config = dataclasses.replace(
        CONFIG, iterations=100, warmup=10, learning_rate=1.0, final_learning_rate=0.1
    )
    rates = [learning_rate(config, step) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[4] == pytest.approx(0.5, abs=0.01)
    assert rates[50] == pytest.approx(0.55)
    assert rates[100] == pytest.approx(0.1)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_a_constant_learning_rate_falls_in_the_cool_down_alone():
    config = dataclasses.replace(
        CONFIG, iterations=100, warmup=10, learning_rate=1.0, final_learning_rate=0.2,
        schedule="constant", cooldown=40,
    )  # fmt: skip
    rates = [learning_rate(config, step) for step in range(101)]
    assert rates[4] == pytest.approx(0.5)
    assert rates[10:61] == [1.0] * 51
    assert rates[80] == pytest.approx(0.6)
    assert rates[100] == pytest.approx(0.2)
    endless = dataclasses.replace(config, cooldown=0)
    assert learning_rate(endless, 100) == 1.0


def test_evaluations_see_the_held_out_crops_and_change_nothing(images, monkeypatch):
    plain, _ = losses_of(images)
    monkeypatch.setattr(clock, "EVALUATION_INTERVAL", 0.0)
    monkeypatch.setattr(clock.Clock, "evaluated", lambda *_: None)
    looks = []
    job = pretrain(images, NETWORK, CONFIG, device="cpu", snapshot_interval=0)
    run(job, lambda snapshot: looks.append((snapshot.losses, snapshot.evaluation)))
    assert [loss for losses, _ in looks for loss in losses] == plain
    evaluations = [evaluation for _, evaluation in looks]
    assert [evaluation.iteration for evaluation in evaluations] == list(range(1, 13))
    first, last = evaluations[0], evaluations[-1]
    assert (first.clean == last.clean).all()  # the same crop, to compare by eye
    assert not (first.reconstruction == last.reconstruction).all()
    assert last.masked.any()


def test_a_full_memory_is_told_with_the_way_out(images, monkeypatch):
    def step(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")

    monkeypatch.setattr(pretraining_run.PretrainingRun, "_step", step)
    with pytest.raises(OutOfMemory, match="lower the batch size"):
        losses_of(images)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_cuda_learns_too(images, precision):
    config = dataclasses.replace(CONFIG, iterations=60, precision=precision)
    losses = []
    job = pretrain(images, NETWORK, config, device="cuda")
    run(job, lambda snapshot: losses.extend(snapshot.losses))
    assert np.mean(losses[-10:]) < np.mean(losses[:5]) - 3


def test_a_pause_slows_nothing_that_is_told(images, monkeypatch):
    class Watch:
        """Advances by a second whenever it is looked at."""

        now = 0.0

        def monotonic(self):
            self.now += 1
            return self.now

    watch = Watch()
    monkeypatch.setattr(pretraining_run, "time", watch)
    state = start_pretraining(NETWORK, CONFIG)
    job = pretrain(
        images, NETWORK, CONFIG, device="cpu", state=state, snapshot_interval=0
    )
    with closing(job):
        next(job)
        watch.now += 1_000_000
        assert next(job).seconds_left < 10_000
    assert state.seconds < 10_000
