"""A network's weights, with all that is needed to use and to cite them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_mpi.engine.networks.catalogue import RANDOM_START
from napari_mpi.engine.networks.filling_network import FillingNetwork, initialise
from napari_mpi.engine.runtime.errors import WeightsError
from napari_mpi.engine.settings.network import NetworkConfig


@dataclass(frozen=True, slots=True)
class Weights:
    """A network's weights with all that is needed to use and to cite them.

    Parameters
    ----------
    name : str
        What menus and provenance call them.
    network : NetworkConfig
        The network that they belong to.
    state : mapping of str to Tensor
        The network's state dict, on the CPU.
    provenance : mapping
        JSON values: masks seen, pre-training, source, licence.
    sha256 : str
        Of the file they came from; empty for a random start.
    """

    name: str
    network: NetworkConfig
    state: Mapping[str, Tensor] = field(repr=False)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""

    def to_network(self, device: torch.device | str = "cpu") -> FillingNetwork:
        """Build a network of its own from copies of the weights, on the device."""
        network = _skeleton(self.network)
        copies = {name: value.clone() for name, value in self.state.items()}
        network.load_state_dict(copies, assign=True)
        return network.requires_grad_(True).to(device)


def random_weights(network: NetworkConfig | None = None, *, seed: int = 0) -> Weights:
    """Return weights that know nothing, drawn from the seed; slower, and less sharp."""
    network = network or NetworkConfig()
    blank = _skeleton(network).to_empty(device="cpu")
    initialise(blank, rng=torch.Generator().manual_seed(seed))
    return Weights(
        RANDOM_START, network, blank.state_dict(), {"pretraining": "none", "seed": seed}
    )


_LARGEST = 1e12  # of a weight, a mean or a variance


def require_fit(
    path: Path, network: NetworkConfig, state: Mapping[str, Tensor]
) -> None:
    """Raise unless names, shapes, types and values are those of the network."""
    expected = _skeleton(network).state_dict()
    odd = sorted(expected.keys() ^ state.keys())
    if odd:
        where = "lacks" if odd[0] in expected else "has an unknown"
        raise WeightsError(
            f"{path} does not fit the network: it {where} entry {odd[0]!r}"
        )
    for name, blank in expected.items():
        value = state[name]
        if value.is_nested or value.is_meta or value.layout != torch.strided:
            raise WeightsError(
                f"{path} is unusable: entry {name!r} is no plain table of numbers"
            )
        if value.shape != blank.shape or value.dtype != blank.dtype:
            raise WeightsError(
                f"{path} does not fit the network: entry {name!r} is {value.dtype}"
                f" {tuple(value.shape)}, expected {blank.dtype} {tuple(blank.shape)}"
            )
        if not torch.isfinite(value).all():
            raise WeightsError(
                f"{path} is unusable: entry {name!r} holds values that are not finite"
            )
        if value.numel() and value.abs().max() > _LARGEST:
            raise WeightsError(
                f"{path} is unusable: entry {name!r} holds values beyond {_LARGEST:g},"
                " which no training leads to"
            )


def _skeleton(network: NetworkConfig) -> FillingNetwork:
    """Build the network without memory, and without touching the global generator."""
    with torch.device("meta"):
        return FillingNetwork(network)
