"""Sets of OME-TIFF files: which files belong together, and what tells of them."""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import tifffile

from napari_mpi.engine.files.tiff.chain import require_end_of_chain

_HEAD = 1 << 16  # bytes at the start of a file, in which its description mostly lies


class OmeFile(tifffile.TiffFile):  # type: ignore[misc]
    """A TIFF file whose OME-XML may lie in another file beside it.

    Of a set, each file may say no more than which file describes them all: an .ome or
    .companion.ome file of XML, or another of the TIFF files.
    """

    def __init__(self, path: Path, **options: Any) -> None:
        require_end_of_chain(Path(path))
        super().__init__(path, **options)

    told_by: Path | None = None
    """The file that describes the set, if it is another one and it is there."""
    lacks: str | None = None
    """Name of the file that describes the set, if it is not there."""

    @property
    def ome_metadata(self) -> str | None:
        """The OME-XML of the set."""
        own: str | None = super().ome_metadata
        name = described_in(own or "")
        if name is None:
            return own
        path = Path(self.filehandle.dirname) / Path(name).name
        xml = _described_by(path)
        self.told_by, self.lacks = (None, name) if xml is None else (path, None)
        return own if xml is None else xml


def described_in(xml: str) -> str | None:
    """Return the name of the file that describes the set of one that does not."""
    found = re.search(r"<(?:\w+:)?BinaryOnly\b[^>]*\bMetadataFile=\"([^\"]*)\"", xml)
    return found[1] if found else None


def _described_by(path: Path) -> str | None:
    """Return the OME-XML of a file of XML, or of a TIFF file; None if there is none."""
    try:
        if path.name.lower().endswith((".tif", ".tiff", ".btf", ".tf8")):
            with tifffile.TiffFile(path) as file:
                return str(file.pages.first.description)
        xml = path.read_text(encoding="utf-8")
        ElementTree.fromstring(xml)
    except (OSError, ValueError, ElementTree.ParseError, tifffile.TiffFileError):
        return None
    return xml


def files_of(file: Any) -> list[str]:
    """Return the names of the files that an open file's set has, in their order.

    Parameters
    ----------
    file : OmeFile
        Open.
    """
    return names_in((file.ome_metadata if file.is_ome else None) or "")


def names_in(xml: str) -> list[str]:
    """Return the names of files that OME-XML puts planes into, each once."""
    names = re.findall(r"<(?:\w+:)?UUID\b[^>]*\bFileName=\"([^\"]*)\"", xml)
    return list(dict.fromkeys(names))


def set_of(path: Path) -> tuple[Path, ...]:
    """Return the files that form one image with a TIFF file, itself among them.

    They are in the order in which the set names them, as far as they are there; only
    the file itself where it is no part of a set, or cannot be read.

    Parameters
    ----------
    path : Path
        The file.
    """
    try:
        if not _may_be_ome(path):
            return (path,)
        with OmeFile(path) as opened:
            names = files_of(opened)
    except Exception:  # noqa: BLE001 it is told when it is read
        return (path,)
    files = [path.parent / Path(name).name for name in names]
    there = tuple(file for file in files if file.is_file())
    return there if path in there else (path,)


def parts_of(path: Path) -> tuple[Path, ...]:
    """Return the files of `set_of`, and the file that describes them, if it is there.

    Parameters
    ----------
    path : Path
        The file.
    """
    files = set_of(path)
    try:
        if not _may_be_ome(path):
            return files
        with OmeFile(path) as opened:
            describes = opened.told_by if opened.ome_metadata else None
    except Exception:  # noqa: BLE001 it is told when it is read
        return files
    known = describes is None or describes in files
    return files if known or describes is None else (*files, describes)


def _may_be_ome(path: Path) -> bool:
    """Whether a file has OME-XML at its start or, where its name says so, anywhere."""
    if ".ome." in path.name.lower():
        return True
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return b"<OME" in head or b":OME" in head
