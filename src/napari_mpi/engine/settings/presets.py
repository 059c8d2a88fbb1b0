"""Presets: settings by kind of noise and effort, the paper's and our own."""

import dataclasses
from typing import Any, Literal

from napari_mpi.engine.settings.fields import require_choice
from napari_mpi.engine.settings.filling import FillingConfig

Noise = Literal["auto", "blind", "independent", "real", "correlated"]
Effort = Literal["auto", "fast", "full"]


def preset_name(noise: str, effort: str) -> str:
    """Return the preset of a kind of noise and an effort; both 'auto' is one word."""
    return noise if noise == effort else f"{noise}-{effort}"


def noise_and_effort(name: str) -> tuple[str, str]:
    """Return what `preset_name` has put together."""
    noise, _, effort = name.partition("-")
    return noise, effort or noise


def preset(name: str, **changes: Any) -> FillingConfig:
    """Return the settings of a preset, with the given fields changed.

    Parameters
    ----------
    name : str
        One of `PRESETS`, such as 'independent-fast'.
    **changes
        Fields of `FillingConfig` to set otherwise; None leaves a field as it is.

    Raises
    ------
    ConfigError
        If there is no such preset or field, or a value is outside its range.
    """
    require_choice("preset", name, tuple(PRESETS))
    known = {field.name for field in dataclasses.fields(FillingConfig)}
    for field in changes:
        require_choice("setting", field, tuple(sorted(known)))
    given = {field: _plain(value) for field, value in changes.items()}
    given = {field: value for field, value in given.items() if value is not None}
    return dataclasses.replace(PRESETS[name], **given)


def _plain(value: Any) -> Any:
    """Return numpy's numbers as Python's own, which JSON can hold."""
    return value.item() if hasattr(value, "item") else value


def _paper(
    noise: Noise, mask_ratio: float, full: int, **shared: Any
) -> dict[str, FillingConfig]:
    """Return the paper's fast and full settings for one kind of noise (section 4)."""
    fast = FillingConfig(
        mask_ratio=mask_ratio, iterations=200, ema_decay=0.90, **shared
    )
    slow = dataclasses.replace(fast, iterations=full, ema_decay=0.99)
    return {f"{noise}-fast": fast, f"{noise}-full": slow}


def _ours() -> dict[str, FillingConfig]:
    """Return the settings for weights that have seen noise of many kinds."""
    full = FillingConfig(
        mask_ratio=0.20,
        learning_rate=5e-5,
        iterations=100,
        ema_decay=0.99,
        ensemble_start="unbiased",
        ensemble_of="all",
        guard=True,
        keep_means=True,
        crop=256,
        share=True,
        neighbours="auto",
        passes=5,
        merge=True,
        weights_ema_decay=0.99,
        precision="auto",
    )
    efforts = {
        "auto": dataclasses.replace(full, stop=True),
        "fast": dataclasses.replace(full, iterations=12, learning_rate=1e-4),
        "full": full,
    }
    told = {
        preset_name("auto", effort): dataclasses.replace(config, by_noise=True)
        for effort, config in efforts.items()
    }
    blind = {preset_name("blind", effort): config for effort, config in efforts.items()}
    return {**told, **blind}


PRESETS: dict[str, FillingConfig] = {
    **_ours(),
    **_paper("independent", 0.30, full=1000),
    **_paper("real", 0.85, full=1000, shared_mask=True),
    **_paper("correlated", 0.90, full=800, shared_mask=True, pixel_unshuffle=2),
}
"""Settings by noise and effort; all but 'auto' and 'blind' are the paper's (sec. 4)."""

DEFAULT_PRESET = "auto"

GUARDED = "not adapted, since the noise is correlated between neighbours"
"""What to tell where the guard has left the network as it is."""

UNMERGED = (
    "the pixels' own values are not merged in, since the noise is correlated between"
    " neighbours"
)
"""What to tell where the result is the prediction alone, though merging was asked."""
