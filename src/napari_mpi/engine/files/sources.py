"""What a source consists of, so that no result takes the place of any of it."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from napari_mpi.engine.files.formats import DICOM, TIFF, ZARR
from napari_mpi.engine.files.tiff.sets import parts_of
from napari_mpi.engine.runtime.errors import ImageFileError
from napari_mpi.engine.runtime.folders import files_below

_Identity = tuple[int, int]


def files_of(source: Path) -> list[Path]:
    """Return every file that an image is read from, in a fixed order.

    Of an OME-Zarr these are all files of its folder, of another folder those of DICOM,
    of an OME-TIFF file its set, with the file that describes it.

    Parameters
    ----------
    source : Path
        A file or folder that is read as one image.
    """
    if not source.is_dir():
        return list(parts_of(source)) if TIFF.names(source) else [source]
    if ZARR.holds(source):
        return sorted(files_below(source))
    files = (part for part in source.iterdir() if part.is_file())
    return sorted(part for part in files if DICOM.holds(part))


class Sources:
    """Images that are read, and must be there afterwards.

    Files are told apart by the disk's number and their own, not by their names.

    Parameters
    ----------
    paths : iterable of Path
        Files and folders that are read as images.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._parts: dict[_Identity, Path] = {}
        self._above: dict[_Identity, Path] = {}
        self._whole: set[_Identity] = set()  # folders that are images as a whole
        self._seen: set[Path] = set()
        for path in paths:
            self._add(path)

    def _add(self, source: Path) -> None:
        is_whole = source.is_dir() and ZARR.holds(source)
        # An OME-Zarr may have millions of files, and all of them lie in its folder.
        parts = [source] if is_whole else [source, *_existing_files_of(source)]
        for part in parts:
            for identity in _identities((part,)):
                self._parts[identity] = source
                self._whole |= {identity} if is_whole else set()
        for folder in (source.absolute().parent, _whole(source).parent):
            if folder not in self._seen:
                self._seen.add(folder)
                around = _identities((folder, *folder.parents))
                self._above.update(dict.fromkeys(around, source))

    def problem(self, output: Path) -> str | None:
        """Return a sentence if an output would take the place of a source, else None.

        Parameters
        ----------
        output : Path
            Where something is to be written; it is, holds or lies in no source.
        """
        for identity in _identities((output,)):
            if identity in self._parts:
                return self._is_part(output, self._parts[identity])
            if identity in self._above:
                source = self._above[identity]
                return f"the output {output} holds the input {source}: {_OTHER}"
        for identity in _identities(_whole(output).parents):
            if identity in self._whole:
                source = self._parts[identity]
                return f"the output {output} lies in the input {source}: {_OTHER}"
        return None

    @staticmethod
    def _is_part(output: Path, source: Path) -> str:
        if output.samefile(source):
            return f"the output {output} is the input itself: {_OTHER}"
        return f"the output {output} is a file of the input {source}: {_OTHER}"


_OTHER = "give another name"


def require_apart(output: Path, *sources: Path) -> None:
    """Raise ImageFileError if an output is, holds or lies in a source.

    Parameters
    ----------
    output : Path
        Where something is to be written.
    *sources : Path
        What is read.
    """
    problem = Sources(sources).problem(output)
    if problem is not None:
        raise ImageFileError(problem)


def _existing_files_of(source: Path) -> list[Path]:
    with suppress(OSError):
        return files_of(source)
    return []


def _whole(path: Path) -> Path:
    """Return where links lead; of a link that leads to itself, where it is."""
    return Path(os.path.realpath(path))


def _identities(paths: Iterable[Path]) -> Iterator[_Identity]:
    """Yield disk and number of those that are there."""
    for path in paths:
        with suppress(OSError):
            status = os.stat(path)
            yield status.st_dev, status.st_ino
