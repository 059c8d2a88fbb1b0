"""Every setting of iterative filling."""

from dataclasses import dataclass
from typing import Literal

from napari_mpi.engine.runtime.errors import ConfigError
from napari_mpi.engine.settings.fields import check, setting

EnsembleStart = Literal["noisy", "first-fill", "unbiased"]
EnsembleOf = Literal["hidden", "all"]
FillingPrecision = Literal["float32", "bfloat16", "auto"]
Neighbours = Literal["auto", "none", "1", "2", "4"]


@dataclass(frozen=True, kw_only=True, slots=True)
class FillingConfig:
    """Settings of iterative filling (Ma et al. 2024, algorithm 2).

    The defaults are the paper's for independent noise, fast.

    Parameters
    ----------
    mask_ratio : float
        Share of the pixels that one mask hides, 0 <= ratio < 1 (p in the paper); 0
        only with ``learning_rate`` 0 and ``ensemble_of`` 'all'.
    shared_mask : bool
        One mask for all channels instead of one per channel. Grey images and
        weights that read a single mask plane always use a shared mask.
    iterations : int
        Number of masks drawn and optimiser steps taken, at least 1 (T).
    learning_rate : float
        Step size of Adam; 0 fills without adapting the network.
    ema_decay : float
        Share of the ensemble that survives one fill, 0 <= decay < 1 (beta).
    ensemble_start : {'noisy', 'first-fill', 'unbiased'}
        Where the ensemble starts: at the noisy image as in the paper (a pixel that
        was filled k times keeps the share decay**k of its noise), at the pixel's
        first fill, or as an exponential average normalised by its weights.
    ensemble_of : {'hidden', 'all'}
        Predictions that enter the ensemble: of hidden pixels as in the paper, or of
        all, for networks that were pre-trained on all pixels of noisy input.
    guard : bool
        Leave the network as it is where the noise turns out to be correlated between
        neighbours: hidden noise could then be predicted, and would be learnt. It is
        found out from the first fill, so the weights must know how to fill.
    keep_means : bool
        Bring the local means of the result back to those of the noisy image, over
        some 16 pixels: noise that averages to nothing leaves them right, so whatever
        they differ by is the network's error.
    crop : int
        Side in pixels of the random crop that one iteration adapts on; 0 for the whole
        image. Only for networks without batch statistics.
    share : bool
        Adapt once to all planes of a channel, on windows of planes at even distances,
        and fill every plane with what that has reached; instead of adapting to each
        plane from scratch. Only with passes.
    neighbours : {'auto', 'none', '1', '2', '4'}
        How many planes on either side, along time T and depth Z, are averaged into a
        plane where they agree with it, before it is filled; 'auto' lets hidden pixels
        of the stack decide, per channel, see `choose_reach`. Only with passes.
    passes : int
        Complementary masks, 0 to 100, under which the adapted network predicts the
        whole image at the end, each pixel hidden once; and once with nothing hidden, so
        only for networks that were pre-trained on all pixels. 0 takes the ensemble of
        the iterations for the result, as in the paper.
    merge : bool
        Merge the passes' prediction with the pixel's own value, each by its error,
        unless the noise turns out to be correlated; see `merged`.
    stop : bool
        Stop, before all iterations are done, when they no longer pay, and go back where
        they harm; see `StopRule`. Only with passes.
    weights_ema_decay : float
        Share of the averaged weights that survives one iteration, 0 <= decay < 1, less
        at first, so that all iterations count alike; the passes predict with them. 0
        for the last weights.
    precision : {'float32', 'bfloat16', 'auto'}
        Of the convolutions; 'auto' takes what is measured to be faster.
    pixel_unshuffle : int
        Side of the blocks that are taken apart into sub-images before filling,
        1 to 8; 2 breaks noise that is correlated between neighbours.
    blend : bool
        Average predictions of the image as it is with those of it taken apart, by every
        side up to ``pixel_unshuffle``: what noise the former let through and what
        detail the latter lose have little in common.
    hot_pixels : bool
        Fill single pixels that stand far out of their neighbourhood, hot and dead ones,
        from their neighbours before all else, see `hot_pixels`.
    by_noise : bool
        Let the image's own noise choose what of these settings fits it, see `chosen`.
    seed : int
        Seed of the masks, and of random weights, 0 <= seed < 2**63.

    Raises
    ------
    ConfigError
        If a value is outside its range.
    """

    mask_ratio: float = setting(
        0.30,
        "Mask ratio",
        "share of pixels hidden in each iteration; with 0.3, each is still predicted"
        " from close neighbours",
        low=0,
        below=1,
        step=0.01,
    )
    shared_mask: bool = setting(
        False,
        "Shared mask",
        "hide the same pixels in every colour; needed where colours share their noise",
    )
    iterations: int = setting(
        200,
        "Iterations",
        "steps of learning from your image, at most; most images need less than 100",
        low=1,
        high=1_000_000,
    )
    learning_rate: float = setting(
        2e-3,
        "Learning rate",
        "how fast the network learns; 0 takes it as it is, larger values can diverge",
        low=0,
        below=10,
        step=0.00001,
    )
    ema_decay: float = setting(
        0.90,
        "EMA decay",
        "share of the running average that survives one prediction; a higher one"
        " smooths over more of them",
        low=0,
        below=1,
        step=0.001,
    )
    ensemble_start: EnsembleStart = setting(
        "noisy",
        "Ensemble start",
        "what the running average begins with; the paper begins with the noisy image",
    )
    ensemble_of: EnsembleOf = setting(
        "hidden",
        "Ensemble of",
        "predictions that enter the running average; those of hidden pixels know"
        " nothing of the pixel's own noise",
    )
    guard: bool = setting(
        False,
        "Spare correlated noise",
        "don't learn where neighbours share their noise; it could be predicted, and"
        " would come back",
    )
    keep_means: bool = setting(
        False,
        "Keep local means",
        "bring the brightness of every region back to that of the noisy image; noise"
        " leaves it right, a network may not",
    )
    crop: int = setting(
        0,
        "Crop side (pixels)",
        "part of the image that one step learns from; 0 for all of it, which is slow"
        " for large images",
        low=0,
        high=65_536,
    )
    share: bool = setting(
        False,
        "Learn once per channel",
        "learn from all planes of a channel together; each by itself takes far longer",
    )
    neighbours: Neighbours = setting(
        "none",
        "Neighbouring planes",
        "planes on either side in time and depth that help to tell noise from"
        " structure; 'auto' uses them where they predict hidden pixels better",
    )
    passes: int = setting(
        0,
        "Last passes",
        "predictions of every pixel in the end, which are averaged; 0 takes the running"
        " average instead, as the paper does",
        low=0,
        high=100,
    )
    merge: bool = setting(
        False,
        "Use pixels' own values",
        "average each prediction with the pixel's own value, by what is known of their"
        " errors; not where neighbours share their noise",
    )
    stop: bool = setting(
        False,
        "Stop by itself",
        "stop learning when pixels that are kept aside are predicted no better; saves"
        " time and keeps noise from being learnt",
    )
    weights_ema_decay: float = setting(
        0.0,
        "Weights' EMA decay",
        "share of the averaged network that survives one step; the average is steadier"
        " than the last step",
        low=0,
        below=1,
        step=0.001,
    )
    precision: FillingPrecision = setting(
        "float32",
        "Precision",
        "of the arithmetic; 'auto' takes bfloat16 where the device is faster with it",
    )
    pixel_unshuffle: int = setting(
        1,
        "Take apart (by pixels)",
        "denoise every second, third ... pixel as an image of its own; it breaks noise"
        " that neighbours share, and loses detail",
        low=1,
        high=8,
    )
    blend: bool = setting(
        False,
        "Average with taken apart",
        "average the image as it is with that taken apart; their errors have little in"
        " common",
    )
    hot_pixels: bool = setting(
        False,
        "Fill hot pixels",
        "replace single pixels far out of their surroundings before all else; on where"
        " such pixels are found",
    )
    by_noise: bool = setting(
        False,
        "Choose by the noise",
        "let the noise that is found in the image choose what of all this fits it; what"
        " you change here stays",
    )
    seed: int = setting(
        0,
        "Seed",
        "the same seed gives the same image; any number is as good",
        low=0,
        high=2**63 - 1,
    )

    def __post_init__(self) -> None:
        check(self)
        if self.mask_ratio == 0 and (self.learning_rate or self.ensemble_of != "all"):
            raise ConfigError(
                "mask ratio is 0, so nothing is hidden: raise it, or set the learning"
                " rate to 0 and the ensemble to predictions of all pixels"
            )
        if not self.passes and self._needs_passes:
            raise ConfigError(
                "passes are 0, but crops, sharing, merging, stopping and neighbours"
                " need them: set passes to 5, or the others to 0, 'none' or off"
            )

    @property
    def _needs_passes(self) -> bool:
        learns = self.stop or self.crop or self.share
        return bool(self.merge or learns or self.neighbours != "none")

    @property
    def factors(self) -> tuple[int, ...]:
        """Sides of the blocks that are taken apart, one for each prediction."""
        last = self.pixel_unshuffle
        return tuple(range(1, last + 1)) if self.blend else (last,)
