"""DICOM series in, and out as a derived series; pydicom comes as an extra."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_mpi.engine.files.dicom.arrays import DicomArray, require_decoder
from napari_mpi.engine.files.dicom.rescaling import Rescaling, rescaling_of
from napari_mpi.engine.files.dicom.series import (
    SUFFIXES,
    arranged,
    calibration,
    chosen_series,
    frames,
    gaps,
    headers,
    listed,
)
from napari_mpi.engine.files.metadata import ImageFile, Metadata
from napari_mpi.engine.runtime.errors import ImageFileError
from napari_mpi.engine.runtime.optional import extra

DICOM_SUFFIXES = SUFFIXES
_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


@dataclass(frozen=True, slots=True)
class DicomSource:
    """What is written back of a DICOM series.

    Parameters
    ----------
    files : tuple of Path
        Its files in the order of the image's planes.
    shape : tuple of int
        Shape of the image.
    dtype : numpy.dtype
        Type of the image.
    white_is_zero : bool
        Whether it is shown inverted.
    """

    files: tuple[Path, ...] = field(repr=False)
    shape: tuple[int, ...]
    dtype: Any
    white_is_zero: bool = False


def looks_like_dicom(path: Path) -> bool:
    """Return whether a file has the mark of DICOM; many such files have no suffix.

    Parameters
    ----------
    path : Path
        The file.
    """
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def read_dicom(
    path: Path, *, lazy: bool = False, series: int | str | None = None
) -> ImageFile:
    """Read a DICOM file, or of a folder the series that has most planes.

    The values are those stored, and what they stand for is told beside.

    Parameters
    ----------
    path : Path
        A file, or a folder of which all files are looked at.
    lazy : bool
        Whether the pixels are read when they are asked for.
    series : int or str, optional
        Which series of a folder, by number from 0 or by its description.

    Raises
    ------
    ImageFileError
        If there is no such series, it mixes sizes, it cannot be unpacked, or the
        package pydicom is missing.
    """
    pydicom = extra("pydicom", "medical", path)
    chosen, names, number = chosen_series(path, headers(pydicom, path), series)
    files, times = arranged(chosen)
    ordered = [chosen[file] for file in files]
    header = ordered[0]
    require_decoder(pydicom, path, header)
    axes, outer = _outer(header, len(files), times)
    colours = _colours(path, header)
    plane = (int(header.Rows), int(header.Columns), *colours)
    axes += "YXS" if colours else "YX"
    planes = [(file, n) for file in files for n in range(frames(chosen[file]))]
    wrong = _is_guessed(header) or hasattr(header, "frames_said")
    syntax = header.file_meta.TransferSyntaxUID if wrong else None
    array = DicomArray(pydicom, planes, outer, plane, _dtype(path, header), syntax)
    rescaling = rescaling_of(ordered)
    if header.file_meta.TransferSyntaxUID.is_compressed:
        array[(0,) * len(outer)]  # what cannot be unpacked is told before the work
    known = calibration(ordered[: len(files) // times], axes)
    source = DicomSource(
        tuple(files),
        array.shape,
        array.dtype,
        white_is_zero=header.get("PhotometricInterpretation") == "MONOCHROME1",
    )
    metadata = Metadata(
        "dicom",
        calibration=known,
        source=source,
        nodata=rescaling.padding,
        scaling=rescaling.as_one,
    )
    notes = _notes(header, rescaling, gaps(ordered[: len(files) // times]))
    if len(names) > 1:
        notes.append(
            f"the folder has {len(names)} series, of which number {number}"
            f" ({names[number]}) is read{_why(series)}: --series chooses among"
            f" {listed(names)}"
        )
    whole = array if lazy else np.asarray(array)
    return ImageFile(whole, axes, metadata, len(names), tuple(notes))


def _why(wanted: int | str | None) -> str:
    return ", that with most planes" if wanted is None else ""


def _is_guessed(header: Any) -> bool:
    return bool(getattr(header, "syntax_is_guessed", False))


def _notes(header: Any, rescaling: Rescaling, missing: int) -> list[str]:
    notes = []
    if _is_guessed(header):
        syntax = header.file_meta.TransferSyntaxUID.name
        notes.append(f"the file does not say how it is packed: read as {syntax}")
    if hasattr(header, "frames_said"):
        notes.append(
            f"the file speaks of {header.frames_said} frames but has {frames(header)}:"
            " these are read"
        )
    if missing:
        verb = "slice seems" if missing == 1 else "slices seem"
        notes.append(f"{missing} {verb} to be missing between those that are there")
    if rescaling.as_one.planes:
        notes.append("its slices have slopes of their own, which are kept or applied")
    return notes


def _outer(header: Any, files: int, times: int) -> tuple[str, tuple[int, ...]]:
    """Return letters and lengths of the dimensions that count planes."""
    if times > 1:
        depth = files // times
        return ("TZ", (times, depth)) if depth > 1 else ("T", (times,))
    count = frames(header)
    if count > 1:
        return ("T" if "FrameTime" in header else "Z"), (count,)
    return ("Z", (files,)) if files > 1 else ("", ())


def _colours(path: Path, header: Any) -> tuple[int, ...]:
    kind = str(header.get("PhotometricInterpretation", "MONOCHROME2"))
    if kind in _COLOURS:
        return (3,)
    if kind.startswith("MONOCHROME"):
        return ()
    raise ImageFileError(
        f"{path} holds pixels of kind {kind}, not intensities: convert it to RGB"
    )


def _dtype(path: Path, header: Any) -> np.dtype[Any]:
    bits = int(header.get("BitsAllocated", 16))
    if bits in (32, 64) and "PixelRepresentation" not in header:
        return np.dtype(f"f{bits // 8}")  # as the module of real pixels says
    if bits not in (8, 16, 32):
        raise ImageFileError(
            f"{path} has {bits} bits per pixel, and 8, 16 or 32 are read: convert it"
        )
    return np.dtype(f"{'i' if header.get('PixelRepresentation') else 'u'}{bits // 8}")
