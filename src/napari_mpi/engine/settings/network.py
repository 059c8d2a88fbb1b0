"""Shape of a network; what a weights file must say to be rebuilt."""

from dataclasses import dataclass
from typing import Literal, get_args

from napari_mpi.engine.runtime.errors import ConfigError
from napari_mpi.engine.settings.fields import described, require_choice, require_whole

Architecture = Literal["skip", "residual"]
Block = Literal["plain", "gated"]


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkConfig:
    """Shape of a filling network; what a weights file must say to be rebuilt.

    Parameters
    ----------
    architecture : {'skip', 'residual'}
        'skip' is the encoder-decoder of the paper (supplement, "network"); 'residual'
        our own at half resolution, see `ResidualScale`.
    channels : int
        Image channels in and out.
    mask_channels : int
        Mask planes that the network reads: 1, or one per image channel.
    width : int
        Feature channels of the first scale, 1 to 1024; of every layer, unless
        ``widest`` says more.
    widest : int
        Most feature channels: from ``width`` they double at each coarser scale until
        they are so many, 1024 at most; 0: they do not double. 'skip' has none.
    scales : int
        Number of resolutions, each half of the one before, 1 to 8; the first of
        'residual' is already half of the image's.
    blocks : int
        Residual blocks on either way, down and up, of each scale, 1 to 64; 'skip'
        has none.
    block : {'plain', 'gated'}
        Kind of these blocks, see `PlainBlock` and `GatedBlock`.

    Raises
    ------
    ConfigError
        If a value is outside its range, or ``widest`` is below ``width``.
    """

    architecture: Architecture = "skip"
    channels: int = 3
    mask_channels: int = 3
    width: int = described(
        64, "Width", "feature channels of the first scale", min=1, max=1024
    )
    widest: int = described(
        0, "Widest", "feature channels double at each scale up to here; 0: they do not",
        min=0, max=1024,
    )  # fmt: skip
    scales: int = described(5, "Scales", "number of resolutions", min=1, max=8)
    blocks: int = described(
        1, "Blocks", "residual blocks on either way of each scale", min=1, max=64
    )
    block: Block = described("plain", "Kind of block", "two convolutions, or gates")

    def __post_init__(self) -> None:
        require_choice("architecture", self.architecture, get_args(Architecture))
        require_whole("channels", self.channels, at_least=1, at_most=16)
        require_choice("mask channels", self.mask_channels, (1, self.channels))
        require_whole("width", self.width, at_least=1, at_most=1024)
        require_whole("widest", self.widest, at_least=0, at_most=1024)
        require_whole("scales", self.scales, at_least=1, at_most=8)
        require_whole("blocks", self.blocks, at_least=1, at_most=64)
        require_choice("block", self.block, get_args(Block))
        if 0 < self.widest < self.width:
            raise ConfigError(
                f"widest is {self.widest}, below the width, {self.width}: make it 0,"
                f" or at least {self.width}"
            )

    @property
    def widths(self) -> tuple[int, ...]:
        """Feature channels of each scale, from the finest to the coarsest."""
        widest = self.widest or self.width
        return tuple(min(self.width * 2**n, widest) for n in range(self.scales))
