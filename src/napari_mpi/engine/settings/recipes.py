"""Recipes of pre-training: networks and settings by name."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from napari_mpi.engine.settings.fields import (
    require_choice,
)
from napari_mpi.engine.settings.network import NetworkConfig
from napari_mpi.engine.settings.pretraining import PretrainingConfig


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
    architecture="residual",
    channels=1,
    mask_channels=1,
    width=32,
    widest=192,
    scales=4,
    blocks=2,
)
_OUR_PRETRAINING = PretrainingConfig(
    mask_ratio_low=0.0,
    mask_ratio_high=0.7,
    unmasked_share=0.4,
    mask_shapes="mixed",
    input_noise="mixed",
    weak_share=0.35,
    correlated_share=0.18,
    row_share=0.06,
    striped_share=0.08,
    camera_share=0.1,
    digitised_share=0.15,
    untouched_share=0.03,
    empty_share=0.05,
    dimmed_share=0.35,
    grey_from="planes",
    shrunk_share=0.3,
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
        summary="our own network, trained on noisy input",
    ),
}
"""Networks and settings by name."""

DEFAULT_RECIPE = "paper"

NETWORK_SETTINGS = ("width", "widest", "scales", "blocks", "block", "neighbours")
"""Fields of `NetworkConfig` that a recipe lets one change."""


def recipe(name: str, **changes: Any) -> Recipe:
    """Return a recipe with the given settings changed; None leaves one as it is.

    Parameters
    ----------
    name : str
        One of `RECIPES`.
    **changes
        Fields of `PretrainingConfig`, or those of the network in `NETWORK_SETTINGS`.

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
