"""Shape of a network; what a weights file must say to be rebuilt."""

from dataclasses import dataclass
from typing import Literal

from napari_mpi.engine.runtime.errors import ConfigError
from napari_mpi.engine.settings.fields import check, require_choice, setting

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
    neighbours : int
        Planes of a stack that the network can look at on either side of the one it
        fills, 0 to 2; only of 'residual' with one channel.

    Raises
    ------
    ConfigError
        If a value is outside its range, ``widest`` is below ``width``, or a network
        that cannot have neighbours is given some.
    """

    architecture: Architecture = setting("skip", "Architecture", "the network")
    channels: int = setting(3, "Channels", "of the image, in and out", low=1, high=16)
    mask_channels: int = setting(
        3, "Mask channels", "mask planes, 1 or as many as channels", low=1, high=16
    )
    width: int = setting(
        64, "Width", "feature channels of the first scale", low=1, high=1024
    )
    widest: int = setting(
        0, "Widest", "feature channels double at each scale up to here; 0: they do not",
        low=0, high=1024,
    )  # fmt: skip
    scales: int = setting(5, "Scales", "number of resolutions", low=1, high=8)
    blocks: int = setting(
        1, "Blocks", "residual blocks on either way of each scale", low=1, high=64
    )
    block: Block = setting("plain", "Kind of block", "two convolutions, or gates")
    neighbours: int = setting(
        0, "Neighbours", "planes that it can look at on either side", low=0, high=2
    )

    def __post_init__(self) -> None:
        check(self)
        require_choice("mask channels", self.mask_channels, (1, self.channels))
        if 0 < self.widest < self.width:
            raise ConfigError(
                f"widest is {self.widest}, below the width, {self.width}: make it 0,"
                f" or at least {self.width}"
            )
        if self.neighbours and (self.architecture != "residual" or self.channels > 1):
            raise ConfigError(
                f"neighbours is {self.neighbours}, but only a 'residual' network of one"
                " channel can look at neighbouring planes: make it 0"
            )

    @property
    def planes_beside(self) -> int:
        """Planes that the network can look at besides the one it fills."""
        return 2 * self.neighbours

    @property
    def widths(self) -> tuple[int, ...]:
        """Feature channels of each scale, from the finest to the coarsest."""
        widest = self.widest or self.width
        return tuple(min(self.width * 2**n, widest) for n in range(self.scales))
