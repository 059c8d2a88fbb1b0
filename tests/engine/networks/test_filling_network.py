"""The blind spot: what the network is told of a hidden pixel is nothing."""

import pytest
import torch

from napari_mpi.engine.filling.masks import random_mask
from napari_mpi.engine.networks.filling_network import FillingNetwork
from napari_mpi.engine.networks.residual import BLOCKS, GatedBlock, PlainBlock
from napari_mpi.engine.networks.weights import random_weights
from napari_mpi.engine.runtime.errors import ConfigError
from napari_mpi.engine.settings.network import NetworkConfig


def make_network(*, architecture="skip", scales=2, **changes):
    config = NetworkConfig(architecture=architecture, width=8, scales=scales, **changes)
    network = random_weights(config, seed=1).to_network()
    if architecture == "residual":  # whose last layer starts at zero
        rng = torch.Generator().manual_seed(2)
        for parameter in network.parameters():
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=rng)
    return network


KINDS = [
    {"architecture": "skip"},
    {"architecture": "residual"},
    {"architecture": "residual", "scales": 3, "widest": 16, "block": "plain"},
    {"architecture": "residual", "scales": 3, "widest": 16, "block": "gated"},
]


def noisy_image(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def mask_of(shape, ratio=0.3):
    return random_mask(shape, ratio, rng=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("planes", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_a_hidden_pixel_changes_no_prediction(kind, planes, train):
    network = make_network(**kind, mask_channels=planes)
    network.train(train)
    image, masked = noisy_image(1, 3, 40, 36), mask_of((1, planes, 40, 36))
    changed = torch.where(masked, image + 5, image)
    with torch.no_grad():
        torch.testing.assert_close(
            network(image, masked), network(changed, masked), rtol=0, atol=0
        )


def test_a_visible_pixel_changes_its_surroundings():
    network = make_network().eval()
    image, masked = noisy_image(1, 3, 40, 36), mask_of((1, 3, 40, 36))
    changed = torch.where(masked, image, image + 5)
    with torch.no_grad():
        assert (network(image, masked) - network(changed, masked)).abs().max() > 0.01


def test_a_shared_mask_serves_a_network_of_three_mask_planes():
    network = make_network(mask_channels=3).eval()
    image, masked = noisy_image(1, 3, 40, 36), mask_of((1, 1, 40, 36))
    with torch.no_grad():
        one = network(image, masked)
        three = network(image, masked.expand(1, 3, 40, 36))
    torch.testing.assert_close(one, three, rtol=0, atol=0)


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (2, 3), (5, 64), (33, 32)])
def test_small_images_are_filled_without_showing_hidden_pixels(size):
    network = make_network(scales=5).train()
    image, masked = noisy_image(1, 3, *size), mask_of((1, 1, *size), 0.5)
    masked[..., 0, 0] = True
    changed = torch.where(masked, image + 5, image)
    with torch.no_grad():
        filled = network(image, masked)
        assert filled.shape == image.shape
        torch.testing.assert_close(filled, network(changed, masked), rtol=0, atol=0)


@pytest.mark.parametrize("size", [(64, 64), (53, 75)])
def test_output_has_the_size_of_the_input_and_lies_in_the_networks_range(size):
    network = make_network(scales=5)
    filled = network(noisy_image(2, 3, *size), mask_of((2, 3, *size)))
    assert filled.shape == (2, 3, *size)
    assert 0 <= filled.min() < filled.max() <= 1


def test_channels_that_do_not_fit_are_named():
    network = make_network(mask_channels=1)
    with pytest.raises(ConfigError, match=r"image has 1 channels but .* fills 3"):
        network(noisy_image(1, 1, 40, 40), mask_of((1, 1, 40, 40)))
    with pytest.raises(ConfigError, match=r"mask has 3 channels but .* reads 1"):
        network(noisy_image(1, 3, 40, 40), mask_of((1, 3, 40, 40)))


def test_the_papers_network_has_as_many_parameters_as_published():
    with torch.device("meta"):
        network = FillingNetwork(NetworkConfig())
    assert sum(parameter.numel() for parameter in network.parameters()) == 747_395


def test_a_mask_hides_the_share_that_was_asked_for_and_repeats_with_its_seed():
    masked = mask_of((4, 3, 128, 128), 0.85)
    assert masked.dtype == torch.bool
    assert masked.float().mean().item() == pytest.approx(0.85, abs=0.005)
    assert torch.equal(masked, mask_of((4, 3, 128, 128), 0.85))


def make_residual(**changes):
    return make_network(architecture="residual", scales=3, **changes)


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (2, 3), (5, 64), (33, 32), (64, 64)])
def test_the_residual_network_takes_any_size_and_hides_mirrored_copies(size):
    network = make_residual(channels=1, mask_channels=1)
    image, masked = noisy_image(1, 1, *size), mask_of((1, 1, *size), 0.5)
    with torch.no_grad():
        filled = network(image, masked)
        assert filled.shape == image.shape
        changed = torch.where(masked, image + 5, image)
        torch.testing.assert_close(filled, network(changed, masked), rtol=0, atol=0)


def test_the_residual_network_is_not_bounded():
    network = make_residual()
    image = 40 * noisy_image(1, 3, 32, 32)
    filled = network(image, mask_of((1, 3, 32, 32)))
    assert not network.has_bounded_output
    assert filled.max() > 1 or filled.min() < 0


def test_an_images_brightness_far_away_changes_no_prediction_here():
    """Nothing ties a pixel to the statistics of its image, unlike batch statistics."""
    image, masked = noisy_image(1, 3, 256, 32), mask_of((1, 3, 256, 32))
    brighter = image.clone()
    brighter[..., 200:, :] += 3
    differences = []
    for kind in KINDS:
        network = make_network(**kind).train()
        with torch.no_grad():
            change = network(image, masked) - network(brighter, masked)
        differences.append(float(change[..., :64, :].abs().max()))
    assert differences[0] > 1e-3  # the paper's
    assert differences[1:] == [0, 0, 0]


@pytest.mark.parametrize("block", ["plain", "gated"])
def test_an_untrained_residual_network_predicts_nothing_yet(block):
    config = NetworkConfig(architecture="residual", width=8, scales=3, block=block)
    network = random_weights(config, seed=1).to_network()
    filled = network(noisy_image(1, 3, 32, 32), mask_of((1, 3, 32, 32)))
    assert (filled == 0).all()


@pytest.mark.parametrize("kind", [PlainBlock, GatedBlock])
def test_a_block_starts_by_adding_nothing_and_can_learn(kind):
    network = random_weights(
        NetworkConfig(architecture="residual", width=8, block=name_of(kind))
    ).to_network()
    block = network.trunk.scale.before[0]
    features = noisy_image(2, 8, 16, 16)
    assert isinstance(block, kind)
    assert torch.equal(block(features), features)
    block(features).square().mean().backward()
    assert any(weight.grad.abs().max() > 0 for weight in block.parameters())


def name_of(kind):
    return next(name for name, block in BLOCKS.items() if block is kind)


@pytest.mark.parametrize("blocks", [1, 2])
@pytest.mark.parametrize("block", ["plain", "gated"])
def test_a_value_reaches_as_far_as_it_says_and_no_farther(block, blocks):
    kind = {"widest": 16, "block": block, "blocks": blocks}
    network = make_network(architecture="residual", **kind, channels=1, mask_channels=1)
    network = network.double()  # what is carried far is faint
    side = 3 * network.reach // network.step * network.step
    image = noisy_image(1, 1, side, 8).double()
    shown = torch.zeros(image.shape, dtype=torch.bool)
    farthest = 0
    with torch.no_grad():
        before = network(image, shown)
        for row in range(side // 2, side // 2 + network.step):
            changed = image.clone()
            changed[..., row, :] += 1
            moved = (network(changed, shown) != before).any(-1).flatten().nonzero()
            farthest = max(farthest, int((moved - row).abs().max()))
    assert network.reach - network.step < farthest <= network.reach


def test_widths_double_towards_the_coarser_scales():
    config = NetworkConfig(architecture="residual", width=48, scales=4, widest=192)
    assert config.widths == (48, 96, 192, 192)
    assert NetworkConfig(width=48, scales=3).widths == (48, 48, 48)
    scale, found = FillingNetwork(config).trunk.scale, []
    while scale is not None:
        found.append(scale.before[0].first.weight.shape[0])
        scale = getattr(scale, "deeper", None)
    assert tuple(found) == config.widths
