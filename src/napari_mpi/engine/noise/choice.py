"""Settings chosen by an image's own noise."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from napari_mpi.engine.noise.findings import FEW_HOT, STRONG, WIDE, NoiseFindings
from napari_mpi.engine.settings.filling import FillingConfig
from napari_mpi.engine.settings.network import NetworkConfig
from napari_mpi.engine.settings.presets import PRESETS, preset, preset_name

_HALF = 0.5  # of the pixels hidden: what is learnt is smoother, and so is the result


def chosen(
    config: FillingConfig, found: NoiseFindings, network: NetworkConfig
) -> FillingConfig:
    """Return the settings that fit the noise that was found.

    With our own network they stay as they are where noise is independent from pixel to
    pixel, or too weak to tell; where it is strong, half of the pixels are hidden. Where
    neighbours share some of it, nothing is adapted nor merged, since hidden noise could
    be predicted. Where they share so little of it that every other pixel is
    independent, or so much that it passes for structure, predictions of the image as it
    is are averaged with those of it taken apart. Colours that share their noise share
    the mask. Hot pixels are filled beforehand.

    The paper's network gets the paper's preset for the kind of noise, and the same of
    masks and hot pixels.

    Parameters
    ----------
    config : FillingConfig
        With ``by_noise``; fields that were changed from the preset's stay as they are.
    found : NoiseFindings
        What the noise is like.
    network : NetworkConfig
        Of the weights.

    Returns
    -------
    FillingConfig
        Without ``by_noise``; the same if it was without.
    """
    if not config.by_noise:
        return config
    effort = _effort(config)
    changes = _changes(PRESETS[preset_name("auto", effort)], config)
    wanted: dict[str, Any] = {"by_noise": False, "hot_pixels": found.hot >= FEW_HOT}
    if found.shares_colours:
        wanted["shared_mask"] = True
    if network.architecture == "residual":
        if found.is_strong and not found.is_correlated:  # else nothing is learnt
            wanted["mask_ratio"] = _HALF
        wanted |= _for_correlation(found)
        return dataclasses.replace(config, **{**wanted, **changes})
    effort = "fast" if effort == "auto" else effort
    return preset(
        preset_name(_noise_of_paper(found, network), effort), **{**wanted, **changes}
    )


def choice_in_words(config: FillingConfig, found: NoiseFindings | None = None) -> str:
    """Return what of the settings follows from the noise, in words."""
    shared = " for all colours" * (found is not None and found.shares_colours)
    parts = [f"masks {100 * config.mask_ratio:.2g} %{shared}"]
    if config.blend:
        parts.append("averaged with the image taken apart")
    elif config.pixel_unshuffle > 1:
        parts.append("taken apart")
    if config.learning_rate == 0:
        parts.append("not adapted")
    if config.hot_pixels:
        parts.append("hot pixels filled")
    return ", ".join(parts)


def _for_correlation(found: NoiseFindings) -> dict[str, Any]:
    if not found.is_correlated:
        return {}
    wanted: dict[str, Any] = {"learning_rate": 0.0, "merge": False}
    if not STRONG <= found.correlation < WIDE:
        wanted |= {"pixel_unshuffle": 2, "blend": True}
    return wanted


def _noise_of_paper(found: NoiseFindings, network: NetworkConfig) -> str:
    if found.is_correlated:
        return "correlated"
    return "real" if network.mask_channels == 1 else "independent"


def _effort(config: FillingConfig) -> str:
    """Return the effort whose settings are most alike."""

    def unlike(effort: str) -> int:
        return len(_changes(PRESETS[preset_name("auto", effort)], config))

    return min(("auto", "fast", "full"), key=unlike)


def _changes(base: FillingConfig, config: FillingConfig) -> dict[str, Any]:
    """Return the fields that a person, or what the image is, has set otherwise."""
    given = dataclasses.asdict(config)
    before = dataclasses.asdict(base)
    return {name: value for name, value in given.items() if value != before[name]}


@dataclass(frozen=True, slots=True)
class Choice:
    """Settings that a channel's own noise has chosen.

    Parameters
    ----------
    found : NoiseFindings, optional
        What its noise is like; None where it could not be told.
    config : FillingConfig
        The settings.
    """

    found: NoiseFindings | None
    config: FillingConfig

    def words(self) -> str:
        """Return what was found, and what follows from it, in words."""
        found = "cannot be told" if self.found is None else self.found.words()
        return f"{found}; {choice_in_words(self.config, self.found)}"


def choose(
    config: FillingConfig, found: NoiseFindings | None, network: NetworkConfig
) -> Choice:
    """Choose settings by what was found, see `chosen`; none if nothing was."""
    if found is None:
        return Choice(None, dataclasses.replace(config, by_noise=False))
    return Choice(found, chosen(config, found, network))
