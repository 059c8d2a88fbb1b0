"""Every setting of what pre-training does to clean crops."""

from dataclasses import dataclass
from typing import Literal

from napari_mpi.engine.runtime.errors import ConfigError
from napari_mpi.engine.settings.fields import check, setting

InputNoise = Literal["none", "gaussian", "poisson-gaussian", "mixed"]
MaskShapes = Literal["pixels", "mixed"]


def _share(label: str, help_text: str) -> float:
    """Return a field for a share of the crops, none by default."""
    share: float = setting(0.0, label, help_text, low=0, high=1, step=0.05)
    return share


@dataclass(frozen=True, kw_only=True, slots=True)
class CorruptionConfig:
    """What is hidden from the network, and what its input suffers.

    The defaults are the paper's for independent noise. Shares are of the crops, 0..1,
    and drawn independently of each other where nothing else is said.

    Parameters
    ----------
    mask_ratio_low, mask_ratio_high : float
        The mask ratio of each crop is drawn evenly between them, 0..1.
    unmasked_share : float
        Crops of which nothing is hidden, below 1; only with ``loss_on`` 'all'.
    shared_mask : bool
        One mask for all channels instead of one per channel.
    mask_shapes : {'pixels', 'mixed'}
        Single pixels; or one shape per crop: single pixels in half of them, else pairs,
        rows and columns of 3 to 15, squares of 3 x 3, plus signs.
    input_noise : {'none', 'gaussian', 'poisson-gaussian', 'mixed'}
        Noise that the input gets and the target does not (the idea of Masked Image
        Training, Chen et al., CVPR 2023); 'mixed' is either, at even odds.
    noise_level : float
        Largest standard deviation of the noise, as a share of the range, 0..1; each
        crop draws its own, see `corruption.noise`.
    weak_share : float
        Crops whose Gaussian noise is drawn evenly in the logarithm, so mostly weak.
    correlated_share : float
        Crops whose noise is correlated in all directions, by a blur of up to 2 pixels.
    row_share : float
        Crops whose noise is correlated along rows only, as of slow scanning; others
        than those of ``correlated_share``.
    striped_share : float
        Crops with offsets of rows or columns.
    camera_share : float
        Crops with a pedestal, gains that differ between lines, hot and dead pixels.
    digitised_share : float
        Crops that are cut at 0 and at saturation, half of them rounded to few levels.
    untouched_share : float
        Crops that get no noise of any kind, so that the input is the target.
    empty_share : float
        Crops of which an area is constant, without noise.
    dimmed_share : float
        Crops that are darkened, as fluorescence images are.

    Raises
    ------
    ConfigError
        If a value is outside its range, or two contradict each other.
    """

    mask_ratio_low: float = setting(
        0.30, "Lowest mask ratio", "each crop draws its ratio from here", low=0,
        below=1, step=0.05,
    )  # fmt: skip
    mask_ratio_high: float = setting(
        0.30, "Highest mask ratio", "to here", low=0, below=1, step=0.05
    )
    unmasked_share: float = setting(
        0.0, "Unmasked share", "share of crops that hide nothing", low=0, below=1,
        step=0.05,
    )  # fmt: skip
    shared_mask: bool = setting(
        False, "Shared mask", "hide the same pixels in every colour channel"
    )
    mask_shapes: MaskShapes = setting(
        "pixels", "Mask shapes", "hide single pixels, or also pairs, lines, squares"
    )
    input_noise: InputNoise = setting(
        "none", "Input noise", "noise that the input gets and the target does not"
    )
    noise_level: float = setting(
        0.25, "Noise level", "largest noise, as a share of the range", above=0,
        below=1, step=0.01,
    )  # fmt: skip
    weak_share: float = _share("Weak share", "share of crops with mostly weak noise")
    correlated_share: float = _share(
        "Correlated share", "share of crops whose noise is correlated"
    )
    row_share: float = _share(
        "Row share", "share of crops whose noise is correlated along rows only"
    )
    striped_share: float = _share("Striped share", "share of crops with stripes")
    camera_share: float = _share(
        "Camera share", "share of crops with a camera's pedestal, gains, hot pixels"
    )
    digitised_share: float = _share(
        "Digitised share", "share of crops that are clipped, or rounded to few levels"
    )
    untouched_share: float = _share(
        "Untouched share", "share of crops without any noise"
    )
    empty_share: float = _share("Empty share", "share of crops with an empty area")
    dimmed_share: float = _share("Dimmed share", "share of crops that are darkened")

    def __post_init__(self) -> None:
        check(self)
        self._require_agreement()

    def _require_agreement(self) -> None:
        if self.mask_ratio_low > self.mask_ratio_high:
            raise ConfigError(
                f"the lowest mask ratio, {self.mask_ratio_low}, is above the highest,"
                f" {self.mask_ratio_high}: exchange them"
            )
        if self.correlated_share + self.row_share > 1:
            raise ConfigError(
                f"the correlated share, {self.correlated_share}, and the row share,"
                f" {self.row_share}, are of different crops: lower one, so that they"
                " make up at most 1"
            )
