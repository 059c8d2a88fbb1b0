"""Every setting of masked pre-training, torch-free, and the recipes made of them."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, get_args

from napari_mpi.engine.checks import require_choice, require_number, require_whole
from napari_mpi.engine.config import NetworkConfig, described
from napari_mpi.engine.errors import ConfigError

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """What `pretrain` is given, under one name.

    Parameters
    ----------
    network : NetworkConfig
        The network.
    pretraining : PretrainingConfig
        Its pre-training.
    summary : str
        One line for menus.
    """

    network: NetworkConfig
    pretraining: PretrainingConfig
    summary: str


_OUR_NETWORK = NetworkConfig(
    architecture="residual", channels=1, mask_channels=1, width=48, scales=4, blocks=1
)
_OUR_PRETRAINING = PretrainingConfig(
    mask_ratio_low=0.0,
    mask_ratio_high=0.7,
    unmasked_share=0.4,
    input_noise="mixed",
    correlated_share=0.25,
    dimmed_share=0.5,
    loss_on="all",
    iterations=14_000,
    batch_size=16,
    crop_size=128,
    learning_rate=1e-3,
    warmup=100,
    beta2=0.99,
    gradient_clip=5.0,
    ema_decay=0.999,
)
_PAPER = PretrainingConfig()

RECIPES = {
    "paper": Recipe(
        network=NetworkConfig(),
        pretraining=_PAPER,
        summary="the paper's, for independent noise: 30 % hidden per channel",
    ),
    "paper-shared": Recipe(
        network=NetworkConfig(mask_channels=1),
        pretraining=dataclasses.replace(
            _PAPER, mask_ratio_low=0.80, mask_ratio_high=0.95, shared_mask=True
        ),
        summary="the paper's, for real noise: 80-95 % hidden, one mask",
    ),
    "grey": Recipe(
        network=_OUR_NETWORK,
        pretraining=_OUR_PRETRAINING,
        summary="our own network for grey images, trained on noisy input",
    ),
    "colour": Recipe(
        network=dataclasses.replace(_OUR_NETWORK, channels=3, mask_channels=3),
        pretraining=_OUR_PRETRAINING,
        summary="our own network for colour images, trained on noisy input",
    ),
}
"""Networks and settings by name."""

DEFAULT_RECIPE = "paper"

NETWORK_SETTINGS = ("width", "scales", "blocks")
"""Fields of `NetworkConfig` that a recipe lets one change."""


def recipe(name: str, **changes: Any) -> Recipe:
    """Return a recipe with the given settings changed; None leaves one as it is.

    Parameters
    ----------
    name : str
        One of `RECIPES`.
    **changes
        Fields of `PretrainingConfig`, or ``width``, ``scales`` and ``blocks`` of the
        network.

    Raises
    ------
    ConfigError
        If there is no such recipe or setting, or a value is outside its range.
    """
    require_choice("recipe", name, tuple(RECIPES))
    given = {key: value for key, value in changes.items() if value is not None}
    ours = RECIPES[name]
    known = {field.name for field in dataclasses.fields(PretrainingConfig)}
    for key in given:
        require_choice("setting", key, (*sorted(known), *NETWORK_SETTINGS))
    network = {key: given.pop(key) for key in NETWORK_SETTINGS if key in given}
    return Recipe(
        network=dataclasses.replace(ours.network, **network),
        pretraining=dataclasses.replace(ours.pretraining, **given),
        summary=ours.summary,
    )
