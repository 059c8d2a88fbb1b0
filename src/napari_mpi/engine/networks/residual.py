"""The trunk of our own network: residual blocks at half resolution, no normalisation.

Cheap by design. All convolutions run on a quarter of the pixels or fewer; nothing ties
a pixel to the statistics of its image, so that brightness and colour survive from the
first pass on; and the output is linear, so that no intensity saturates.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Neighbours(NamedTuple):
    """The planes on either side of the one that is filled, from before to after.

    Parameters
    ----------
    image : Tensor
        Shape (N, P, Y, X), intensities in the units of the plane between them.
    seen : Tensor
        Shape (N, P, Y, X), bool; False where there is no plane, or it is not to be
        looked at: whatever value it holds there, the output is the same.
    """

    image: Tensor
    seen: Tensor


HALF = 2  # pixels of a block that become channels, along each axis


class PlainBlock(nn.Module):
    """Adds to its input what two convolutions make of it; nothing at first."""

    RADIUS: ClassVar[int] = 2  # pixels that a value is carried, at the most

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def add_nothing(self) -> None:
        """Set the last weights to the start."""
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, width, Y, X) to the same shape."""
        added: Tensor = self.second(torch.relu(self.first(x)))
        return x + added


class GatedBlock(nn.Module):
    """Adds what gates let through, first of each pixel's surroundings, then of itself.

    The block of NAFNet (Chen et al. 2022, arXiv 2204.04676) without its attention,
    which would tie a pixel to its whole image. A gate is the product of one half of
    the channels with the other. Adds nothing at first.
    """

    RADIUS: ClassVar[int] = 1

    def __init__(self, width: int) -> None:
        super().__init__()
        self.level = PixelNorm(width)
        self.expand = nn.Conv2d(width, 2 * width, 1)
        self.look = nn.Conv2d(2 * width, 2 * width, 3, padding=1, groups=2 * width)
        self.project = nn.Conv2d(width, width, 1)
        self.level_again = PixelNorm(width)
        self.widen = nn.Conv2d(width, 2 * width, 1)
        self.narrow = nn.Conv2d(width, width, 1)

    def add_nothing(self) -> None:
        """Set the last weights to the start."""
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.narrow.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, width, Y, X) to the same shape."""
        x = x + self.project(_gated(self.look(self.expand(self.level(x)))))
        return x + self.narrow(_gated(self.widen(self.level_again(x))))  # type: ignore[no-any-return]


class PixelNorm(nn.LayerNorm):
    """Brings the features of every pixel, by themselves, to mean 0 and variance 1.

    Without it the products of gates behind gates have no bounds.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, Y, X) to the same shape."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def _gated(x: Tensor) -> Tensor:
    """Multiply one half of the channels by the other."""
    one, other = x.chunk(2, dim=1)
    return one * other


BLOCKS: Mapping[str, type[PlainBlock | GatedBlock]] = {
    "plain": PlainBlock,
    "gated": GatedBlock,
}
"""The kinds of block, by their names in `NetworkConfig`."""


class ResidualTrunk(nn.Module):
    """Maps planes at full resolution to a prediction of every pixel.

    Parameters
    ----------
    planes : int
        Channels of the input, masks included.
    channels : int
        Channels of the output.
    widths : sequence of int
        Feature channels of each resolution, from half the image's downwards.
    blocks : int
        Residual blocks on either way, down and up, of each scale.
    block : str
        Their kind, of `BLOCKS`.
    beside : int
        Neighbouring planes of a stack that it can look at, see `NeighbourStem`.
    """

    def __init__(
        self,
        planes: int,
        channels: int,
        widths: Sequence[int],
        blocks: int,
        block: str,
        beside: int = 0,
    ) -> None:
        super().__init__()
        self.enter = nn.Conv2d(HALF**2 * planes, widths[0], 3, padding=1)
        if beside:
            self.beside = NeighbourStem(planes, beside, widths[0])
        self.scale = ResidualScale(widths, blocks, block)
        self.leave = nn.Conv2d(widths[0], HALF**2 * channels, 3, padding=1)

    def forward(self, x: Tensor, beside: Neighbours | None = None) -> Tensor:
        """Map (N, planes, Y, X) to (N, channels, Y, X), sides divisible by 2."""
        features = self.enter(F.pixel_unshuffle(x, HALF))
        if beside is not None:
            features = features + self.beside(x, beside)
        features = self.scale(features)
        if features.dtype == x.dtype:
            return F.pixel_shuffle(self.leave(features), HALF)
        # In bfloat16, a prediction near 1 would be rounded to steps of 1/256.
        with torch.autocast(x.device.type, enabled=False):
            return F.pixel_shuffle(self.leave(features.to(x.dtype)), HALF)


class NeighbourStem(nn.Module):
    """Makes of neighbouring planes what is added to the features of the middle one.

    It sees all planes at once, so that it can tell what has moved. Where an image has
    no neighbour at all it adds nothing, so the rest of the network fills a single
    plane as it would without; and nothing at first, so that training starts there.

    Parameters
    ----------
    planes : int
        Channels of the middle plane's input, masks included.
    beside : int
        Neighbouring planes.
    width : int
        Feature channels that are added to.
    """

    RADIUS: ClassVar[int] = 4  # of its four convolutions

    def __init__(self, planes: int, beside: int, width: int) -> None:
        super().__init__()
        inside = width + width // 2
        self.enter = nn.Conv2d(HALF**2 * (planes + 2 * beside), inside, 3, padding=1)
        self.block = PlainBlock(inside)
        self.leave = nn.Conv2d(inside, width, 3, padding=1)

    def add_nothing(self) -> None:
        """Set the last weights to the start."""
        self.block.add_nothing()
        nn.init.zeros_(self.leave.weight)

    def forward(self, x: Tensor, beside: Neighbours) -> Tensor:
        """Map (N, planes, Y, X) and its neighbours to (N, width, Y / 2, X / 2)."""
        seen = beside.seen.to(x.dtype)
        planes = torch.cat([x, beside.image * seen, seen], dim=1)
        features = torch.relu(self.enter(F.pixel_unshuffle(planes, HALF)))
        has_any = seen.amax(dim=(1, 2, 3), keepdim=True)
        added: Tensor = self.leave(self.block(features)) * has_any
        return added


class ResidualScale(nn.Module):
    """One resolution of the trunk, holding the next deeper one.

    Parameters
    ----------
    widths : sequence of int
        Feature channels of each scale from this one downwards; the first are those of
        input and output.
    blocks : int
        Residual blocks before and after the deeper scales.
    block : str
        Their kind, of `BLOCKS`.
    """

    def __init__(self, widths: Sequence[int], blocks: int, block: str) -> None:
        super().__init__()
        width, deeper = widths[0], widths[1:]
        self.before = _row(width, blocks, block)
        if deeper:
            self.down = nn.Conv2d(width, deeper[0], HALF, stride=HALF)
            self.deeper = ResidualScale(deeper, blocks, block)
            self.up = nn.ConvTranspose2d(deeper[0], width, HALF, stride=HALF)
            self.after = _row(width, blocks, block)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, width, Y, X) to the same shape; sides divisible often enough."""
        x = self.before(x)
        if not hasattr(self, "deeper"):
            return x
        return self.after(x + self.up(self.deeper(self.down(x))))  # type: ignore[no-any-return]


def _row(width: int, blocks: int, block: str) -> nn.Sequential:
    return nn.Sequential(*(BLOCKS[block](width) for _ in range(blocks)))
