"""The command line that equals a form."""

import dataclasses
import shlex
from pathlib import Path

from napari_mpi.engine.settings.method import Method
from napari_mpi.engine.settings.presets import (
    preset,
)


def command_line(
    source: str | None,
    preset_name: str,
    method: Method,
    *,
    uncertainty: bool = False,
    output: str = "",
) -> str:
    """Return the command that does what the Denoise form says, for a shell.

    Parameters
    ----------
    source : str, optional
        Path of the source's file; 'IN.tif' stands for one that is not known.
    preset_name : str
        The preset that the form started from; only what differs is spelled out.
    method : Method
        As the form has it.
    uncertainty : bool
        Whether a file for it is wanted too.
    output : str
        Where the result goes; beside the source if empty.
    """
    path = Path(source or "IN.tif")
    ending = path.suffix if path.suffix == ".zarr" else ".tif"
    beside_it = path.with_name(f"{path.stem}-denoised{ending}")
    words = ["napari-mpi", "denoise", str(path), "-o", output or str(beside_it)]
    if uncertainty:
        beside = path.with_name(f"{path.stem}-uncertainty.tif")
        words += ["--uncertainty", str(beside)]
    return shlex.join([*words, *method_words(preset_name, method)])


def method_words(preset_name: str, method: Method) -> list[str]:
    """Return the words of a command that say how to denoise.

    Parameters
    ----------
    preset_name : str
        The preset that the form started from; only what differs is spelled out.
    method : Method
        As the form has it.
    """
    words = ["--axes", method.axes] if method.axes else []
    words += ["--preset", preset_name]
    words += ["--weights", method.weights, "--device", method.device]
    usual = dataclasses.asdict(preset(preset_name))
    for name, value in dataclasses.asdict(method.config).items():
        if value != usual[name]:
            words += _option(name, value)
    return words


def _option(name: str, value: object) -> list[str]:
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    return [f"--{flag}", str(value)]
