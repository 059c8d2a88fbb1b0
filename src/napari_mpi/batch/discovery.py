"""Finding the images of a folder."""

import fnmatch
import os
import re
import stat
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from napari_mpi.batch.outcomes import Status
from napari_mpi.batch.request import (
    HIDDEN,
    Folders,
    Item,
    item_of,
    said,
)
from napari_mpi.engine.files.formats import DICOM, TIFF, ZARR, format_of
from napari_mpi.engine.files.ngff.plates import fields_of, is_plate
from napari_mpi.engine.files.ngff.unfinished import unfinished_problem
from napari_mpi.engine.files.tiff.sets import set_of
from napari_mpi.engine.runtime.errors import ImageFileError
from napari_mpi.engine.runtime.folders import files_below

_UNKNOWN = "it is no image of a kind that is read"
_LOOP = "a link leads here to a folder that is searched already, by another name"
_RESULTS = "it holds the results of a batch"

_Identity = tuple[int, int]


def discover(folders: Folders) -> list[Item]:
    """Find the images of a folder, in the order that people count in.

    Hidden files and the output folder are passed over; links are followed, but into no
    folder twice. Of what matches, files of other kinds are skipped, and folders of
    results; what cannot be looked at, and what would be written to the same place,
    fails; each with a reason.

    Parameters
    ----------
    folders : Folders
        Where to look, and what for.

    Raises
    ------
    ImageFileError
        If the folder is missing, is an image itself, or has nothing that matches.
    """
    source = folders.source
    _require_folder(source)
    found: dict[tuple[str, Path], Item] = {}
    output = folders.output
    own = _identity(output.stat()) if output.is_dir() else None
    for item in _walk(folders, source, {_identity(source.stat())}, own):
        key = item.name, item.source
        if key in found:  # the slices of a series are one item
            item = replace(item, size=item.size + found[key].size)
        found[key] = item
    if not found:
        deeper = "" if folders.recursive else ", or look into its folders too"
        raise ImageFileError(
            f"nothing in {source} matches '{folders.pattern}': choose another folder or"
            f" pattern{deeper}"
        )
    items = sorted(found.values(), key=_as_people_count)
    return _without_clashes(_sets_as_one(items))


def _require_folder(source: Path) -> None:
    if source.is_dir() and ZARR.names(source) and not is_plate(source):
        raise ImageFileError(
            f"the input {source} is an image itself: denoise it alone, or give the"
            " folder that it is in"
        )
    if not source.is_dir():
        what = "a file, not a folder" if source.is_file() else "not there"
        raise ImageFileError(f"the input {source} is {what}: give a folder of images")


def _as_people_count(item: Item) -> tuple[list[str | int], str]:
    """Return a key by which 'cell 2' comes before 'Cell 10'."""
    parts = re.split("([0-9]+)", item.name.casefold())  # text and numbers by turns
    return [int(p) if n % 2 else p for n, p in enumerate(parts)], item.name


def _walk(
    folders: Folders,
    first: Path,
    visited: set[_Identity],
    output: _Identity | None,
) -> Iterator[Item]:
    """Look into folder after folder, however deep they lie in each other."""
    waiting = [first]
    while waiting:
        folder = waiting.pop()
        if is_plate(folder):
            yield from _fields(folders, folder)
            continue
        try:
            names = sorted(os.listdir(folder))
        except OSError as error:
            yield _unreadable(folders, folder, error)
            continue
        yield from _looked_into(folders, folder, names, visited, output, waiting)


def _looked_into(
    folders: Folders,
    folder: Path,
    names: list[str],
    visited: set[_Identity],
    output: _Identity | None,
    waiting: list[Path],
) -> Iterator[Item]:
    """Yield the images of a folder; the folders in it are put to those that wait."""
    for name in names:
        path = folder / name
        if name.startswith("."):
            continue
        try:
            status = path.stat()
        except OSError as error:
            if _matches(folders, path):
                yield _unreadable(folders, path, error)
            continue
        is_folder = stat.S_ISDIR(status.st_mode)
        if is_folder and (_identity(status) == output or unfinished_problem(path)):
            continue
        if is_folder and not ZARR.names(path):
            if folders.recursive:
                yield from _put_off(folders, path, status, visited, waiting)
        elif is_folder and is_plate(path):
            yield from _fields(folders, path)
        elif _matches(folders, path):
            yield _classified(folders, path, status)


def _fields(folders: Folders, plate: Path) -> Iterator[Item]:
    """Return the fields of a plate, which are images; all of them match with it."""
    inside = folders.source == plate
    if inside or _matches(folders, plate):
        for field in fields_of(plate):
            yield replace(item_of(folders, field), size=_size(field))


def _put_off(
    folders: Folders,
    folder: Path,
    status: os.stat_result,
    visited: set[_Identity],
    waiting: list[Path],
) -> Iterator[Item]:
    if _identity(status) in visited:
        yield item_of(folders, folder, Status.SKIPPED, _LOOP)
        return
    visited.add(_identity(status))
    if os.path.isdir(folder / HIDDEN):
        yield item_of(folders, folder, Status.SKIPPED, _RESULTS)
        return
    waiting.append(folder)


def _classified(folders: Folders, path: Path, status: os.stat_result) -> Item:
    """Return the item that a matching file stands for: a slice for its series."""
    if stat.S_ISDIR(status.st_mode):
        return replace(item_of(folders, path), size=_size(path))
    if not stat.S_ISREG(status.st_mode):  # a pipe would never end
        return item_of(folders, path, Status.SKIPPED, _UNKNOWN)
    kind = format_of(path)
    if kind is not None:  # a slice stands for its series
        whole = path.parent if kind is DICOM else path
        return replace(item_of(folders, whole), size=status.st_size)
    return item_of(folders, path, Status.SKIPPED, _UNKNOWN)


def _sets_as_one(items: list[Item]) -> list[Item]:
    """Let the first file of a set of OME-TIFF files stand for all that were found."""
    places = {
        item.source: n
        for n, item in enumerate(items)
        if item.status is Status.WAITING and TIFF.names(item.source)
    }
    items, settled = list(items), set()
    for path, place in places.items():
        if path in settled:
            continue
        files = [file for file in set_of(path) if file in places]
        settled |= set(files)
        for file in files if len(files) > 1 else ():
            other = items[places[file]]
            if file != path:
                message = f"it is part of the image of {items[place].name!r}"
                other = replace(other, status=Status.SKIPPED, message=message)
            items[places[file]] = other
        size = sum(items[places[file]].size for file in files)
        items[place] = replace(items[place], size=size or items[place].size)
    return items


def _unreadable(folders: Folders, path: Path, error: OSError) -> Item:
    message = f"it cannot be read: {said(error)}"
    return item_of(folders, path, Status.FAILED, message)


def _without_clashes(items: list[Item]) -> list[Item]:
    """Fail all that would be written to one place, whichever came first."""
    waiting = [item for item in items if item.status is Status.WAITING]
    owners: dict[str, list[Item]] = defaultdict(list)
    for item in waiting:
        owners[_folded(item.output)].append(item)
    clashes: dict[Path, str] = {}
    for item in waiting:
        if len(owners[_folded(item.output)]) > 1:
            clashes[item.source] = _clash(item, owners[_folded(item.output)])
        for parent in item.output.parents:
            for around in owners.get(_folded(parent), []):
                clashes[around.source] = (
                    f"its result would be a folder that holds that of {item.name!r}:"
                    " choose a suffix"
                )
    return [
        (
            replace(item, status=Status.FAILED, message=clashes[item.source])
            if item.status is Status.WAITING and item.source in clashes
            else item
        )
        for item in items
    ]


def _clash(item: Item, owners: list[Item]) -> str:
    others = " and ".join(repr(other.name) for other in owners if other is not item)
    return (
        f"its result would have the same name as that of {others},"
        f" {item.output.name!r}: rename one of them, or tell them apart by the pattern"
    )


def _folded(path: Path) -> str:
    """Return what of a name counts on every file system."""
    return unicodedata.normalize("NFC", str(path)).casefold()


def _matches(folders: Folders, path: Path) -> bool:
    whole = path.relative_to(folders.source).as_posix().casefold()
    for pattern in folders.patterns:
        name = whole if "/" in pattern else whole.rpartition("/")[2]
        wanted = pattern.casefold()
        # A name with brackets in it is meant first.
        if name == wanted or fnmatch.fnmatchcase(name, wanted):
            return True
    return False


def _size(folder: Path) -> int:
    """Return the bytes of all files in a folder, as far as they can be looked at."""
    size = 0
    for path in files_below(folder):
        with suppress(OSError):
            size += path.stat().st_size
    return size


def _identity(status: os.stat_result) -> _Identity:
    return status.st_dev, status.st_ino
