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
from napari_mpi.engine.files.patience import require_memory
from napari_mpi.engine.files.tiff.chain import require_segments
from napari_mpi.engine.files.tiff.complaints import complaints
from napari_mpi.engine.files.tiff.metadata import TiffSource, metadata_of, ome_fields
from napari_mpi.engine.files.tiff.promises import main_series, notes_on
from napari_mpi.engine.files.tiff.series import lazy_series
from napari_mpi.engine.files.tiff.sets import OmeFile
from napari_mpi.engine.images.arrays import require_room
from napari_mpi.engine.images.axes import guessed_in_words, told_or_guessed
from napari_mpi.engine.runtime.errors import AxesError, ImageFileError
from napari_mpi.engine.runtime.leftovers import locked_new, part_name
from napari_mpi.engine.runtime.whole_files import whole_file

_IMAGEJ_AXES = "TZCYXS"
READ_ONLY = (".lsm", ".stk")
"""Endings of files that microscopes write, and nobody else."""

_LISTED = 5  # series that are told
_CLASSIC = 2**32 - 2**25  # bytes of pixels beyond which offsets of 32 bits end


def read_tiff(
    path: Path, *, lazy: bool = False, series: int | str | None = None
) -> ImageFile:
    """Read an image of a TIFF file, or of the set of files that it is part of.

    Parameters
    ----------
    path : Path
        The file.
    lazy : bool
        Whether the pixels are read when they are asked for, where that can be.
    series : int or str, optional
        Which image, by its number from 0 or its name; the first that is no smaller copy
        of another if None.

    Raises
    ------
    ImageFileError
        If the file is damaged, holds no intensities, or has no such series.
    """
    with complaints(path) as doubts, OmeFile(path) as file:
        number = _number_of(path, file, series)
        chosen = file.series[number]
        _require_intensities(path, file, chosen.keyframe)
        require_segments(path, chosen.keyframe)
        array = lazy_series(path, chosen) if lazy else None
        if array is None:
            require_memory(path, chosen.nbytes)
            array = chosen.asarray()
        axes, guessed = _axes_of(chosen)
        notes = notes_on(path, file, chosen, array.shape, doubts)
        metadata = metadata_of(file, axes, chosen)
    if guessed:
        notes.append(guessed_in_words(axes))
    if len(file.series) > 1:
        notes.append(_several(file, number))
    return ImageFile(array, axes, metadata, len(file.series), tuple(notes))


def _axes_of(series: Any) -> tuple[str, bool]:
    """Return the axes of a series, and whether they are guessed."""
    try:
        return told_or_guessed(series.axes, series.shape)
    except AxesError:  # whoever reads the file may name them
        return str(series.axes), False


def _number_of(path: Path, file: Any, wanted: int | str | None) -> int:
    """Return the number of the series that is wanted, by number or name."""
    if wanted is None:
        return main_series(file)
    names = [str(series.name) for series in file.series]
    if str(wanted) in names:
        return names.index(str(wanted))
    if str(wanted).isdecimal() and int(wanted) < len(names):
        return int(wanted)
    raise ImageFileError(f"{path} has no series {wanted!r}: it has {_listed(file)}")


def _several(file: Any, number: int) -> str:
    return (
        f"the file has {len(file.series)} images, of which number {number} is read:"
        f" --series chooses among {_listed(file)}"
    )


def _listed(file: Any) -> str:
    """Return the numbers, names and sizes of a file's first series."""
    told = [
        f"{n} ({' '.join(filter(None, (str(s.name), ' x '.join(map(str, s.shape)))))})"
        for n, s in enumerate(file.series[:_LISTED])
    ]
    return ", ".join(told) + ", ..." * (len(file.series) > _LISTED)


def _require_intensities(path: Path, file: Any, page: Any) -> None:
    """Raise if the samples are no intensities, but indices or inks."""
    kinds = {3: "indices of a palette", 5: "inks (CMYK)"}
    photometric = int(page.photometric)
    if photometric in kinds and not file.is_imagej:
        raise ImageFileError(
            f"{path} holds {kinds[photometric]}, not intensities: convert it to RGB"
        )


def tiff_problem(path: Path, image: ImageFile | None = None) -> str | None:
    """Return why a TIFF file cannot be written here, or None.

    Parameters
    ----------
    path : Path
        The file to write.
    image : ImageFile, optional
        What to write.
    """
    del image
    if path.suffix.lower() in READ_ONLY:
        return (
            f"{path} cannot be written, files of this kind come from microscopes only:"
            " give a name that ends in .tif"
        )
    return None


def tiff_frame(path: Path, image: ImageFile) -> tuple[str, ...]:
    """Write all but the pixels of a TIFF file, and leave nothing of it.

    Parameters
    ----------
    path : Path
        The file to write, in whose folder it is tried.
    image : ImageFile
        What to write.
    """
    image = _in_words_of_tiff(image)
    require_room(size_of(image.array), path.parent)
    if image.array.dtype != bool:  # whose pixels are a part of it
        target = part_name(path)
        try:
            with locked_new(target):
                _begin(target, image, {})
        finally:
            target.unlink(missing_ok=True)
    return ()


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
    options["extratags"] = _tags_of(metadata.source)
    # Of a file beyond 4 GB ImageJ itself writes but the first of the page headers.
    if target.suffix.lower() in (".btf", ".tf8"):
        options["bigtiff"] = True
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
    inverted = bool(getattr(image.metadata.source, "white_is_zero", False))
    fields = ome_fields(image.calibration)
    metadata = Metadata("ome", fields=fields, source=TiffSource(inverted))
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
        source = image.metadata.source
        inverted = isinstance(source, TiffSource) and source.white_is_zero
        return {"photometric": "miniswhite" if inverted else "minisblack"}
    layout = "contig" if image.axes.endswith("S") else "separate"
    opacity = {"extrasamples": ["unassalpha"]} if size == 4 else {}
    return {"photometric": "rgb", "planarconfig": layout, **opacity}


def _tags_of(source: Any) -> list[tuple[Any, ...]]:
    """Return tags that are written back as the source had them."""
    if not isinstance(source, TiffSource):
        return []
    tags: list[tuple[Any, ...]] = []
    if source.orientation != 1:
        tags.append((274, "H", 1, source.orientation, True))
    if source.gdal_no_data is not None:
        tags.append((42113, "s", 0, source.gdal_no_data, True))
    return tags


def _with_note(text: Any, provenance: Mapping[str, Any]) -> str:
    note = f"napari-mpi: {json.dumps(dict(provenance))}" if provenance else ""
    return "\n".join(part for part in (str(text or "").strip(), note) if part)


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
