"""What is compared: images, and variants of the settings by family."""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ablation.loop import Settings
from cases import CHECKPOINTS, CSET, DATA, SIGMA, Case, middle, photograph
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.networks.weights import Weights, random_weights
from napari_mpi.engine.settings.network import NetworkConfig
from napari_mpi.engine.settings.presets import preset
from napari_mpi.engine.settings.recipes import RECIPES

SIDE, SEEDS = 96, (0, 1)
REAL = ("Confocal_FISH_3", "Confocal_MICE_n2f", "Confocal_BPAE_R")
CURVE = (1, 10, 25, 50, 75, 100, 150, 200)
SHORT, BRIEF = (1, 10, 25, 50, 100), (1, 10, 25)
BASE = "base"
RATIOS = (0.1, 0.3, 0.5, 0.7, 0.85, 0.95)
# The best after 50 iterations, so that they are followed to the end.
LEADING = {("paper", ("colour",), 0.5): CURVE, ("paper", ("real",), 0.5): SHORT}
PRETRAINED = (
    "noisy input",
    "clean input",
    "noisy input, all pixels",
)  # of the small networks of family f
# The paper's rate is for a network with batch normalisation (`studies/pretrained`).
OURS_FROM_RANDOM = 1e-3


@dataclass(frozen=True)
class Variant:
    """One line of a family.

    Parameters
    ----------
    family, network, name : str
        Where it is told; the network is 'paper', 'ours' or 'small'.
    groups : tuple of str
        Groups of images: 'colour', 'grey', 'real'.
    read_at : tuple of int
        Iterations to read at.
    changes : tuple of (str, value)
        Settings that differ from the network's own.
    start : {'pre-trained', 'random'} or str
        Or which of the small networks.
    loss_on : {'hidden', 'all'}
        Pixels that the loss is taken on.
    """

    family: str
    network: str
    name: str
    groups: tuple[str, ...]
    read_at: tuple[int, ...]
    changes: tuple[tuple[str, Any], ...] = ()
    start: str = "pre-trained"
    loss_on: str = "hidden"

    def settings(
        self, group: str, seed: int, small: Callable[[str], Weights]
    ) -> Settings:
        """Return the settings of a run; ``small`` gives weights of small networks."""
        weights = self._weights(group, seed, small)
        if self.network == "paper":
            config = preset("real-fast" if group == "real" else "independent-fast")
        else:
            config = preset("blind-full")
        shared = group != "colour" or config.shared_mask
        changes = {"shared_mask": shared, "seed": seed, **dict(self.changes)}
        config = dataclasses.replace(config, **changes)
        return Settings(weights, config, self.read_at, self.loss_on)

    def _weights(
        self, group: str, seed: int, small: Callable[[str], Weights]
    ) -> Weights:
        if self.network == "small":
            return small(self.start)
        if self.start == "random":
            return random_weights(_network(self.network, group), seed=seed)
        return _loaded(self.network, group)


def _network(network: str, group: str) -> NetworkConfig:
    if network == "paper":
        return NetworkConfig(mask_channels=1 if group == "real" else 3)
    return RECIPES["grey"].network


@cache
def _loaded(network: str, group: str) -> Weights:
    if network == "ours":
        return load_weights("auto")
    file = "80_95_singlechannel" if group == "real" else "30_multchannel"
    return load_weights(CHECKPOINTS / f"imgnet_{file}_skip.pth")


def cases(group: str, seed: int, side: int = SIDE) -> Iterator[Case]:
    """Yield three images; synthetic noise (sigma 25) goes by the seed."""
    if group == "real":
        folder = DATA / "fmd"
        for name in REAL:
            noisy, clean = (
                read_image(folder / kind / f"{name}.png").array
                for kind in ("raw", "gt")
            )
            yield middle("real", name, noisy, clean, side)
        return
    for name in CSET:
        case = photograph(name, grey=group == "grey", side=side)
        noise = np.random.default_rng(seed).normal(0, SIGMA, case.clean.shape)
        noisy = (case.clean + noise).astype(np.float32)
        yield dataclasses.replace(case, group=group, noisy=noisy)


def variants() -> list[Variant]:
    """Return all variants, those that answer most first."""
    paper, ours, both = "paper", "ours", ("grey", "real", "colour")
    colour, random = ("colour",), {"start": "random"}
    rate = (("learning_rate", OURS_FROM_RANDOM),)
    fixed = (("learning_rate", 0.0),)
    open_mask, one_mask = (("shared_mask", False),), (("shared_mask", True),)
    return [
        Variant(BASE, paper, BASE, colour, CURVE),
        Variant("loss", paper, "all", colour, CURVE, loss_on="all"),
        Variant("start", paper, "random", colour, CURVE, **random),
        Variant(BASE, ours, BASE, both, SHORT),
        Variant("loss", ours, "all", both, SHORT, loss_on="all"),
        Variant("start", ours, "random", ("grey",), CURVE, rate, **random),
        *(_small(name) for name in PRETRAINED),
        *(_small(name, *fixed) for name in PRETRAINED),
        Variant("adaptation", paper, "none", colour, (1, 10, 50), fixed),
        Variant("adaptation", ours, "none", both, (1, 50), fixed),
        Variant("sharing", paper, "grey, one mask", ("grey",), BRIEF, one_mask),
        Variant("sharing", paper, "grey, a mask each", ("grey",), BRIEF, open_mask),
        Variant("sharing", paper, "colour, one mask", colour, SHORT, one_mask),
        *_ratios(ours, ("grey", "real"), (25, 50)),
        Variant(BASE, paper, BASE, ("real",), SHORT),
        Variant("loss", paper, "all", ("real",), SHORT, loss_on="all"),
        *_ratios(paper, colour, (25, 50)),
        Variant("start", paper, "random", ("real",), SHORT, **random),
        *_ratios(paper, ("real",), (25, 50)),
    ]


def _small(start: str, *changes: tuple[str, Any]) -> Variant:
    name = f"{start}, not adapted" if changes else start
    read_at = (50,) if changes else SHORT
    groups = ("grey", "real")
    return Variant("pre-training", "small", name, groups, read_at, changes, start)


def _ratios(
    network: str, groups: tuple[str, ...], read_at: tuple[int, ...]
) -> list[Variant]:
    """Return a variant for each mask ratio that is not the network's own."""
    own = {"paper": 0.85 if groups == ("real",) else 0.3}.get(network)
    return [
        Variant("ratio", network, f"{r}", groups, at, (("mask_ratio", r),))
        for r in RATIOS
        for at in [LEADING.get((network, groups, r), read_at)]
        if r != own
    ]
