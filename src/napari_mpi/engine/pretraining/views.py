"""How a crop looks at its image: at which size, at which plane of its colours."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.settings.pretraining import PretrainingConfig

Weights = tuple[float, float, float]

_LUMA: Weights = (0.299, 0.587, 0.114)  # ITU-R BT.601
_MEAN: Weights = (1 / 3, 1 / 3, 1 / 3)
_MEANS, _SINGLES = 0.5, 0.2  # shares of the crops; the others are colour differences

# Colour images are denoised in an orthonormal basis, whose first plane is (R + G + B) /
# sqrt(3). That one spans sqrt(3), the others less, and all are scaled alike so that
# their noise stays alike: a colour difference is a plane of low contrast.
_SCALE = 1 / math.sqrt(3)
_FIRST = (1 / math.sqrt(2), 0.0, -1 / math.sqrt(2))
_SECOND = (1 / math.sqrt(6), -2 / math.sqrt(6), 1 / math.sqrt(6))


@dataclass(frozen=True, slots=True)
class View:
    """A way to look at an image.

    Parameters
    ----------
    step : int
        Pixels of the image along each side of one of the crop.
    weights : tuple of float
        Of red, green and blue in a grey crop.
    offset : float
        What is added to their sum.
    """

    step: int = 1
    weights: Weights = _LUMA
    offset: float = 0.0

    def shrunk(self, part: NDArray[Any]) -> NDArray[np.float32]:
        """Return the means of squares of ``step`` pixels, shape (C, Y, X)."""
        step, wide = self.step, np.float32
        # Sums of strided parts take a quarter of the time of numpy's mean over axes.
        rows = sum((part[:, n::step].astype(wide) for n in range(1, step)),
                   part[:, ::step].astype(wide))  # fmt: skip
        squares = sum((rows[..., n::step] for n in range(1, step)), rows[..., ::step])
        return squares / wide(step**2)

    def grey(
        self, colours: NDArray[Any], low: float = 0.0, high: float = 1.0
    ) -> NDArray[np.float32]:
        """Return the plane of a colour image, (3, Y, X) to (1, Y, X).

        Black is ``low`` and white ``high``, in both.
        """
        # Weights need not sum to 1, so black must be 0 where they are applied.
        weights = np.array(self.weights, np.float32)
        plane = np.tensordot(weights, colours - np.float32(low), axes=1)[None]
        return plane + np.float32(low + self.offset * (high - low))


WHOLE_LUMA = View()
"""The image as it is, in grey by its luma."""


@dataclass(frozen=True, slots=True)
class Views:
    """What views crops have, and how often.

    Parameters
    ----------
    shrunk_share : float
        Share of the crops at half size, where the image is large enough, 0..1.
    draws_planes : bool
        Whether grey crops of colour images show the mean of the colours (half of them),
        one colour (one in five, as fluorescence has it), or a difference of colours, in
        place of the luma.
    """

    shrunk_share: float = 0.0
    draws_planes: bool = False

    @classmethod
    def of(cls, config: PretrainingConfig) -> "Views":
        """Return those that a config asks for."""
        return cls(config.shrunk_share, config.grey_from == "planes")

    def draw(
        self,
        shape: tuple[int, int, int],
        *,
        size: int,
        channels: int,
        rng: np.random.Generator,
    ) -> View:
        """Draw the view of one crop.

        Parameters
        ----------
        shape : tuple of int
            Of the image, (C, Y, X).
        size, channels : int
            Of the crop.
        rng : numpy.random.Generator
            Source of the randomness; untouched where there is nothing to choose.
        """
        may_shrink = self.shrunk_share > 0 and min(shape[1:]) >= 2 * size
        is_shrunk = may_shrink and rng.random() < self.shrunk_share
        step = 2 if is_shrunk else 1
        if not self.draws_planes or channels != 1 or shape[0] != 3:
            return View(step)
        return View(step, *_plane(rng))


PLAIN = Views()
"""Whole images, in grey by their luma."""


def _plane(rng: np.random.Generator) -> tuple[Weights, float]:
    """Draw the weights of a plane of three colours, and its offset."""
    kind = rng.random()
    if kind < _MEANS:
        return _MEAN, 0.0
    if kind < _MEANS + _SINGLES:
        red, green, blue = np.eye(3)[rng.integers(3)].tolist()
        return (red, green, blue), 0.0
    return _difference(2 * math.pi * rng.random()), 0.5


def _difference(angle: float) -> Weights:
    """Return a direction in the plane of colour differences.

    All directions come, since a basis that is measured from an image can be any.
    """
    along, across = _SCALE * math.cos(angle), _SCALE * math.sin(angle)
    red, green, blue = (
        along * a + across * b for a, b in zip(_FIRST, _SECOND, strict=True)
    )
    return red, green, blue
