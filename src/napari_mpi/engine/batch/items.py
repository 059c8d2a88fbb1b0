"""What of a folder is to be denoised, and what each result will be called."""

import fnmatch
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from napari_mpi.engine.batch.outcomes import Status
from napari_mpi.engine.errors import ConfigError, ImageFileError
from napari_mpi.engine.image_io import (
    DICOM_SUFFIXES,
    NIFTI_SUFFIXES,
    PICTURE_SUFFIXES,
    TIFF_SUFFIXES,
    ZARR_SUFFIXES,
    looks_like_dicom,
)

SUFFIX = "-denoised"
"""What a result's name has besides its source's."""

_WRITTEN_AS_READ = TIFF_SUFFIXES + ZARR_SUFFIXES + NIFTI_SUFFIXES
_ENDINGS = (*_WRITTEN_AS_READ, ".ome.tif", ".ome.tiff", ".ome.zarr")
_UNKNOWN = "it is no image of a kind that is read"
_LOOP = "a link leads here to a folder that is searched already, by another name"


@dataclass(frozen=True, slots=True)
class Folders:
    """Where to look for images, and where their results go.

    Parameters
    ----------
    source : Path
        Folder of images.
    output : Path
        Folder of results, which mirrors the other; made when the first is written.
    pattern : str
        Names of the files to take, such as ``*.tif`` or ``*.tif; *.png``; with a slash
        in it, the whole path below the source. Letters' case does not count.
    recursive : bool
        Whether to look into the folders of the folder.
    suffix : str
        What a result's name has besides its source's.

    Raises
    ------
    ConfigError
        If the folders are the same, or the suffix cannot be part of a name.
    """

    source: Path
    output: Path
    pattern: str = "*"
    recursive: bool = False
    suffix: str = SUFFIX

    def __post_init__(self) -> None:
        if self.source.resolve() == self.output.resolve() or _is_same(
            self.source, self.output
        ):
            raise ConfigError(
                f"the output folder {self.output} is the input itself: choose another,"
                " such as a folder in it"
            )
        if not self.patterns:
            raise ConfigError("the pattern is empty: give one such as *.tif, or *")
        if set(self.suffix) & set('/\\:*?"<>|\0'):
            raise ConfigError(
                f"the suffix {self.suffix!r} cannot be part of a file's name: use"
                " letters, digits, - and _"
            )

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns one by one."""
        parts = (part.strip() for part in self.pattern.split(";"))
        return tuple(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Item:
    """One image of a folder.

    Parameters
    ----------
    name : str
        Its path below the source folder, with slashes.
    source : Path
        The file, or the folder of an OME-Zarr or a DICOM series.
    output : Path
        Where its result goes.
    size : int
        Bytes, by which the work is measured ahead.
    status : Status
        WAITING, or SKIPPED or FAILED for what will not be tried.
    message : str
        Why it will not.
    """

    name: str
    source: Path
    output: Path
    size: int = 0
    status: Status = Status.WAITING
    message: str = ""


def discover(folders: Folders) -> list[Item]:
    """Find the images of a folder, in the order that people count in.

    Hidden files and the output folder are passed over; links are followed, but into no
    folder twice. Of what matches, files of other kinds are skipped; what cannot be
    looked at, and what would be written to the same name, fails; each with a reason.

    Parameters
    ----------
    folders : Folders
        Where to look, and what for.

    Raises
    ------
    ImageFileError
        If the folder is missing, cannot be looked at, or has nothing that matches.
    """
    source = folders.source
    if not source.is_dir():
        what = "a file, not a folder" if source.is_file() else "not there"
        raise ImageFileError(f"the input {source} is {what}: give a folder of images")
    found: dict[str, Item] = {}
    for item in _walk(folders, source, {_identity(source)}):
        if item.name in found:  # the slices of a series are one item
            item = replace(item, size=item.size + found[item.name].size)
        found[item.name] = item
    if not found:
        deeper = "" if folders.recursive else ", or look into its folders too"
        raise ImageFileError(
            f"nothing in {source} matches {folders.pattern!r}: choose another folder or"
            f" pattern{deeper}"
        )
    return _without_clashes(
        [found[name] for name in sorted(found, key=_as_people_count)]
    )


def _as_people_count(name: str) -> tuple[list[str | int], str]:
    """Return a key by which 'cell 2' comes before 'Cell 10'."""
    parts = re.split("([0-9]+)", name.casefold())  # text and numbers by turns
    return [int(p) if n % 2 else p for n, p in enumerate(parts)], name


def _walk(
    folders: Folders, folder: Path, visited: set[tuple[int, int]]
) -> Iterator[Item]:
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        yield _item(folders, folder, Status.FAILED, f"it cannot be read: {_why(error)}")
        return
    for name in names:
        path = folder / name
        if name.startswith(".") or _is_same(path, folders.output):
            continue
        is_image_folder = path.is_dir() and name.lower().endswith(ZARR_SUFFIXES)
        if path.is_dir() and not is_image_folder:
            if folders.recursive:
                yield from _walk_into(folders, path, visited)
        elif _matches(folders, path):
            yield _classified(folders, path)


def _walk_into(
    folders: Folders, folder: Path, visited: set[tuple[int, int]]
) -> Iterator[Item]:
    identity = _identity(folder)
    if identity in visited:
        yield _item(folders, folder, Status.SKIPPED, _LOOP)
        return
    visited.add(identity)
    yield from _walk(folders, folder, visited)


def _classified(folders: Folders, path: Path) -> Item:
    """Return the item that a matching file stands for: a slice for its series."""
    try:
        size = _size(path)
    except OSError as error:
        return _item(folders, path, Status.FAILED, f"it cannot be read: {_why(error)}")
    if path.name.lower().endswith(_WRITTEN_AS_READ + PICTURE_SUFFIXES):
        return replace(_item(folders, path), size=size)
    if path.name.lower().endswith(DICOM_SUFFIXES) or looks_like_dicom(path):
        return replace(_item(folders, path.parent), size=size)
    return _item(folders, path, Status.SKIPPED, _UNKNOWN)


def _item(
    folders: Folders, path: Path, status: Status = Status.WAITING, message: str = ""
) -> Item:
    below = path.relative_to(folders.source)
    name = below.as_posix() if below.parts else path.resolve().name
    output = folders.output / Path(name).parent / _output_name(path, folders.suffix)
    return Item(name, path, output, status=status, message=message)


def _output_name(path: Path, suffix: str) -> str:
    """Return a result's name: of the source's format, pictures as TIFF."""
    name = path.name or path.resolve().name
    kept = [end for end in _ENDINGS if name.lower().endswith(end)]
    if kept:
        end = max(kept, key=len)
        return f"{name[: -len(end)]}{suffix}{name[-len(end) :]}"
    if name.lower().endswith(PICTURE_SUFFIXES):
        return f"{PurePosixPath(name).stem}{suffix}.tif"
    return f"{name.replace('.', '_')}{suffix}"  # a folder of DICOM


def _without_clashes(items: list[Item]) -> list[Item]:
    """Fail all that would be written to one name, whichever came first."""
    owners: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if item.status is Status.WAITING:
            owners[_folded(item)].append(item)
    clashes = {
        item.name: _clash(item, several)
        for several in owners.values()
        if len(several) > 1
        for item in several
    }
    return [
        (
            replace(item, status=Status.FAILED, message=clashes[item.name])
            if item.name in clashes
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


def _folded(item: Item) -> str:
    """Return what of an output's name counts on every file system."""
    return unicodedata.normalize("NFC", str(item.output)).casefold()


def _matches(folders: Folders, path: Path) -> bool:
    below = path.relative_to(folders.source).as_posix().casefold()
    return any(
        fnmatch.fnmatchcase(below if "/" in pattern else below.rpartition("/")[2],
                            pattern.casefold())
        for pattern in folders.patterns
    )  # fmt: skip


def _size(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    if not path.is_dir():
        return path.stat().st_size
    return sum(
        (Path(folder) / name).stat().st_size
        for folder, _, names in os.walk(path)
        for name in names
    )


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _is_same(path: Path, other: Path) -> bool:
    return other.exists() and path.exists() and path.samefile(other)


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
