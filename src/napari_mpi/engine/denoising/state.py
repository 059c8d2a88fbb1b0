"""What denoising tells of itself, and what it keeps to go on from."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_mpi.engine.denoising.sampling import Sample
from napari_mpi.engine.denoising.shared_adaptation import SharedAdaptation
from napari_mpi.engine.filling.state import FillingState
from napari_mpi.engine.noise.choice import Choice
from napari_mpi.engine.settings.filling import FillingConfig
from napari_mpi.engine.settings.presets import GUARDED, UNMERGED

Array = NDArray[np.generic]


@dataclass(slots=True)
class DenoisingState:
    """What `denoise` has reached, kept by whoever may want to go on from there.

    Parameters
    ----------
    result : NDArray or LazyArray, optional
        The image so far: the source's own where nothing is denoised yet. None before
        the start.
    plane : int
        Number of the plane at work.
    iteration : int
        Iterations done on that plane, or on what it shares an adaptation with.
    done : dict
        Numbers of the planes that are done, and the iterations that were asked for.
    adapted : bool
        Whether the network was adapted to every plane so far.
    merged : bool
        Whether the pixels' own values were merged into every plane that is done.
    choices : dict
        What was found of the noise, and the settings chosen by it, by channel.
    samples : dict
        What was found in an item, by its channel.
    shared : dict
        Adaptations that are shared, by channel, or the one of the plane at work.
    filling : FillingState, optional
        What filling a plane by itself needs to go on.
    wants_spread : bool
        Whether ``spread`` is wanted; to be set before the start.
    spread : NDArray or LazyArray, optional
        Standard deviation of every pixel in the source's units, see `spread`: of the
        source's shape without S, NaN where nothing is denoised yet, 0 in constant
        channels. None if it was not asked for, or before the start.
    """

    result: Any = field(default=None, repr=False)
    plane: int = 0
    iteration: int = 0
    done: dict[int, int] = field(default_factory=dict, repr=False)
    adapted: bool = True
    merged: bool = True
    choices: dict[int, Choice] = field(default_factory=dict)
    samples: dict[int, Sample] = field(default_factory=dict, repr=False)
    shared: dict[int, SharedAdaptation] = field(default_factory=dict, repr=False)
    filling: FillingState | None = field(default=None, repr=False)
    wants_spread: bool = False
    spread: Any = field(default=None, repr=False)

    def to(self, device: torch.device) -> None:
        """Move what is needed to go on to a device."""
        for part in (self.filling, *self.shared.values()):
            if part is not None:
                part.to(device)


def reached(state: DenoisingState) -> dict[str, Any]:
    """Return how far a result has come, as JSON values."""
    made: dict[str, Any] = {
        "planes": len(state.done),
        "iteration": state.iteration,
        "adapted": state.adapted,
        "merged": bool(state.done) and state.merged,
    }
    if state.choices:
        made["noise"] = [
            {
                "channel": channel,
                "words": choice.words(),
                "found": choice.found and dataclasses.asdict(choice.found),
                "settings": dataclasses.asdict(choice.config),
            }
            for channel, choice in sorted(state.choices.items())
        ]
    return made


def notes_on(state: DenoisingState, config: FillingConfig) -> list[str]:
    """Return what to tell of planes that were left unadapted or unmerged.

    Where the noise itself has chosen so, `noise_in_words` tells it.

    Parameters
    ----------
    state : DenoisingState
        What has been reached.
    config : FillingConfig
        What was asked for.
    """
    configs = [choice.config for choice in state.choices.values()] or [config]
    if all(chosen.learning_rate for chosen in configs) and not state.adapted:
        return [GUARDED]
    if all(chosen.merge for chosen in configs) and not state.merged:
        return [UNMERGED]
    return []


def noise_in_words(state: DenoisingState) -> tuple[str, ...]:
    """Return what was found of the noise, and chosen by it; a line for each channel.

    Channels that are alike share a line; there is none where nothing was to be chosen.
    """
    lines: dict[str, list[int]] = {}
    for channel, choice in sorted(state.choices.items()):
        lines.setdefault(choice.words(), []).append(channel)
    if len(lines) < 2:
        return tuple(lines)
    return tuple(
        f"channel{'s' * (len(of) > 1)} {', '.join(map(str, of))}: {words}"
        for words, of in lines.items()
    )
