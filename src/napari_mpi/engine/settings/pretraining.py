"""Every setting of masked pre-training."""

from dataclasses import dataclass
from typing import Literal, get_args

from napari_mpi.engine.runtime.errors import ConfigError
from napari_mpi.engine.settings.fields import (
    described,
    require_choice,
    require_number,
    require_whole,
)

InputNoise = Literal["none", "gaussian", "poisson-gaussian", "mixed"]
LossOn = Literal["hidden", "all"]
Precision = Literal["auto", "float32", "bfloat16"]


def _words(name: str) -> str:
    return name.replace("_", " ")


@dataclass(frozen=True, kw_only=True, slots=True)
class PretrainingConfig:
    """Settings of masked pre-training (Ma et al. 2024, section 3.1 and supplement).

    The defaults are the paper's for independent noise.

    Parameters
    ----------
    mask_ratio_low, mask_ratio_high : float
        The mask ratio of each crop is drawn evenly between them, 0..1.
    unmasked_share : float
        Share of the crops of which nothing is hidden, 0..1; only with ``loss_on``
        'all'.
    shared_mask : bool
        One mask for all channels instead of one per channel.
    input_noise : {'none', 'gaussian', 'poisson-gaussian', 'mixed'}
        Noise that the input gets and the target does not (the idea of Masked Image
        Training, Chen et al., CVPR 2023); 'mixed' is either, at even odds.
    noise_level : float
        Largest standard deviation of the noise, as a share of the range, 0..1; each
        crop draws its own, see `corruption.corrupt`.
    correlated_share : float
        Share of the crops whose noise is correlated between neighbours, 0..1.
    dimmed_share : float
        Share of the crops that are darkened, as fluorescence images are, 0..1.
    loss_on : {'hidden', 'all'}
        Pixels that the loss is taken on.
    iterations : int
        Optimiser steps.
    batch_size : int
        Crops per step, over all processes.
    crop_size : int
        Side of a crop in pixels.
    learning_rate, final_learning_rate : float
        Start and end of the cosine schedule of AdamW.
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

    mask_ratio_low: float = described(
        0.30, "Lowest mask ratio", "each crop draws its ratio from here", min=0.0,
        max=0.99, step=0.05,
    )  # fmt: skip
    mask_ratio_high: float = described(
        0.30, "Highest mask ratio", "to here", min=0.0, max=0.99, step=0.05
    )
    unmasked_share: float = described(
        0.0, "Unmasked share", "share of crops that hide nothing", min=0.0, max=0.99,
        step=0.05,
    )  # fmt: skip
    shared_mask: bool = described(
        False, "Shared mask", "hide the same pixels in every colour channel"
    )
    input_noise: InputNoise = described(
        "none", "Input noise", "noise that the input gets and the target does not"
    )
    noise_level: float = described(
        0.25, "Noise level", "largest noise, as a share of the range", min=0.01,
        max=0.99, step=0.01,
    )  # fmt: skip
    correlated_share: float = described(
        0.0, "Correlated share", "share of crops whose noise is correlated", min=0.0,
        max=1.0, step=0.05,
    )  # fmt: skip
    dimmed_share: float = described(
        0.0, "Dimmed share", "share of crops that are darkened", min=0.0, max=1.0,
        step=0.05,
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
        1e-5, "Final learning rate", "at the end of the cosine", min=1e-8, max=1.0,
        step=1e-5,
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
        for name in ("mask_ratio_low", "mask_ratio_high", "unmasked_share"):
            require_number(_words(name), getattr(self, name), above=None, below=1)
        for name in ("correlated_share", "dimmed_share"):
            require_number(_words(name), getattr(self, name), above=None, below=1.001)
        require_number("noise level", self.noise_level, above=0, below=1)
        for name in ("learning_rate", "final_learning_rate"):
            require_number(_words(name), getattr(self, name), above=0, below=10)
        require_number("gradient clip", self.gradient_clip, above=0, below=1e9)
        for name in ("beta1", "beta2", "ema_decay"):
            require_number(_words(name), getattr(self, name), above=None, below=1)
        require_choice("shared mask", self.shared_mask, (True, False))
        require_choice("input noise", self.input_noise, get_args(InputNoise))
        require_choice("loss on", self.loss_on, get_args(LossOn))
        require_choice("precision", self.precision, get_args(Precision))
        require_whole("iterations", self.iterations, at_least=1)
        require_whole("batch size", self.batch_size, at_least=1, at_most=4096)
        require_whole("crop size", self.crop_size, at_least=16, at_most=1024)
        require_whole("warmup", self.warmup, at_least=0)
        require_whole("seed", self.seed, at_least=0, at_most=2**63 - 1)
        self._require_something_to_learn()

    def _require_something_to_learn(self) -> None:
        if self.mask_ratio_low > self.mask_ratio_high:
            raise ConfigError(
                f"the lowest mask ratio, {self.mask_ratio_low}, is above the highest,"
                f" {self.mask_ratio_high}: exchange them"
            )
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
