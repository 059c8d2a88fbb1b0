"""The loop of masked pre-training: its steps, and what it looks at now and then."""

import math
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from napari_mpi.engine.networks.residual import Neighbours
from napari_mpi.engine.pretraining.clock import Clock
from napari_mpi.engine.pretraining.corruption.corrupt import Crops, corrupt
from napari_mpi.engine.pretraining.crops import (
    Crops as CleanCrops,
)
from napari_mpi.engine.pretraining.crops import (
    batch_generator,
    batches,
    cut_from,
    plan_crops,
)
from napari_mpi.engine.pretraining.images import TrainingImage, TrainingImages
from napari_mpi.engine.pretraining.neighbours.sequence import corrupt_sequence
from napari_mpi.engine.pretraining.on_device import ImagesOnDevice
from napari_mpi.engine.pretraining.processes import Processes
from napari_mpi.engine.pretraining.snapshot import Evaluation, PretrainingSnapshot
from napari_mpi.engine.pretraining.state import PretrainingState, mean_loss
from napari_mpi.engine.pretraining.views import Views
from napari_mpi.engine.runtime.errors import DivergenceError, WeightsError
from napari_mpi.engine.settings.pretraining import PretrainingConfig

_HELD_OUT_CROPS = 16
_HELD_OUT_STEP = 2**31  # of the held-out crops' randomness: no run is that long
_DIVERGED = 10.0  # dB above the best mean loss
_EPSILON = 1e-8  # of the paper's loss


def learning_rate(config: PretrainingConfig, step: int) -> float:
    """Return the learning rate of a step, counted from 0: warm-up, then the schedule.

    Its end is the step after the last.
    """
    low, high = config.final_learning_rate, config.learning_rate
    rising = min(1.0, (step + 1) / config.warmup) if config.warmup else 1.0
    return rising * (low + (high - low) * _height(config, step))


def _height(config: PretrainingConfig, step: int) -> float:
    """Return 1 where the learning rate is the first, 0 where it is the final one."""
    if config.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * step / config.iterations))
    left = config.iterations - step
    return min(1.0, left / config.cooldown) if config.cooldown else 1.0


def crop_losses(filled: Tensor, batch: Crops, config: PretrainingConfig) -> Tensor:
    """Return the squared error of each crop in dB, shape (N,).

    The mean runs over hidden pixels, or over all (``config.loss_on``).
    """
    squared = (filled - batch.clean).square()
    if config.loss_on == "hidden":
        masked = batch.masked.expand_as(squared)
        total = squared.masked_fill(~masked, 0).sum(dim=(1, 2, 3))
        error = total / masked.sum(dim=(1, 2, 3)).clamp(min=1)
    else:
        error = squared.mean(dim=(1, 2, 3))
    return 10 * torch.log10(error + _EPSILON)


@dataclass(slots=True)
class PretrainingRun:
    """One call of `pretrain`: the loop, and what it does now and then."""

    images: TrainingImages
    state: PretrainingState
    device: torch.device
    processes: Processes
    checkpoint: Path | None
    checkpoint_interval: float
    model: nn.Module = field(init=False)
    held_out: Crops = field(init=False)
    pending: list[Tensor] = field(default_factory=list)
    waited: float = 0.0
    best: float = math.inf

    def steps(
        self, snapshot_interval: float
    ) -> Generator[PretrainingSnapshot, None, None]:
        """Take the steps that are left."""
        state, config = self.state, self.state.config
        training, held_out = self.images.split(np.random.default_rng(config.seed))
        self.held_out = self._held_out_batch(held_out)
        self.model = self.processes.wrapped(state.network, self.device)
        state.remember()
        on_device = ImagesOnDevice.that_fit(training, self.device)
        crops = batches(
            training,
            on_device.cut if on_device else cut_from(training),
            count=config.batch_size // self.processes.count,
            size=config.crop_size,
            channels=state.network_config.channels,
            seed=config.seed,
            first=state.step,
            views=Views.of(config),
            neighbours=state.network_config.neighbours,
            rank=self.processes.rank,
        )
        clock = Clock(state.step)
        with closing(crops):  # type: ignore[type-var]
            while not state.is_complete:
                asked = time.monotonic()
                batch, seed = next(crops)
                self.waited += time.monotonic() - asked
                self.pending.append(self._step(batch, seed))
                state.step += 1
                if clock.is_due(snapshot_interval) or state.is_complete:
                    snapshot = self._report(clock)
                    told = time.monotonic()
                    yield snapshot
                    clock.leave_out(time.monotonic() - told)  # a pause, perhaps

    def _step(self, crops: CleanCrops, seed: int) -> Tensor:
        """Take one step; returns loss and norm of the gradient."""
        state, config = self.state, self.state.config
        batch = self._batch(crops, seed)
        state.network.train()
        for group in state.optimizer.param_groups:
            group["lr"] = learning_rate(config, state.step)
        loss = crop_losses(self._fill(self.model, batch), batch, config).mean()
        state.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(
            state.network.parameters(), config.gradient_clip
        )
        state.optimizer.step()
        _average(state, config.ema_decay)
        return torch.stack([self.processes.mean(loss.detach()), norm.detach()])

    def _batch(self, crops: CleanCrops, seed: int) -> Crops:
        rng = torch.Generator(self.device).manual_seed(seed)
        clean, frames = (
            crops.to(self.device),
            1 + self.state.network_config.planes_beside,
        )
        if frames == 1:
            return corrupt(clean, self.state.config, rng=rng)
        planes = clean.reshape(-1, frames, *clean.shape[2:])
        return corrupt_sequence(planes, self.state.config, rng=rng)

    def _fill(self, model: nn.Module, batch: Crops) -> Tensor:
        image = batch.noisy.contiguous(memory_format=torch.channels_last)
        with torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.state.precision == "bfloat16"
        ):
            filled: Tensor = model(image, batch.masked, batch.beside)
        return filled

    def _report(self, clock: Clock) -> PretrainingSnapshot:
        """Look at the losses, evaluate and write a checkpoint where it is time."""
        state = self.state
        losses = self._checked_losses()
        state.seconds += clock.lap()
        evaluation, warning = None, ""
        if self.processes.rank == 0:
            if clock.evaluation_is_due() or state.is_complete:
                started = time.monotonic()
                evaluation = self._evaluate()
                clock.evaluated(time.monotonic() - started)
            if clock.checkpoint_is_due(self.checkpoint_interval) or state.is_complete:
                warning = self._keep()
        pace = clock.steps_per_second(state.step)
        left = (state.config.iterations - state.step) / pace
        return PretrainingSnapshot(
            state.step,
            state.config.iterations,
            losses,
            pace * state.config.batch_size,
            left,
            self.waited / clock.elapsed(),
            evaluation,
            warning,
        )

    def _checked_losses(self) -> tuple[float, ...]:
        """Take the pending losses over, or go back to the last good state."""
        pairs = torch.stack(self.pending).tolist()  # the one wait for a GPU
        self.pending = []
        state = self.state
        losses = [loss for loss, _ in pairs]
        state.losses += losses
        recent = mean_loss(state.losses)
        finite = all(map(math.isfinite, (value for pair in pairs for value in pair)))
        if finite and recent < self.best + _DIVERGED:
            if len(state.losses) >= _HELD_OUT_CROPS:
                self.best = min(self.best, recent)
            return tuple(losses)
        diverged, rate = state.step, learning_rate(state.config, state.step)
        state.recall()
        raise DivergenceError(
            f"pre-training diverged by iteration {diverged}: what it had learnt by"
            f" iteration {state.step} is kept; lower the learning rate, which was"
            f" {rate:.2g}"
        )

    def _keep(self) -> str:
        """Remember this state, and write it; returns what went wrong."""
        self.state.remember()
        if self.checkpoint is None:
            return ""
        try:
            self.state.write(self.checkpoint)
        except WeightsError as error:
            return f"no checkpoint now, the last one stays: {error}"
        return ""

    def _held_out_batch(self, images: list[TrainingImage]) -> Crops:
        config = self.state.config
        rng = batch_generator(config.seed, _HELD_OUT_STEP)
        plan = plan_crops(
            images,
            count=_HELD_OUT_CROPS,
            size=config.crop_size,
            channels=self.state.network_config.channels,
            rng=rng,
            views=Views.of(config),
            neighbours=self.state.network_config.neighbours,
        )
        return self._batch(cut_from(images)(plan), config.seed)

    @torch.no_grad()
    def _evaluate(self) -> Evaluation:
        """Fill the held-out crops with the averaged weights."""
        state, batch = self.state, self.held_out
        state.averaged.eval()
        parts = [_part(batch, n) for n in range(_HELD_OUT_CROPS)]
        filled = torch.cat([self._fill(state.averaged, part) for part in parts])
        psnr = -float(crop_losses(filled, batch, state.config).mean())
        state.held_out.append((state.step, psnr))
        shown = _telling_crop(batch)
        planes = (batch.noisy, batch.masked, filled, batch.clean)
        noisy, masked, made, clean = (plane[shown].cpu().numpy() for plane in planes)
        return Evaluation(state.step, psnr, noisy, masked, made, clean)


def _telling_crop(batch: Crops) -> int:
    """Return the number of the crop to look at: hidden, and not empty."""
    hidden = batch.masked.float().mean(dim=(1, 2, 3))
    contrast = batch.clean.std(dim=(1, 2, 3))
    return int((contrast * (hidden >= hidden.median())).argmax())


def _part(batch: Crops, number: int) -> Crops:
    one = slice(number, number + 1)
    beside = batch.beside
    if beside is not None:
        beside = Neighbours(beside.image[one], beside.seen[one])
    return Crops(batch.clean[one], batch.noisy[one], batch.masked[one], beside)


@torch.no_grad()
def _average(state: PretrainingState, decay: float) -> None:
    """Move the averaged weights towards the present ones; faster at the start."""
    rate = 1 - min(decay, (state.step + 1) / (state.step + 10)) if decay else 1.0
    ours = [value.detach() for value in state.averaged.parameters()]
    theirs = [value.detach() for value in state.network.parameters()]
    torch._foreach_lerp_(ours, theirs, rate)
    for kept, now in zip(
        state.averaged.buffers(), state.network.buffers(), strict=True
    ):
        kept.copy_(now)
