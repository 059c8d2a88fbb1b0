"""Networks that fill hidden pixels; what they are told of a hidden pixel is nothing."""

import torch
from torch import Tensor, nn

from napari_mpi.engine.networks.residual import (
    BLOCKS,
    GatedBlock,
    Neighbours,
    NeighbourStem,
    PlainBlock,
    ResidualTrunk,
)
from napari_mpi.engine.networks.skip import _SLOPE, SkipScale
from napari_mpi.engine.runtime.errors import ConfigError
from napari_mpi.engine.settings.network import NetworkConfig


class FillingNetwork(nn.Module):
    """Predicts every pixel of an image from those that are not hidden.

    The network hides the pixels itself: whatever value a hidden pixel holds, the
    output is the same. An image whose sides the network cannot halve often enough is
    mirrored outwards, its mask with it, and cropped again.

    Parameters
    ----------
    config : NetworkConfig
        Architecture and size; the weights start at random, see `initialise`.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        planes = config.channels + config.mask_channels
        if config.architecture == "skip":
            self.trunk: nn.Module = SkipScale(planes, config.width, config.scales)
            self.head: nn.Module = nn.Conv2d(config.width, config.channels, 1)
        else:
            self.trunk = ResidualTrunk(
                planes,
                config.channels,
                config.widths,
                config.blocks,
                config.block,
                config.planes_beside,
            )
            self.head = nn.Identity()

    @property
    def has_bounded_output(self) -> bool:
        """Whether predictions end at 0 and 1 (by a sigmoid)."""
        return self.config.architecture == "skip"

    @property
    def step(self) -> int:
        """Pixels by which an image must be shifted to be filled alike: its blocks'."""
        return int(2**self.config.scales)

    @property
    def reach(self) -> int:
        """How many pixels away a value can change a prediction, at the most.

        Batch normalisation, which the paper's network has, ties every pixel to the
        whole image besides.
        """
        return _reach_of(self.config)

    def side_to_fill(self, side: int) -> int:
        """Return to how many pixels a side is mirrored outwards, if it must be."""
        halvings: int = 2**self.config.scales
        if self.config.architecture == "skip":  # whose deepest scale keeps two
            return max(side, halvings + 1)
        return -(-side // halvings) * halvings

    def forward(
        self, image: Tensor, masked: Tensor, beside: Neighbours | None = None
    ) -> Tensor:
        """Fill the image.

        Parameters
        ----------
        image : Tensor
            Shape (N, C, Y, X), float32 or float64, intensities about 0..1.
        masked : Tensor
            Shape (N, C, Y, X) or (N, 1, Y, X), bool; True = hidden.
        beside : Neighbours, optional
            Neighbouring planes of a stack; none are looked at if None.

        Returns
        -------
        Tensor
            Shape (N, C, Y, X), of the image's type, the prediction for every pixel;
            0..1 where `has_bounded_output`.

        Raises
        ------
        ConfigError
            If the channels of image or mask, or the neighbours, do not fit the network.
        """
        self._check_channels(image, masked)
        self._check_neighbours(beside)
        height, width = image.shape[-2:]
        image, masked = self._mirrored(image), self._mirrored(masked)
        kept = (~masked).to(image.dtype)  # the authors' planes: 1 = kept
        planes = kept.expand(-1, self.config.mask_channels, -1, -1)
        features = self._features(torch.cat([image * kept, planes], dim=1), beside)
        filled: Tensor = self.head(features)[..., :height, :width].to(image.dtype)
        return torch.sigmoid(filled) if self.has_bounded_output else filled

    def _features(self, planes: Tensor, beside: Neighbours | None) -> Tensor:
        if beside is None:
            return self.trunk(planes)  # type: ignore[no-any-return]
        around = Neighbours(self._mirrored(beside.image), self._mirrored(beside.seen))
        return self.trunk(planes, around)  # type: ignore[no-any-return]

    def _check_neighbours(self, beside: Neighbours | None) -> None:
        if beside is not None and beside.image.shape[1] != self.config.planes_beside:
            raise ConfigError(
                f"{beside.image.shape[1]} neighbouring planes are given, but the"
                f" network looks at {self.config.planes_beside}: use other weights"
            )

    def _check_channels(self, image: Tensor, masked: Tensor) -> None:
        channels, planes = self.config.channels, self.config.mask_channels
        if image.shape[1] != channels:
            raise ConfigError(
                f"the image has {image.shape[1]} channels but the network fills"
                f" {channels}: give {channels}, or other weights"
            )
        if masked.shape[1] not in (1, planes):
            raise ConfigError(
                f"the mask has {masked.shape[1]} channels but the network reads"
                f" {planes}: use one mask for all channels, or other weights"
            )

    def _mirrored(self, planes: Tensor) -> Tensor:
        """Mirror images outwards where needed; a hidden pixel's copies are hidden."""
        for axis in (-2, -1):
            side = planes.shape[axis]
            wanted = self.side_to_fill(side)
            if wanted > side:
                steps = torch.arange(wanted, device=planes.device) % (2 * side)
                inside = torch.where(steps < side, steps, 2 * side - 1 - steps)
                planes = planes.index_select(axis, inside)
        return planes


def _reach_of(config: NetworkConfig) -> int:
    """Add up the radius of every 3 x 3 convolution along the deepest way."""
    steps = [int(2**scale) for scale in range(1, config.scales + 1)]  # pixels, by scale
    if config.architecture == "skip":
        # Down: a stride of two, a convolution; up: one, on the next finer grid.
        ways = sum(step // 2 + step + step // 2 for step in steps)
        return ways + steps[-1] - 1
    radius = BLOCKS[config.block].RADIUS * config.blocks
    ways = sum(2 * radius * step for step in steps)
    ways -= radius * steps[-1]  # the deepest scale goes one way only
    edges = 2 + (NeighbourStem.RADIUS - 1 if config.neighbours else 0)
    return ways + edges * steps[0] + steps[-1] - 1


def initialise(network: FillingNetwork, *, rng: torch.Generator) -> None:
    """Set all weights to a fresh start, drawn from ``rng`` alone.

    Convolutions get He's uniform distribution for a LeakyReLU, biases and batch
    statistics their neutral values; a residual block, or the last layer after them,
    starts by adding nothing. The network must be on the device of ``rng``.
    """
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.kaiming_uniform_(module.weight, a=_SLOPE, generator=rng)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, (nn.BatchNorm2d, nn.LayerNorm)):
            module.reset_parameters()  # ones and zeros, nothing random
    for module in network.modules():
        if isinstance(module, (PlainBlock, GatedBlock, NeighbourStem)):
            module.add_nothing()
        elif isinstance(module, ResidualTrunk):
            nn.init.zeros_(module.leave.weight)  # no large first predictions
