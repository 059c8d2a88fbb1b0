"""Which DICOM files make one image, and in what order."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_mpi.engine.files.dicom.counting import frames_held, require_inflatable
from napari_mpi.engine.files.metadata import Calibration
from napari_mpi.engine.runtime.errors import ImageFileError

_TAGS = [
    "SeriesInstanceUID", "InstanceNumber", "Rows", "Columns", "SamplesPerPixel",
    "BitsAllocated", "PixelRepresentation", "PhotometricInterpretation",
    "NumberOfFrames", "ImagePositionPatient", "ImageOrientationPatient",
    "PixelSpacing", "ImagerPixelSpacing", "SliceThickness", "SpacingBetweenSlices",
    "FrameTime", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    "RescaleSlope", "RescaleIntercept", "PixelPaddingValue",
    "PixelPaddingRangeLimit", "SeriesDescription", "SeriesNumber", "BitsStored",
]  # fmt: skip
_ALIKE = _TAGS[2:8]  # what all files of an image have in common
_SAME_PLACE = 1e-3  # mm
SUFFIXES = (".dcm", ".dicom", ".ima")
"""Endings of the names of DICOM files, in small letters."""

Header = Any  # a pydicom data set of `_TAGS`


def headers(pydicom: Any, path: Path) -> dict[Path, Header]:
    """Return what the DICOM images of a folder, or the one file, say.

    Files of other kinds, and DICOM files that hold no image, are passed over.

    Parameters
    ----------
    pydicom : module
        The package.
    path : Path
        Folder or file.

    Raises
    ------
    ImageFileError
        If there is no DICOM image.
    """
    found = {}
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        if not file.is_file() or file.name.startswith("."):
            continue
        header = _header(pydicom, file, forced=not path.is_dir() or _is_named(file))
        if header is None:
            continue
        if "Rows" in header and "Columns" in header:
            found[file] = header
    if not found:
        raise ImageFileError(
            f"{path} holds no DICOM image: give a DICOM file, or the folder of a series"
        )
    return found


def _is_named(file: Path) -> bool:
    return file.name.lower().endswith(SUFFIXES)


def _header(pydicom: Any, file: Path, *, forced: bool) -> Header | None:
    """Return what a file says; None if it is no DICOM.

    Parameters
    ----------
    pydicom : module
        The package.
    file : Path
        The file.
    forced : bool
        Whether to read it even without the mark that such files begin with.
    """
    require_inflatable(pydicom, file)
    try:
        header = pydicom.dcmread(
            file, stop_before_pixels=True, specific_tags=_TAGS, force=forced
        )
    except Exception:  # noqa: BLE001 what is forced to be read may be anything
        return None
    if "TransferSyntaxUID" not in header.file_meta:
        implicit, little = header.original_encoding
        uid = pydicom.uid
        usual = uid.ImplicitVRLittleEndian if implicit else uid.ExplicitVRLittleEndian
        header.file_meta.TransferSyntaxUID = (
            usual if little else uid.ExplicitVRBigEndian
        )
        header.syntax_is_guessed = True
    if "NumberOfFrames" in header and "Rows" in header and "Columns" in header:
        _count_frames(pydicom, file, header)
    return header


def _count_frames(pydicom: Any, file: Path, header: Header) -> None:
    """Put right how many frames a file holds, should it say another number."""
    said, held = frames(header), frames_held(pydicom, file, header)
    if held is not None and held != said:
        header.NumberOfFrames, header.frames_said = held, said


def chosen_series(
    path: Path, found: Mapping[Path, Header], wanted: int | str | None = None
) -> tuple[dict[Path, Header], list[str], int]:
    """Return the files of a series, the names of all series, and the number of it.

    Parameters
    ----------
    path : Path
        Folder or file.
    found : mapping of Path to header
        All files.
    wanted : int or str, optional
        Number or name of the series; that with most planes if None.

    Raises
    ------
    ImageFileError
        If there is no such series, or images of different sizes or types are mixed in
        it.
    """
    series: dict[str, dict[Path, Header]] = defaultdict(dict)
    for file, header in found.items():
        series[str(header.get("SeriesInstanceUID", ""))][file] = header
    every = list(series.values())
    sizes = [sum(map(frames, files.values())) for files in every]
    names = [_name_of(files, size) for files, size in zip(every, sizes, strict=True)]
    number = sizes.index(max(sizes))
    if wanted is not None:
        number = _number_of(path, str(wanted), every, names)
    _require_alike(path, list(every[number].values()))
    return every[number], names, number


def _name_of(files: Mapping[Path, Header], size: int) -> str:
    """Return name and number of planes of a series, for a note."""
    header = next(iter(files.values()))
    said = str(header.get("SeriesDescription") or header.get("SeriesNumber") or "")
    return f"{said or 'without a name'}, {size} plane{'s' * (size != 1)}"


def _number_of(
    path: Path, wanted: str, every: Sequence[Mapping[Path, Header]], names: list[str]
) -> int:
    for number, files in enumerate(every):
        header = next(iter(files.values()))
        if wanted == str(header.get("SeriesDescription")):
            return number
    if wanted.isdecimal() and int(wanted) < len(every):
        return int(wanted)
    raise ImageFileError(f"{path} has no series {wanted!r}: it has {listed(names)}")


def listed(names: Sequence[str]) -> str:
    """Return the names of series with their numbers."""
    return "; ".join(f"{number} ({name})" for number, name in enumerate(names))


def _require_alike(path: Path, chosen: Sequence[Header]) -> None:
    several = len(chosen) > 1 and any(frames(header) > 1 for header in chosen)
    kinds = {tuple(str(h.get(name)) for name in _ALIKE) for h in chosen}
    if len(kinds) > 1:
        one, other = sorted(kinds)[:2]
        raise ImageFileError(
            f"{path} mixes images of different kinds in one series"
            f" ({' x '.join(one[:2])} and {' x '.join(other[:2])} pixels): keep those"
            " of one kind"
        )
    if several:
        raise ImageFileError(
            f"{path} holds {len(chosen)} files of several frames each: give one of them"
        )


def frames(header: Header) -> int:
    """Return how many planes a file holds.

    Parameters
    ----------
    header : pydicom.Dataset
        Of the file.
    """
    return int(header.get("NumberOfFrames") or 1)


def arranged(chosen: Mapping[Path, Header]) -> tuple[list[Path], int]:
    """Return the files in order, and how many times each place was taken.

    They are sorted by their place along the normal of the slices, where all have one,
    or else by their number. Where each place was taken equally often, all places of
    the first time come first.

    Parameters
    ----------
    chosen : mapping of Path to header
        Files of one series.
    """
    by_number = sorted(
        chosen, key=lambda file: (int(chosen[file].get("InstanceNumber") or 0), file)
    )
    places = _places([chosen[file] for file in by_number])
    if places is None:
        return by_number, 1
    stacks: list[list[Path]] = []
    last = -np.inf
    for n in sorted(range(len(places)), key=lambda n: places[n]):
        if places[n] - last > _SAME_PLACE:
            stacks.append([])
            last = places[n]
        stacks[-1].append(by_number[n])
    times = len(stacks[0])
    if any(len(stack) != times for stack in stacks):
        return by_number, 1
    by_place = [sorted(stack, key=by_number.index) for stack in stacks]
    return [stack[t] for t in range(times) for stack in by_place], times


def _places(ordered: Iterable[Header]) -> list[float] | None:
    """Return the place of every slice along their normal; None if one has none."""
    places, first = [], None
    for header in ordered:
        corner = header.get("ImagePositionPatient")
        sides = header.get("ImageOrientationPatient")
        if not corner or not sides:
            return None
        first = np.array(sides, float) if first is None else first
        if not np.allclose(first, np.array(sides, float), atol=1e-3):
            return None
        normal = np.cross(first[:3], first[3:])
        places.append(float(np.dot(normal, np.array(corner, float))))
    return places


def calibration(ordered: Sequence[Header], axes: str) -> Calibration:
    """Return the sizes of steps that files in order tell.

    Parameters
    ----------
    ordered : sequence of headers
        As `arranged`, those of the first time.
    axes : str
        Axes of the image.
    """
    header = ordered[0]
    measures = _measures(header)
    spacing = _said(measures, "PixelSpacing") or _said(header, "ImagerPixelSpacing")
    down, across = spacing or (None, None)
    depth = _depth(ordered) or _said(measures, "SpacingBetweenSlices")
    found = {
        "Y": (down, "mm"),
        "X": (across, "mm"),
        "Z": (depth or _said(measures, "SliceThickness"), "mm"),
        "T": (_said(header, "FrameTime"), "ms"),
    }
    steps = {
        axis: (float(step), unit)
        for axis, (step, unit) in found.items()
        if axis in axes and step is not None and float(step) > 0
    }
    return Calibration(steps)


def _measures(header: Header) -> Header:
    """Return where a file of many frames, or of one, keeps its spacing."""
    shared = header.get("SharedFunctionalGroupsSequence") or [{}]
    measures = shared[0].get("PixelMeasuresSequence") or [header]
    return measures[0]


def _said(header: Header, name: str) -> Any:
    value = header.get(name)
    return None if value in (None, "") else value


def _depth(ordered: Sequence[Header]) -> float | None:
    places = _places(ordered) if len(ordered) > 1 else None
    return None if places is None else float(np.median(np.abs(np.diff(places))))


def gaps(ordered: Sequence[Header]) -> int:
    """Return how many slices seem to be missing between those that are there.

    Parameters
    ----------
    ordered : sequence of headers
        As `arranged`, those of the first time.
    """
    places: Sequence[float] | None = _places(ordered) if len(ordered) > 2 else None
    if places is None:
        numbers = sorted({int(h.get("InstanceNumber") or 0) for h in ordered})
        distinct = len(numbers) == len(ordered)
        return numbers[-1] - numbers[0] + 1 - len(numbers) if distinct else 0
    steps = np.abs(np.diff(places))
    usual = float(np.median(steps))
    return int((np.rint(steps / usual) - 1).clip(min=0).sum()) if usual > 0 else 0
