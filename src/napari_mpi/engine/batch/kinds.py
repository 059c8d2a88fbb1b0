"""What files must have in common to share an adaptation."""

from dataclasses import dataclass

import numpy as np

from napari_mpi.engine.axes import ImageAxes
from napari_mpi.engine.image_io import ImageFile


@dataclass(frozen=True, slots=True, order=True)
class Kind:
    """Channel count and pixel type of a file.

    Parameters
    ----------
    colour : bool
        Whether the channels are colours, which are denoised together.
    channels : int
        How many there are.
    dtype : str
        Name of the pixels' type.
    """

    colour: bool
    channels: int
    dtype: str

    def __str__(self) -> str:
        """Return it in words."""
        if self.colour:
            return f"{self.dtype} colour"
        several = f", {self.channels} channels" if self.channels > 1 else ""
        return f"{self.dtype} grey{several}"


def kind_of(image: ImageFile) -> Kind:
    """Return what a file has in common with those that it may share with."""
    layout = ImageAxes(image.axes, image.array.shape)
    channels = 3 if layout.is_colour else layout.channel_count
    return Kind(layout.is_colour, channels, np.dtype(image.array.dtype).name)
