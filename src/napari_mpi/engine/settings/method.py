"""How to denoise, whatever the file; torch-free, for forms and command lines."""

from dataclasses import dataclass

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
    """

    config: FillingConfig
    weights: str
    device: str = "auto"
    axes: str | None = None
