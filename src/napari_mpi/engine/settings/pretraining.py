"""Every setting of masked pre-training."""

from dataclasses import dataclass
from typing import Literal

from napari_mpi.engine.runtime.errors import ConfigError
from napari_mpi.engine.settings.corruption import CorruptionConfig
from napari_mpi.engine.settings.fields import (
    Limits,
    require_number,
    setting,
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

    grey_from: GreyFrom = setting(
        "luma", "Grey from", "what a grey network gets of a colour image"
    )
    shrunk_share: float = setting(
        0.0, "Shrunk share", "share of crops at half the image's size", low=0,
        high=1, step=0.05,
    )  # fmt: skip
    loss_on: LossOn = setting("hidden", "Loss on", "pixels that the loss is taken on")
    iterations: int = setting(
        80_000, "Iterations", "optimiser steps", low=1, high=10_000_000
    )
    batch_size: int = setting(
        64, "Batch size", "crops per step, over all processes", low=1, high=4096
    )
    crop_size: int = setting(
        256, "Crop size", "side of a crop in pixels", low=16, high=1024
    )
    learning_rate: float = setting(
        2e-3, "Learning rate", "of AdamW, at the start", above=0, below=10, step=1e-5
    )
    final_learning_rate: float = setting(
        1e-5, "Final learning rate", "at the end of cosine or cool-down", above=0,
        below=10, step=1e-5,
    )  # fmt: skip
    schedule: Schedule = setting(
        "cosine", "Schedule", "of the learning rate; constant: it can be prolonged"
    )
    cooldown: int = setting(
        0, "Cool-down", "last steps, over which a constant learning rate falls", low=0,
        high=10_000_000,
    )  # fmt: skip
    warmup: int = setting(
        0, "Warm-up", "steps over which the learning rate rises", low=0, high=100_000
    )
    beta1: float = setting(0.9, "Beta 1", "of AdamW", low=0, below=1, step=0.001)
    beta2: float = setting(0.9, "Beta 2", "of AdamW", low=0, below=1, step=0.001)
    gradient_clip: float = setting(
        0.01, "Gradient clip", "largest norm of the gradient", above=0, high=1e4,
        step=0.01,
    )  # fmt: skip
    ema_decay: float = setting(
        0.0, "EMA decay", "of the averaged weights; 0 keeps the last", low=0,
        below=1, step=0.001,
    )  # fmt: skip
    precision: Precision = setting("auto", "Precision", "of the convolutions")
    seed: int = setting(
        0, "Seed", "of weights, crops, noise and masks", low=0, high=2**63 - 1
    )

    def __post_init__(self) -> None:
        CorruptionConfig.__post_init__(self)  # super() does not know slots
        cooldown = Limits(low=0, high=self.iterations)
        require_number("cool-down", self.cooldown, cooldown, whole=True)
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
