"""TIFF files in and out, in the flavour they came in."""

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from napari_mpi.engine.files.blocks import rearranged, write_blocks
from napari_mpi.engine.files.metadata import Flavour, ImageFile, Metadata, size_of
from napari_mpi.engine.files.tiff.complaints import complaints
from napari_mpi.engine.files.tiff.metadata import metadata_of, ome_fields
from napari_mpi.engine.files.tiff.series import lazy_series
from napari_mpi.engine.images.arrays import require_room
from napari_mpi.engine.runtime.errors import ImageFileError
from napari_mpi.engine.runtime.whole_files import whole_file

_IMAGEJ_AXES = "TZCYXS"
_CLASSIC = 2**32 - 2**25  # bytes of pixels beyond which offsets of 32 bits end


def read_tiff(path: Path, *, lazy: bool = False) -> ImageFile:
    """Read the first series of a TIFF file.

    Parameters
    ----------
    path : Path
        The file.
    lazy : bool
        Whether the pixels are read when they are asked for, where that can be.

    Raises
    ------
    ImageFileError
        If the file is damaged, or holds no intensities.
    """
    with complaints(path), tifffile.TiffFile(path) as file:
        _require_intensities(path, file)
        series = file.series[0]
        array = lazy_series(path, series) if lazy else None
        array = series.asarray() if array is None else array
        metadata = metadata_of(file, series.axes, series.shape)
        return ImageFile(array, series.axes, metadata, len(file.series))


def _require_intensities(path: Path, file: tifffile.TiffFile) -> None:
    """Raise if the samples are no intensities, but indices or inks."""
    kinds = {3: "indices of a palette", 5: "inks (CMYK)"}
    photometric = int(file.pages.first.photometric)
    if photometric in kinds and not file.is_imagej:
        raise ImageFileError(
            f"{path} holds {kinds[photometric]}, not intensities: convert it to RGB"
        )


def write_tiff(path: Path, image: ImageFile, provenance: Mapping[str, Any]) -> None:
    """Write a TIFF file in the flavour of its metadata, a block of pixels at a time.

    What comes from another format is written as OME-TIFF. An image that its flavour
    cannot hold is written as a plain file.

    Parameters
    ----------
    path : Path
        A file of that name is replaced.
    image : ImageFile
        Pixels, axes and metadata.
    provenance : mapping
        JSON values, kept in the file.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    image = _in_words_of_tiff(image)
    require_room(size_of(image.array), path.parent)
    with whole_file(path) as target:
        start = _begin(target, image, provenance)
        if start is None:
            return
        with target.open("r+b") as file:
            swapped = file.read(2) != {"little": b"II", "big": b"MM"}[sys.byteorder]
            file.seek(start)
            dtype = image.array.dtype
            write_blocks(file, image.array, dtype.newbyteorder("S" if swapped else "="))


def _begin(target: Path, image: ImageFile, provenance: Mapping[str, Any]) -> int | None:
    """Write all but the pixels; return where they belong, None if they are there."""
    flavour = _fitting_flavour(image)
    try:
        return _write_frame(target, image, flavour, provenance)
    except (ValueError, tifffile.OmeXmlError):
        # Axes, types or words that only tifffile knows not to fit ImageJ or OME.
        return _write_frame(target, image, "plain", provenance)


def _write_frame(
    target: Path, image: ImageFile, flavour: Flavour, provenance: Mapping[str, Any]
) -> int | None:
    metadata, array = image.metadata, image.array
    options: dict[str, Any] = _colour_options(image, flavour)
    if metadata.resolution is not None:
        options["resolution"] = metadata.resolution
        options["resolutionunit"] = metadata.resolution_unit
    options |= _fields(image, flavour, provenance)
    # Of a file beyond 4 GB ImageJ itself writes but the first of the page headers.
    options["truncate"] = flavour == "imagej" and size_of(array) > _CLASSIC
    if array.dtype == bool:  # packed as bits, for which nobody leaves a gap
        tifffile.imwrite(target, np.asarray(array), **options)
        return None
    place = tifffile.imwrite(
        target, shape=array.shape, dtype=array.dtype.newbyteorder("="),
        returnoffset=True, **options,
    )  # fmt: skip
    return int(place[0])


def _in_words_of_tiff(image: ImageFile) -> ImageFile:
    """Return what came from another format with metadata and axes of OME-TIFF."""
    if image.metadata.flavour in ("plain", "imagej", "ome"):
        return image
    axes = image.axes
    if not axes.endswith(("YX", "YXS")):
        order = "TZCYXS"
        axes = "".join(sorted(axes, key=lambda letter: order.find(letter)))
    metadata = Metadata("ome", fields=ome_fields(image.calibration))
    array = rearranged(image.array, image.axes, axes)
    return replace(image, array=array, axes=axes, metadata=metadata)


def _fields(
    image: ImageFile, flavour: Flavour, provenance: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the options of ``tifffile.imwrite`` that keep what the source said."""
    fields = {**image.metadata.fields, "axes": image.axes}
    if flavour == "imagej":
        fields = {name: _as_imagej(name, value) for name, value in fields.items()}
        fields["Info"] = _with_note(fields.get("Info"), provenance)
        return {"imagej": True, "metadata": fields}
    if flavour == "ome":
        fields["Description"] = _with_note(fields.get("Description"), provenance)
        return {"ome": True, "metadata": fields}
    # JSON of a plain file takes numbers, words and lists; ImageJ's tables are arrays.
    plain = {name: value for name, value in fields.items() if _is_json(value)}
    software = f"napari-mpi {provenance.get('version', '')}".strip()
    return {"software": software, "metadata": {**plain, "napari-mpi": dict(provenance)}}


def _fitting_flavour(image: ImageFile) -> Flavour:
    """Return the source's flavour, or 'plain' where that cannot hold this image."""
    flavour, axes, array = image.metadata.flavour, image.axes, image.array
    if flavour != "imagej":
        return flavour
    in_order = [letter for letter in _IMAGEJ_AXES if letter in axes] == list(axes)
    known = array.dtype in (np.uint8, np.uint16, np.int16, np.float32)
    plane = size_of(array)
    for letter, length in zip(axes, array.shape, strict=True):
        plane //= 1 if letter in "YXS" else length
    fits = in_order and known and plane <= _CLASSIC
    return "imagej" if fits else "plain"


def _as_imagej(name: str, value: Any) -> Any:
    """Write letters such as the micro sign as ImageJ does in its description."""
    if not isinstance(value, str) or name in ("Info", "Labels"):
        return value
    letters = (c if c.isascii() else f"\\u{ord(c):04X}" for c in value)
    return "".join(letters)


def _colour_options(image: ImageFile, flavour: Flavour) -> dict[str, Any]:
    size = image.array.shape[image.axes.index("S")] if "S" in image.axes else 0
    # ImageJ has no RGB of more than 8 bits, but composites of as many grey samples.
    composite = flavour == "imagej" and image.array.dtype != np.uint8
    if size not in (3, 4) or composite:
        return {"photometric": "minisblack"}
    layout = "contig" if image.axes.endswith("S") else "separate"
    opacity = {"extrasamples": ["unassalpha"]} if size == 4 else {}
    return {"photometric": "rgb", "planarconfig": layout, **opacity}


def _with_note(text: Any, provenance: Mapping[str, Any]) -> str:
    note = f"napari-mpi: {json.dumps(dict(provenance))}" if provenance else ""
    return "\n".join(part for part in (str(text or "").strip(), note) if part)


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
