"""What pre-training tells on its way."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A look at images that are not trained on.

    Parameters
    ----------
    iteration : int
        Steps done by then.
    psnr : float
        Mean over the crops, in dB, on the pixels that the loss is taken on.
    noisy, reconstruction, clean : NDArray
        Shape (C, Y, X), float32, about 0..1: the crop with most contrast of those that
        are well hidden, as the network gets it, as it fills it, and as it should be.
    masked : NDArray
        Shape (C or 1, Y, X), bool; True = hidden.
    """

    iteration: int
    psnr: float
    noisy: NDArray[np.float32] = field(repr=False)
    masked: NDArray[np.bool_] = field(repr=False)
    reconstruction: NDArray[np.float32] = field(repr=False)
    clean: NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True, slots=True)
class PretrainingSnapshot:
    """What pre-training has reached.

    Parameters
    ----------
    iteration, iterations : int
        Steps done, and to do.
    losses : tuple of float
        Of every step since the snapshot before: mean over the crops of the squared
        error in dB, so that its negative is a PSNR.
    images_per_second : float
        Crops per second in this run, over all processes.
    seconds_left : float
        At this pace.
    waiting : float
        Share of the time that the device waited for crops, 0..1.
    evaluation : Evaluation, optional
        If the held-out images have been looked at since the snapshot before.
    warning : str
        What a person should know, such as a checkpoint that could not be written.
    """

    iteration: int
    iterations: int
    losses: tuple[float, ...]
    images_per_second: float
    seconds_left: float
    waiting: float
    evaluation: Evaluation | None = None
    warning: str = ""
