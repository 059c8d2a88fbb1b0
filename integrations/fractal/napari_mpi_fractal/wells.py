"""The list of images that a well of a plate holds, OME-NGFF 0.4 and 0.5."""

import json
import os
from pathlib import Path
from typing import Any

from filelock import FileLock

_PATIENCE = 60  # seconds to wait for another job that writes the list


def add_to_well(well: Path, source: str, new: str) -> bool:
    """List a new image in a well, with the acquisition of the one it was made from.

    Parameters
    ----------
    well : Path
        The folder that holds both.
    source, new : str
        Names of the two images.

    Returns
    -------
    bool
        Whether the folder is a well that lists the source; else nothing is done.

    Raises
    ------
    filelock.Timeout
        If another job does not let go of the list.
    """
    file = _description_of(well)
    if file is None:
        return False
    with FileLock(well / ".napari-mpi.lock", timeout=_PATIENCE):
        said = json.loads(file.read_text())
        images = _images_in(said)
        origin = next((image for image in images if image.get("path") == source), None)
        if origin is None:
            return False
        if all(image.get("path") != new for image in images):
            images.append(origin | {"path": new})
            _write_whole(file, said)
    return True


def _description_of(folder: Path) -> Path | None:
    """Return the file with the attributes of a group, or None."""
    files = (folder / "zarr.json", folder / ".zattrs")
    return next((file for file in files if file.is_file()), None)


def _images_in(said: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the list itself, so that it can be changed; none of another group."""
    attributes = (
        said.get("attributes", {}).get("ome", {}) if "node_type" in said else said
    )
    images: list[dict[str, Any]] = attributes.get("well", {}).get("images", [])
    return images


def _write_whole(file: Path, said: dict[str, Any]) -> None:
    """Write JSON in one step: who reads meanwhile sees the old list or the new one."""
    part = file.with_name(f"{file.name}.part")
    part.write_text(json.dumps(said, indent=2))
    os.replace(part, file)
