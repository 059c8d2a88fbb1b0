"""How to denoise, whatever the file; torch-free, for forms and command lines."""

from dataclasses import dataclass, replace
from pathlib import Path

from napari_mpi.engine.settings.filling import FillingConfig


@dataclass(frozen=True, slots=True)
class Method:
    """How to denoise, whatever the file.

    Parameters
    ----------
    config : FillingConfig
        A preset or settings of one's own.
    weights : str
        As `load_weights` takes them.
    device : str
        As `resolve_device` takes it.
    axes : str, optional
        One letter per dimension; as each file says if None.
    series : int or str, optional
        Which image of a file that has several, by number or name; the main one if None.
    level : int
        Which level of an OME-Zarr, from 0, the finest.
    """

    config: FillingConfig
    weights: str
    device: str = "auto"
    axes: str | None = None
    series: int | str | None = None
    level: int = 0

    def with_whole_path(self) -> "Method":
        """Return the same with weights whose path holds in any folder."""
        path = Path(self.weights)
        return replace(self, weights=str(path.absolute())) if path.is_file() else self
