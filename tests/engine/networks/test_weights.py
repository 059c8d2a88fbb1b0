"""Weights in memory: random starts, and networks made of them."""

import numpy as np
import torch

from napari_mpi.engine.networks.loading import (
    load_weights,
)
from napari_mpi.engine.networks.weights import random_weights
from napari_mpi.engine.settings.network import NetworkConfig

SMALL = NetworkConfig(width=8, scales=2)


def same_state(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def output_of(weights):
    """Return what the network makes of a fixed image and mask, in train mode."""
    rng = torch.Generator().manual_seed(5)
    image = torch.rand((1, 3, 16, 16), generator=rng)
    masked = torch.rand((1, 1, 16, 16), generator=rng) < 0.3
    with torch.no_grad():
        return weights.to_network()(image, masked)


def test_network_is_trainable_and_leaves_the_weights_alone(small_weights):
    before = {name: value.clone() for name, value in small_weights.state.items()}
    network = small_weights.to_network()
    assert all(parameter.requires_grad for parameter in network.parameters())
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    network(torch.rand(1, 3, 16, 16), torch.zeros(1, 1, 16, 16, dtype=torch.bool))
    same_state(small_weights.state, before)


def test_same_seed_gives_the_same_weights_and_another_others():
    same_state(random_weights(SMALL, seed=7).state, random_weights(SMALL, seed=7).state)
    one, other = random_weights(SMALL, seed=7), random_weights(SMALL, seed=8)
    assert not torch.equal(output_of(one), output_of(other))


def test_random_start_is_loaded_by_name_with_its_seed():
    loaded = load_weights("none", seed=7)
    same_state(loaded.state, random_weights(seed=7).state)
    assert loaded.name == "none"
    assert loaded.network == NetworkConfig()
    assert loaded.provenance["seed"] == 7


def test_random_numbers_of_others_are_left_alone(small_weights):
    torch.manual_seed(11)
    before = torch.get_rng_state()
    random_weights(SMALL, seed=7).to_network()
    small_weights.to_network()
    assert torch.equal(torch.get_rng_state(), before)


def test_random_weights_do_not_depend_on_the_global_seed():
    torch.manual_seed(1)
    one = random_weights(SMALL, seed=7)
    torch.manual_seed(2)
    same_state(one.state, random_weights(SMALL, seed=7).state)


def test_state_of_random_weights_is_finite():
    for name, value in random_weights(SMALL, seed=0).state.items():
        assert np.isfinite(value.numpy()).all(), name
