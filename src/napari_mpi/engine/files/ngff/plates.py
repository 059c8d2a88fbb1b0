"""Plates and wells of OME-Zarr: which fields, each an image, they hold."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_mpi.engine.runtime.whole_files import whole_file

_DESCRIPTIONS = ("zarr.json", ".zgroup", ".zattrs")


def fields_of(path: Path) -> list[Path]:
    """Return the fields of a plate or a well that are there; none of anything else.

    Parameters
    ----------
    path : Path
        A folder.
    """
    said = _attributes(path)
    fields = [path / str(image["path"]) for image in _listed(said, "well", "images")]
    for well in _listed(said, "plate", "wells"):
        fields += fields_of(path / str(well["path"]))
    return [field for field in fields if field.is_dir()]


def is_in_zarr(path: Path) -> bool:
    """Return whether a path without a suffix lies in a Zarr, as fields of a plate do.

    Parameters
    ----------
    path : Path
        A folder, which need not be there.
    """
    return any(folder.suffix.lower() == ".zarr" for folder in path.parents)


def is_plate(path: Path) -> bool:
    """Return whether a folder is a plate or a well of one.

    Parameters
    ----------
    path : Path
        A folder.
    """
    return bool({"plate", "well"} & set(_attributes(path)))


def mirror_plate(field: Path, output: Path) -> None:
    """Say of the folders above a result what those above its source say.

    Parameters
    ----------
    field : Path
        A field of a plate; of anything else nothing happens.
    output : Path
        Where its result goes: as deep in the plate of the results.
    """
    plate = plate_of(field)
    above = [] if plate is None else list(field.parents)
    for source, target in zip(above, output.parents, strict=False):
        target.mkdir(parents=True, exist_ok=True)
        for name in _DESCRIPTIONS:
            if (source / name).is_file() and not (target / name).exists():
                with whole_file(target / name) as new:
                    shutil.copyfile(source / name, new)
        if source == plate:
            return


def plate_of(field: Path) -> Path | None:
    """Return the plate that a field or a well lies in, or None.

    Parameters
    ----------
    field : Path
        A folder.
    """
    above = list(field.parents)[:3]
    return next((folder for folder in above if "plate" in _attributes(folder)), None)


def _attributes(path: Path) -> Mapping[str, Any]:
    """Return what the group of a folder says of OME, of either version."""
    try:
        if (path / "zarr.json").is_file():
            said = json.loads((path / "zarr.json").read_text())["attributes"]["ome"]
        else:
            said = json.loads((path / ".zattrs").read_text())
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return said if isinstance(said, Mapping) else {}


def _listed(said: Mapping[str, Any], kind: str, what: str) -> list[Mapping[str, Any]]:
    try:
        return [part for part in said[kind][what] if "path" in part]
    except (KeyError, TypeError):
        return []
