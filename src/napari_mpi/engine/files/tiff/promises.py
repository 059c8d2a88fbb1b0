"""What a TIFF file says that it holds, compared with what it does hold."""

import math
from pathlib import Path
from typing import Any

import tifffile

from napari_mpi.engine.files.tiff.sets import OmeFile, files_of

_FEW = 4  # names that are told
_THUMBNAIL = 4  # times as many pixels has the image of a smaller copy


def main_series(file: tifffile.TiffFile) -> int:
    """Return the number of the image that is meant: no thumbnail, no reduced copy.

    Parameters
    ----------
    file : tifffile.TiffFile
        Open.
    """
    sizes = [math.prod(series.keyframe.shape) for series in file.series]
    whole = [n for n, s in enumerate(file.series) if not s.keyframe.is_reduced]
    numbers = whole or list(range(len(sizes)))
    largest = max(sizes[n] for n in numbers)
    return next(n for n in numbers if sizes[n] * _THUMBNAIL > largest)


def notes_on(
    path: Path,
    file: OmeFile,
    series: Any,
    shape: tuple[int, ...],
    complaints: list[str],
) -> list[str]:
    """Return what to tell where a file promises other planes than it has.

    Parameters
    ----------
    path : Path
        The file.
    file : OmeFile
        Open.
    series : tifffile.TiffPageSeries
        The one that is read.
    shape : tuple of int
        Of what is read.
    complaints : list of str
        What tifffile found amiss with what the file says of itself.
    """
    notes = [*_on_missing(path, file, series), *_on_counts(file, series, shape)]
    if file.lacks is not None:
        notes.append(
            f"the file {file.lacks} that describes this set of files is not beside it:"
            " only this file is read, without what the other says of axes and sizes"
        )
    if complaints and not notes:
        notes.append(
            "what the file says of itself does not fit its pixels"
            f" ({_words_of(complaints[0])}): the pixels that are there are read, of"
            f" shape {tuple(shape)}"
        )
    return notes


def _words_of(complaint: str) -> str:
    """Return a complaint of tifffile without the name of the file."""
    return complaint.partition("> ")[2] or complaint


def _on_missing(path: Path, file: OmeFile, series: Any) -> list[str]:
    """Tell planes that are promised, but in no file: they are empty."""
    if series.kind != "ome" or series.dataoffset is not None:
        return []
    missing = sum(page is None for page in series)
    if not missing:
        return []
    gone = [n for n in files_of(file) if not (path.parent / Path(n).name).is_file()]
    names = ", ".join(gone[:_FEW]) + ", ..." * (len(gone) > _FEW)
    why = f" ({_plural(len(gone), 'file')} not there: {names})" if gone else ""
    verb = "is" if missing == 1 else "are"
    return [f"{missing} of {_plural(len(series), 'plane')} {verb} missing{why}: empty"]


def _on_counts(file: OmeFile, series: Any, shape: tuple[int, ...]) -> list[str]:
    """Tell planes beyond, or fewer than, those of which the file speaks."""
    promised = _promised_by_imagej(file)
    held = math.prod(shape) // max(math.prod(series.keyframe.shape), 1)
    if promised is not None and promised != held:
        told = _plural(promised, "plane")
        return [f"the file speaks of {told} but has {held}: these are read"]
    if series.is_multifile or len(file.pages) == 1:
        return []
    pages = {page.index for each in file.series for page in _own_pages(each)}
    beyond = sum(n not in pages for n in range(len(file.pages)))
    if not beyond or series.kind not in ("imagej", "ome", "shaped"):
        return []
    return [
        f"the file speaks of {_plural(held, 'plane')} but has"
        f" {_plural(beyond, 'page')} more: these are left out"
    ]


def _own_pages(series: Any) -> list[Any]:
    if series.dataoffset is not None:  # its pages lie one behind the other
        first = series.keyframe.index
        count = math.prod(series.shape) // max(math.prod(series.keyframe.shape), 1)
        return [_Numbered(first + n) for n in range(count)]
    levels = [page for level in series.levels for page in level]
    return [page for page in levels if page is not None]


class _Numbered:
    def __init__(self, index: int) -> None:
        self.index = index


def _promised_by_imagej(file: OmeFile) -> int | None:
    """Return how many planes ImageJ's description speaks of; None without one."""
    description = str(file.pages.first.description)
    if not description.startswith("ImageJ="):
        return None
    lines = dict(line.split("=", 1) for line in description.splitlines() if "=" in line)
    try:
        return int(lines["images"])
    except (KeyError, ValueError):
        return None


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'s' * (count != 1)}"
