"""The trunk of the paper's network: an encoder-decoder with skip connections."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_SLOPE = 0.2  # of LeakyReLU, as in the paper's network


class SkipScale(nn.Module):
    """One scale of the paper's network, holding the next deeper one.

    Parameters
    ----------
    channels : int
        Channels of the input.
    width : int
        Feature channels of every layer and of the output.
    scales : int
        Number of scales from this one downwards.
    """

    def __init__(self, channels: int, width: int, scales: int) -> None:
        super().__init__()
        self.skip = _conv_norm(channels, width, kernel=1)
        self.down = _conv_norm(channels, width, kernel=3, stride=2)
        self.refine = _conv_norm(width, width, kernel=3)
        self.deeper = (
            SkipScale(width, width, scales - 1) if scales > 1 else nn.Identity()
        )
        self.merge_norm = nn.BatchNorm2d(2 * width)
        self.merge = _conv_norm(2 * width, width, kernel=3)
        self.mix = _conv_norm(width, width, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, Y, X) to (N, width, Y, X)."""
        skip = self.skip(x)
        deep = self.deeper(self.refine(self.down(x)))
        deep = F.interpolate(deep, scale_factor=2.0, mode="nearest")
        merged = torch.cat([skip, _centre_crop(deep, skip.shape[-2:])], dim=1)
        return self.mix(self.merge(self.merge_norm(merged)))  # type: ignore[no-any-return]


class MirroredConv2d(nn.Conv2d):
    """A convolution with mirrored borders that repeats its gradients on a GPU, too.

    There, PyTorch 2.13 adds up the gradients of mirrored pixels in whatever order they
    come, and no two runs are alike. Parts put side by side are added in one order.
    """

    def _conv_forward(
        self, input: Tensor, weight: Tensor, bias: Tensor | None
    ) -> Tensor:
        if not input.is_cuda or self.padding == (0, 0):
            return super()._conv_forward(input, weight, bias)  # type: ignore[no-any-return]
        rows, columns = (int(pixels) for pixels in self.padding)
        wide = _mirrored(_mirrored(input, 2, rows), 3, columns)
        return F.conv2d(wide, weight, bias, self.stride, 0, self.dilation, self.groups)


def _mirrored(x: Tensor, axis: int, pixels: int) -> Tensor:
    """Mirror an axis outwards; the borders themselves do not come twice."""
    inside = x.shape[axis] - 1 - pixels
    before = x.narrow(axis, 1, pixels).flip(axis)
    return torch.cat([before, x, x.narrow(axis, inside, pixels).flip(axis)], dim=axis)


def _conv_norm(
    channels: int, width: int, *, kernel: int, stride: int = 1
) -> nn.Sequential:
    """Convolution with mirrored borders, batch normalisation, LeakyReLU."""
    return nn.Sequential(
        MirroredConv2d(
            channels, width, kernel, stride, padding=kernel // 2, padding_mode="reflect"
        ),
        nn.BatchNorm2d(width),
        nn.LeakyReLU(_SLOPE, inplace=True),
    )


def _centre_crop(x: Tensor, size: torch.Size) -> Tensor:
    """Crop the last two axes; upsampling gives one pixel too many for odd sizes."""
    top, left = (
        (have - want) // 2 for have, want in zip(x.shape[-2:], size, strict=True)
    )
    return x[..., top : top + size[0], left : left + size[1]]
