"""What a run of the Denoise dock says of itself, as a person says it."""

from collections.abc import Sequence
from typing import Any

from napari_mpi.engine.noise.findings import NoiseFindings, digits
from napari_mpi.engine.settings.presets import GUARDED
from napari_mpi.widgets.denoise.jobs.asked import Finished

_ARROW = " \N{RIGHTWARDS ARROW} "
_SEEN_LATER = (
    "on learning, neighbouring pixels turned out to share noise: the network was left"
    " as it is"
)


def stage_in_words(snapshot: Any) -> str:
    """Return what is being done."""
    if snapshot.planes > 1:
        return f"Plane {snapshot.plane + 1} of {snapshot.planes}"
    if snapshot.stage.startswith(("reading", "looking", "region", "making")):
        return str(snapshot.stage).capitalize()
    return "Learning the image" if "iteration " in snapshot.stage else "Last passes"


def noise_in_short(found: Sequence[NoiseFindings]) -> str:
    """Return what the noise is like, of several channels from the least to the most."""
    levels = sorted({digits(one.level) for one in found}, key=float)
    if len(levels) < 2:
        return found[0].in_short()
    return f"noise of about {levels[0]} to {levels[-1]} grey levels"


def end_in_words(
    how: str,
    found: Sequence[NoiseFindings],
    finished: Finished,
    notes: Sequence[str],
    *,
    with_neighbours: bool = False,
) -> str:
    """Return how a run ended: in a line, and below it what else must be known.

    Parameters
    ----------
    how : str
        How it ended, and after which time.
    found : sequence of NoiseFindings
        Of each channel.
    finished : Finished
        What it told last.
    notes : sequence of str
        What was left alone, or left out.
    with_neighbours : bool
        Whether neighbouring planes have helped.
    """
    told = [noise_in_short(found)] if found else []
    if with_neighbours:
        told.append("neighbouring planes used")
    if finished.before is not None and finished.after is not None:
        told.append(f"{finished.before:.1f}{_ARROW}{finished.after:.1f} dB")
    line = f"{how}: {'; '.join(told)}" if told else how
    return "\n".join([line, *one_story(found, notes)])


def one_story(found: Sequence[NoiseFindings], notes: Sequence[str]) -> list[str]:
    """Return the notes so that they go with what was found of the noise.

    A first look may see no correlation where the network, on learning, does.
    """
    is_known = any(one.is_correlated for one in found)
    return [
        _SEEN_LATER if note == GUARDED and found and not is_known else note
        for note in notes
    ]
