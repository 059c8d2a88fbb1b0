"""How to denoise, as the functions of the face are told it."""

from collections.abc import Callable
from typing import Any

from napari_mpi.engine.networks.catalogue import suggested_preset
from napari_mpi.engine.runtime.errors import ConfigError
from napari_mpi.engine.settings.method import Method
from napari_mpi.engine.settings.presets import preset as preset_of

OnSnapshot = Callable[[Any], object]
"""Is called with every snapshot of the work, some five times a second."""


def chosen(
    axes: str | None,
    *,
    weights: str = "auto",
    preset: str | None = None,
    device: str = "auto",
    rng: Any = None,
    series: int | str | None = None,
    level: int = 0,
    **settings: Any,
) -> Method:
    """Return the method that the words of `denoise` mean.

    Raises
    ------
    ConfigError
        If a setting is unknown or outside its range.
    """
    changed = seeded(settings, rng)
    config = preset_of(preset or suggested_preset(weights), **changed)
    letters = None if axes is None else axes.upper()
    return Method(config, weights, device, letters, series, level)


def seeded(settings: dict[str, Any], rng: Any) -> dict[str, Any]:
    """Return settings with the seed that ``rng`` says (SPEC 7 of scientific Python)."""
    if rng is None:
        return settings
    if "seed" in settings:
        raise ConfigError("rng and seed mean the same: give one of them")
    if hasattr(rng, "integers"):
        rng = int(rng.integers(2**31))
    return {**settings, "seed": rng}
