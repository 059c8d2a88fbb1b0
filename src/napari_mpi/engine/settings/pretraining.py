"""Every setting of masked pre-training."""

from dataclasses import dataclass
from typing import Literal, get_args

from napari_mpi.engine.runtime.errors import ConfigError
from napari_mpi.engine.settings.corruption import CorruptionConfig, words
from napari_mpi.engine.settings.fields import (
    described,
    require_choice,
    require_number,
    require_share,
    require_whole,
)

GreyFrom = Literal["luma", "planes"]
LossOn = Literal["hidden", "all"]
Schedule = Literal["cosine", "constant"]
Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PretrainingConfig(CorruptionConfig):
    """Settings of masked pre-training (Ma et al. 2024, section 3.1 and supplement).

    The defaults are the paper's for independent noise. What is hidden, and which noise
    is added, is set by the fields of `CorruptionConfig`.

    Parameters
    ----------
    grey_from : {'luma', 'planes'}
        What a network for grey images gets of a colour image: its luma, or a plane
        drawn for each crop, see `views.Views`.
    shrunk_share : float
        Crops taken from the image at half its size, 0..1: what JPEG has done to the
        training images is finer there than anything to be learnt.
    loss_on : {'hidden', 'all'}
        Pixels that the loss is taken on.
    iterations : int
        Optimiser steps.
    batch_size : int
        Crops per step, over all processes.
    crop_size : int
        Side of a crop in pixels.
    learning_rate, final_learning_rate : float
        Of AdamW, at the start and at the end.
    schedule : {'cosine', 'constant'}
        How the learning rate gets from one to the other: along a cosine, or in a
        straight line over the cool-down alone. A constant run can be prolonged.
    cooldown : int
        Last steps of a constant run, over which the learning rate falls; 0: it stays.
    warmup : int
        Steps over which the learning rate rises from 0.
    beta1, beta2 : float
        Of AdamW; weight decay is 0.
    gradient_clip : float
        Largest norm of the gradient.
    ema_decay : float
        Of the averaged weights that are kept in the end; 0 keeps the last ones.
    precision : {'auto', 'float32', 'bfloat16'}
        Of the convolutions; 'auto' is bfloat16 where the device is faster with it.
    seed : int
        Seed of weights, crops, noise and masks.

    Raises
    ------
    ConfigError
        If a value is outside its range, or two contradict each other.
    """

    grey_from: GreyFrom = described(
        "luma", "Grey from", "what a grey network gets of a colour image"
    )
    shrunk_share: float = described(
        0.0, "Shrunk share", "share of crops at half the image's size", min=0.0,
        max=1.0, step=0.05,
    )  # fmt: skip
    loss_on: LossOn = described("hidden", "Loss on", "pixels that the loss is taken on")
    iterations: int = described(
        80_000, "Iterations", "optimiser steps", min=1, max=10_000_000
    )
    batch_size: int = described(
        64, "Batch size", "crops per step, over all processes", min=1, max=4096
    )
    crop_size: int = described(
        256, "Crop size", "side of a crop in pixels", min=16, max=1024
    )
    learning_rate: float = described(
        2e-3, "Learning rate", "of AdamW, at the start", min=1e-6, max=1.0, step=1e-4
    )
    final_learning_rate: float = described(
        1e-5, "Final learning rate", "at the end of cosine or cool-down", min=1e-8,
        max=1.0, step=1e-5,
    )  # fmt: skip
    schedule: Schedule = described(
        "cosine", "Schedule", "of the learning rate; constant: it can be prolonged"
    )
    cooldown: int = described(
        0, "Cool-down", "last steps, over which a constant learning rate falls", min=0,
        max=10_000_000,
    )  # fmt: skip
    warmup: int = described(
        0, "Warm-up", "steps over which the learning rate rises", min=0, max=100_000
    )
    beta1: float = described(0.9, "Beta 1", "of AdamW", min=0.0, max=0.9999, step=0.01)
    beta2: float = described(0.9, "Beta 2", "of AdamW", min=0.0, max=0.9999, step=0.01)
    gradient_clip: float = described(
        0.01, "Gradient clip", "largest norm of the gradient", min=1e-4, max=1e4,
        step=0.01,
    )  # fmt: skip
    ema_decay: float = described(
        0.0, "EMA decay", "of the averaged weights; 0 keeps the last", min=0.0,
        max=0.9999, step=0.001,
    )  # fmt: skip
    precision: Precision = described("auto", "Precision", "of the convolutions")
    seed: int = described(
        0, "Seed", "of weights, crops, noise and masks", min=0, max=2**31 - 1
    )

    def __post_init__(self) -> None:
        CorruptionConfig.__post_init__(self)  # super() does not know slots
        require_share("shrunk share", self.shrunk_share)
        require_choice("grey from", self.grey_from, get_args(GreyFrom))
        for name in ("learning_rate", "final_learning_rate"):
            require_number(words(name), getattr(self, name), above=0, below=10)
        require_number("gradient clip", self.gradient_clip, above=0, below=1e9)
        for name in ("beta1", "beta2", "ema_decay"):
            require_number(words(name), getattr(self, name), above=None, below=1)
        require_choice("loss on", self.loss_on, get_args(LossOn))
        require_choice("schedule", self.schedule, get_args(Schedule))
        require_choice("precision", self.precision, get_args(Precision))
        require_whole("iterations", self.iterations, at_least=1)
        require_whole("batch size", self.batch_size, at_least=1, at_most=4096)
        require_whole("crop size", self.crop_size, at_least=16, at_most=1024)
        require_whole("cooldown", self.cooldown, at_least=0, at_most=self.iterations)
        require_whole("warmup", self.warmup, at_least=0)
        require_whole("seed", self.seed, at_least=0, at_most=2**63 - 1)
        self._require_something_to_learn()
        if self.schedule == "cosine" and self.cooldown:
            raise ConfigError(
                f"cooldown is {self.cooldown}, but a cosine falls all the way: set it"
                " to 0, or the schedule to 'constant'"
            )

    @property
    def can_change(self) -> tuple[str, ...]:
        """Settings that a run may be given anew when it goes on."""
        return ("iterations", "cooldown") if self.schedule == "constant" else ()

    def _require_something_to_learn(self) -> None:
        hides_nothing = self.mask_ratio_low == 0 or self.unmasked_share > 0
        if self.loss_on == "hidden" and hides_nothing:
            raise ConfigError(
                "crops that hide nothing have no loss on hidden pixels: set loss on to"
                " 'all', or the unmasked share to 0 and the lowest mask ratio above 0"
            )
        if self.mask_ratio_high == 0 and self.input_noise == "none":
            raise ConfigError(
                "nothing is hidden and no noise is added, so there is nothing to learn:"
                " raise the highest mask ratio, or choose an input noise"
            )
