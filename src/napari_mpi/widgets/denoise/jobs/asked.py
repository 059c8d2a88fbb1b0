"""What a run of the Denoise widget asks for, and what its job tells."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_mpi.engine.settings.method import Method
from napari_mpi.widgets.denoise.jobs.source import Source
from napari_mpi.widgets.layers.selection import Selection


@dataclass(frozen=True, slots=True)
class Request:
    """Everything that a run needs, taken from the form when it starts."""

    selection: Selection
    method: Method
    reference: Selection | None = None
    wants_uncertainty: bool = False
    how: str = ""
    """What the name of the result should say of the settings."""
    output: Path | None = None
    """An OME-Zarr that the result is written to while it is made; none if None."""
    source: Source = field(default_factory=Source)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The first thing that a run tells: where and how it will work.

    Parameters
    ----------
    image : NDArray or LazyArray
        What the result starts from, see `result_for`.
    device : str
        The device's real name.
    notices : tuple of str
        What a person should know before waiting.
    made : dict
        Provenance of the result.
    state : DenoisingState
        Holds the result while the work goes on, and when it has ended.
    """

    image: Any = field(repr=False)
    device: str
    notices: tuple[str, ...]
    made: dict[str, Any] = field(repr=False)
    state: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class Advance:
    """A snapshot of the work, and how close it comes to the reference, if any."""

    snapshot: Any
    psnr: float | None


@dataclass(frozen=True, slots=True)
class Finished:
    """The last thing that a complete run tells.

    Parameters
    ----------
    quality : str, optional
        PSNR and SSIM of the result, in words; None without a reference.
    before : float, optional
        PSNR of the source in dB.
    after : float, optional
        PSNR of the result in dB.
    """

    quality: str | None = None
    before: float | None = None
    after: float | None = None
