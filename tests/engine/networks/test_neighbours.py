"""A network that looks at neighbouring planes, and grows from one that does not."""

import dataclasses

import pytest
import torch

from napari_mpi.engine.networks.residual import Neighbours
from napari_mpi.engine.networks.weights import random_weights
from napari_mpi.engine.pretraining.state import start_pretraining
from napari_mpi.engine.runtime.errors import ConfigError
from napari_mpi.engine.settings.network import NetworkConfig
from napari_mpi.engine.settings.pretraining import PretrainingConfig

ALONE = NetworkConfig(
    architecture="residual", channels=1, mask_channels=1, width=4, scales=2
)
BESIDE = dataclasses.replace(ALONE, neighbours=2)


def stirred(config):
    """Return a network none of whose layers adds nothing."""
    network = random_weights(config).to_network()
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in network.parameters():
            weight.normal_(0, 0.2, generator=rng)
    return network.eval()


def stack(seed=0, side=(18, 23)):
    rng = torch.Generator().manual_seed(seed)
    image = torch.rand(2, 1, *side, generator=rng)
    masked = torch.rand(2, 1, *side, generator=rng) < 0.3
    planes = torch.rand(2, 4, *side, generator=rng)
    seen = torch.rand(2, 4, *side, generator=rng) < 0.8
    return image, masked, Neighbours(planes, seen)


@torch.no_grad()
def test_neighbours_are_used():
    network, (image, masked, beside) = stirred(BESIDE), stack()
    other = Neighbours(beside.image + 1, beside.seen)
    assert not torch.equal(network(image, masked, beside), network(image, masked))
    changed = network(image, masked, other) - network(image, masked, beside)
    assert changed.abs().max() > 1e-3


@torch.no_grad()
def test_a_neighbour_is_not_looked_at_where_it_is_not_seen():
    network, (image, masked, beside) = stirred(BESIDE), stack()
    beyond = torch.where(beside.seen, beside.image, 1e3)
    expected = network(image, masked, beside)
    told = network(image, masked, Neighbours(beyond, beside.seen))
    torch.testing.assert_close(told, expected)


@torch.no_grad()
def test_without_any_neighbour_it_fills_as_if_it_could_have_none():
    network, (image, masked, beside) = stirred(BESIDE), stack()
    unseen = Neighbours(beside.image, torch.zeros_like(beside.seen))
    told = network(image, masked, unseen)
    torch.testing.assert_close(told, network(image, masked))


@torch.no_grad()
def test_it_starts_as_the_network_that_it_grew_from():
    small = random_weights(ALONE, seed=3)
    config = PretrainingConfig(iterations=1)
    grown = start_pretraining(BESIDE, config, start=small).network.eval()
    image, masked, beside = stack()
    expected = small.to_network().eval()(image, masked)
    torch.testing.assert_close(grown(image, masked, beside), expected)


@torch.no_grad()
def test_a_value_beside_changes_no_prediction_beyond_the_reach():
    network = stirred(BESIDE).double()
    side = 2 * network.reach + 9
    image, planes = torch.zeros(2, 1, 1, side), torch.zeros(1, 4, 1, side)
    image = image[:1].expand(1, 1, side, side).double()
    planes = planes.expand(1, 4, side, side).double().contiguous()
    seen, masked = torch.ones_like(planes).bool(), torch.zeros_like(image).bool()
    before = network(image, masked, Neighbours(planes, seen))
    planes[..., side // 2, side // 2] = 5
    changed = (network(image, masked, Neighbours(planes, seen)) != before)[0, 0]
    rows, columns = changed.nonzero().T
    assert max((rows - side // 2).abs().max(), (columns - side // 2).abs().max()) > 4
    assert (rows - side // 2).abs().max() <= network.reach
    assert (columns - side // 2).abs().max() <= network.reach


def test_planes_that_do_not_fit_are_refused():
    image, masked, beside = stack()
    with pytest.raises(ConfigError, match="4 neighbouring planes are given, but"):
        stirred(ALONE)(image, masked, beside)


@pytest.mark.parametrize("changes", [{"architecture": "skip"}, {"channels": 3}])
def test_other_networks_cannot_have_neighbours(changes):
    with pytest.raises(ConfigError, match="neighbours is 2, but only"):
        dataclasses.replace(BESIDE, **changes)
