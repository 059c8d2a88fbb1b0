"""Which DICOM files make one image, and in what order."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_mpi.engine.files.metadata import Calibration
from napari_mpi.engine.runtime.errors import ImageFileError

_TAGS = [
    "SeriesInstanceUID", "InstanceNumber", "Rows", "Columns", "SamplesPerPixel",
    "BitsAllocated", "PixelRepresentation", "PhotometricInterpretation",
    "NumberOfFrames", "ImagePositionPatient", "ImageOrientationPatient",
    "PixelSpacing", "ImagerPixelSpacing", "SliceThickness", "SpacingBetweenSlices",
    "FrameTime", "SharedFunctionalGroupsSequence",
]  # fmt: skip
_ALIKE = _TAGS[2:8]  # what all files of an image have in common
_SAME_PLACE = 1e-3  # mm

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
        try:
            header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=_TAGS)
        except pydicom.errors.InvalidDicomError:
            continue
        if "Rows" in header and "Columns" in header:
            found[file] = header
    if not found:
        raise ImageFileError(
            f"{path} holds no DICOM image: give a DICOM file, or the folder of a series"
        )
    return found


def largest_series(
    path: Path, found: Mapping[Path, Header]
) -> tuple[dict[Path, Header], int]:
    """Return the files of the series with most planes, and how many series there are.

    Raises
    ------
    ImageFileError
        If images of different sizes or types are mixed in it.
    """
    series: dict[str, dict[Path, Header]] = defaultdict(dict)
    for file, header in found.items():
        series[str(header.get("SeriesInstanceUID", ""))][file] = header
    chosen = max(series.values(), key=lambda files: sum(map(frames, files.values())))
    _require_alike(path, list(chosen.values()))
    return chosen, len(series)


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
