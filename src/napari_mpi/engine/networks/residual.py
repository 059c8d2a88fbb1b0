"""The trunk of our own network: residual blocks at half resolution, no normalisation.

Cheap by design. All convolutions run on a quarter of the pixels or fewer; nothing ties
a pixel to the statistics of its image, so that brightness and colour survive from the
first pass on; and the output is linear, so that no intensity saturates.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HALF = 2  # pixels of a block that become channels, along each axis


class ResidualTrunk(nn.Module):
    """Maps planes at full resolution to a prediction of every pixel.

    Parameters
    ----------
    planes : int
        Channels of the input, masks included.
    channels : int
        Channels of the output.
    width : int
        Feature channels of every layer.
    scales : int
        Number of resolutions from half the image's downwards.
    blocks : int
        Residual blocks on either way, down and up, of each scale.
    """

    def __init__(
        self, planes: int, channels: int, width: int, scales: int, blocks: int
    ) -> None:
        super().__init__()
        self.enter = nn.Conv2d(HALF**2 * planes, width, 3, padding=1)
        self.scale = ResidualScale(width, scales, blocks)
        self.leave = nn.Conv2d(width, HALF**2 * channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, planes, Y, X) to (N, channels, Y, X), sides divisible by 2."""
        features = self.scale(self.enter(F.pixel_unshuffle(x, HALF)))
        if features.dtype == x.dtype:
            return F.pixel_shuffle(self.leave(features), HALF)
        # In bfloat16, a prediction near 1 would be rounded to steps of 1/256.
        with torch.autocast(x.device.type, enabled=False):
            return F.pixel_shuffle(self.leave(features.to(x.dtype)), HALF)


class ResidualScale(nn.Module):
    """One resolution of the trunk, holding the next deeper one.

    Parameters
    ----------
    width : int
        Feature channels of input and output.
    scales : int
        Number of scales from this one downwards.
    blocks : int
        Residual blocks before and after the deeper scales.
    """

    def __init__(self, width: int, scales: int, blocks: int) -> None:
        super().__init__()
        self.before = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))
        if scales > 1:
            self.down = nn.Conv2d(width, width, HALF, stride=HALF)
            self.deeper = ResidualScale(width, scales - 1, blocks)
            self.up = nn.ConvTranspose2d(width, width, HALF, stride=HALF)
            self.after = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, width, Y, X) to the same shape; sides divisible often enough."""
        x = self.before(x)
        if not hasattr(self, "deeper"):
            return x
        return self.after(x + self.up(self.deeper(self.down(x))))  # type: ignore[no-any-return]


class ResidualBlock(nn.Module):
    """Adds to its input what two convolutions make of it; nothing at first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, width, Y, X) to the same shape."""
        added: Tensor = self.second(torch.relu(self.first(x)))
        return x + added
