"""What denoising has reached: what it tells of itself, and what it goes on from."""

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_mpi.engine.denoising.adapted.shared_adaptation import SharedAdaptation
from napari_mpi.engine.denoising.neighbours.choice import Neighbourhood
from napari_mpi.engine.denoising.sampling.take import Sample
from napari_mpi.engine.filling.state import FillingState
from napari_mpi.engine.images.arrays import ArrayLike
from napari_mpi.engine.images.axes import ImageAxes, Index
from napari_mpi.engine.images.marks import WORDS, Mark, Marks, counted, is_void
from napari_mpi.engine.images.quality import VoidOf
from napari_mpi.engine.noise.choice import Choice
from napari_mpi.engine.noise.findings import NoiseFindings
from napari_mpi.engine.settings.filling import FillingConfig
from napari_mpi.engine.settings.presets import GUARDED, UNMERGED

Array = NDArray[np.generic]


@dataclass(slots=True)
class ChannelState:
    """What is known of a channel, and the network adapted to it.

    Parameters
    ----------
    sample : Sample
        What was found in it.
    choice : Choice, optional
        What was found of its noise, and the settings chosen by it.
    adaptation : SharedAdaptation, optional
        That of all its planes, or of the plane at work.
    neighbours : Neighbourhood, optional
        How far is looked beside its planes; None where that was not asked.
    """

    sample: Sample = field(repr=False)
    choice: Choice | None = None
    adaptation: SharedAdaptation | None = field(default=None, repr=False)
    neighbours: Neighbourhood | None = None


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
    channels : dict
        What is known of the channels that were looked at, by their number.
    filling : FillingState, optional
        What filling a plane by itself needs to go on.
    wants_spread : bool
        Whether ``spread`` is wanted; to be set before the start.
    spread : NDArray or LazyArray, optional
        Standard deviation of every pixel in the source's units, see `spread`: of the
        source's shape without S, NaN where nothing is denoised. None if it was not
        asked for, or before the start.
    kept : dict
        How many pixels of each `Mark` the planes have, by their number.
    """

    result: Any = field(default=None, repr=False)
    plane: int = 0
    iteration: int = 0
    done: dict[int, int] = field(default_factory=dict, repr=False)
    adapted: bool = True
    merged: bool = True
    channels: dict[int, ChannelState] = field(default_factory=dict)
    filling: FillingState | None = field(default=None, repr=False)
    wants_spread: bool = False
    spread: Any = field(default=None, repr=False)
    kept: dict[int, NDArray[np.int64]] = field(default_factory=dict, repr=False)

    def note_marks(
        self, plane: int, marks: Marks | None, shape: tuple[int, ...]
    ) -> None:
        """Count how the pixels of a plane, or of a part of one, are marked.

        Parameters
        ----------
        plane : int
            Number of the plane.
        marks : NDArray, optional
            Shape (Y, X); None where all are measured.
        shape : tuple of int
            Rows and columns.
        """
        counts = self.kept.setdefault(plane, np.zeros(len(Mark), np.int64))
        counts += counted(marks, shape)

    def note_slabs(self, counts: Iterable[tuple[int, ...]]) -> None:
        """Count how the pixels of all slabs of a volume are marked.

        Parameters
        ----------
        counts : iterable of tuple of int
            How many pixels have each `Mark`.
        """
        for number, marked in enumerate(counts):
            self.done[number] = self.iteration
            self.kept[number] = np.array(marked, np.int64)

    def void_in(self, image: ArrayLike, layout: ImageAxes) -> VoidOf:
        """Return what tells which pixels of a plane hold no measurement.

        Parameters
        ----------
        image : ArrayLike
            The source.
        layout : ImageAxes
            Its axes.
        """
        count = layout.plane_count // layout.channel_count

        def void_of(number: int, index: Index) -> NDArray[np.bool_] | None:
            channel = self.channels.get(number // count)
            if channel is None:
                return None
            plane = channel.sample.plane(layout, index, number, number % count)
            values = layout.channels_first(np.asarray(image[index]))
            marks = plane.rule.marks(values)
            return None if marks is None else is_void(marks)

        return void_of

    def to(self, device: torch.device) -> None:
        """Move what is needed to go on to a device."""
        if self.filling is not None:
            self.filling.to(device)
        for channel in self.channels.values():
            if channel.adaptation is not None:
                channel.adaptation.to(device)

    def reached(self) -> dict[str, Any]:
        """Return how far a result has come, as JSON values."""
        made: dict[str, Any] = {
            "planes": len(self.done),
            "iteration": self.iteration,
            "adapted": self.adapted,
            "merged": bool(self.done) and self.merged,
        }
        noise = [
            {
                "channel": channel,
                "words": choice.words(),
                "found": choice.found and dataclasses.asdict(choice.found),
                "settings": dataclasses.asdict(choice.config),
            }
            for channel, choice in self._choices()
        ]
        neighbours = [
            {"channel": number, **dataclasses.asdict(channel.neighbours)}
            for number, channel in sorted(self.channels.items())
            if channel.neighbours is not None
        ]
        found = {"noise": noise, "neighbours": neighbours}
        return {**made, **{name: rows for name, rows in found.items() if rows}}

    def notes_on(self, config: FillingConfig) -> list[str]:
        """Return what to tell of planes that were left unadapted or unmerged.

        Where the noise itself has chosen so, `noise_in_words` tells it.

        Parameters
        ----------
        config : FillingConfig
            What was asked for.
        """
        configs = [choice.config for _, choice in self._choices()] or [config]
        notes = [*self._kept_in_words(), *self._flashes_in_words()]
        if all(chosen.learning_rate for chosen in configs) and not self.adapted:
            return [*notes, GUARDED]
        if all(chosen.merge for chosen in configs) and not self.merged:
            return [*notes, UNMERGED]
        return notes

    def _kept_in_words(self) -> list[str]:
        counts = sum(self.kept.values(), np.zeros(len(Mark), np.int64))
        told = [
            f"{_share(counts[mark] / counts.sum())} of the pixels {words}"
            for mark, words in WORDS.items()
            if counts[mark]
        ]
        return [f"{' and '.join(told)}: these are left as they were"] if told else []

    def _flashes_in_words(self) -> list[str]:
        count = sum(len(channel.sample.flashes) for channel in self.channels.values())
        if not count:
            return []
        planes = "1 plane is" if count == 1 else f"{count} planes are"
        return [f"{planes} far brighter than the others: denoised apart from them"]

    def noise_in_words(self) -> tuple[str, ...]:
        """Return what was found of the noise, and chosen by it; a line per channel.

        Channels that are alike share a line; there is none where nothing was to choose.
        """
        return _by_channel((n, choice.words()) for n, choice in self._choices())

    def neighbours_in_words(self) -> tuple[str, ...]:
        """Return how far is looked beside the planes; a line per channel.

        Channels that are alike share a line; there is none where nothing was asked.
        """
        return _by_channel(
            (number, channel.neighbours.words())
            for number, channel in sorted(self.channels.items())
            if channel.neighbours is not None
        )

    @property
    def uses_neighbours(self) -> bool:
        """Whether planes of a channel are averaged with those beside them."""
        found = (channel.neighbours for channel in self.channels.values())
        return any(one is not None and one.is_used for one in found)

    def found(self) -> list[NoiseFindings]:
        """Return what was found of the noise in the channels that were looked at."""
        return [c.found for _, c in self._choices() if c.found is not None]

    def _choices(self) -> Iterator[tuple[int, Choice]]:
        for number, channel in sorted(self.channels.items()):
            if channel.choice is not None:
                yield number, channel.choice


def _by_channel(told: Iterable[tuple[int, str]]) -> tuple[str, ...]:
    """Return what is told of channels, those that are alike in one line."""
    lines: dict[str, list[int]] = {}
    for channel, words in told:
        lines.setdefault(words, []).append(channel)
    if len(lines) < 2:
        return tuple(lines)
    return tuple(
        f"channel{'s' * (len(of) > 1)} {', '.join(map(str, of))}: {words}"
        for words, of in lines.items()
    )


def _share(share: float) -> str:
    """Return a share in words, with digits that mean something."""
    percent = 100 * share
    if percent < 0.01:
        return "less than 0.01 %"
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"
