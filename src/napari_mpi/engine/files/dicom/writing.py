"""DICOM series out: the data sets of the source with other pixels, as derived ones."""

import io
import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from napari_mpi.engine.files.blocks import write_blocks
from napari_mpi.engine.files.dicom.files import DICOM_SUFFIXES, DicomSource
from napari_mpi.engine.files.metadata import ImageFile, size_of
from napari_mpi.engine.images.arrays import LazyArray, part_of, require_room
from napari_mpi.engine.runtime.errors import ImageFileError
from napari_mpi.engine.runtime.optional import extra
from napari_mpi.engine.runtime.whole_files import whole_file, whole_folder

_PIXELS = (0x7FE0, 0x0010)
_REALS = {4: ((0x7FE0, 0x0008), b"OF"), 8: ((0x7FE0, 0x0009), b"OD")}
_FILE_GROUP = 0x0002  # of what is said of the file; below it are commands
_PRIVATE = 0x0099  # group of our own element, which keeps the whole provenance
_LONGEST_TEXT, _LONGEST_NAME = 1024, 64  # characters, by the standard
_STALE = (
    "SmallestImagePixelValue", "LargestImagePixelValue", "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
)  # fmt: skip


def dicom_problem(path: Path, image: ImageFile | None = None) -> str | None:
    """Return why a DICOM series cannot be written here, or None.

    Parameters
    ----------
    path : Path
        The folder to write, or a file if the source is one.
    image : ImageFile, optional
        What to write.
    """
    problem = None if image is None else _misfit(path, image)
    if problem is None and path.is_dir() and any(path.iterdir()):
        problem = f"the folder {path} is not empty: give the name of a new one"
    return problem


def _misfit(path: Path, image: ImageFile) -> str | None:
    source, array = image.metadata.source, image.array
    if not isinstance(source, DicomSource):
        return (
            f"the output {path} does not end in .tif, .zarr or .nii, and DICOM is"
            " written from DICOM alone: give one of these endings"
        )
    if (array.shape, array.dtype) != (source.shape, source.dtype):
        return (
            f"{path} cannot hold {array.dtype} {array.shape}, the series has"
            f" {source.dtype} {source.shape}: write a TIFF"
        )
    if path.suffix.lower() in DICOM_SUFFIXES and len(source.files) > 1:
        return (
            f"{path} is one file, but the series has {len(source.files)}: give the name"
            " of a new folder"
        )
    return None


def dicom_frame(path: Path, image: ImageFile) -> tuple[str, ...]:
    """Write the first data set of a series without its pixels, to nowhere.

    Parameters
    ----------
    path : Path
        The series to write.
    image : ImageFile
        What to write.

    Returns
    -------
    tuple of str
        Names of elements that cannot be written, and are left out.
    """
    pydicom = extra("pydicom", "medical", path)
    data = _read_header(pydicom, image.metadata.source.files[0])
    left_out = _without_unfit(pydicom, data)
    _derive(pydicom, data, "1.2", {})
    _write_header(pydicom, io.BytesIO(), data, image.array)
    return left_out


def write_dicom(path: Path, image: ImageFile, provenance: Mapping[str, Any]) -> None:
    """Write a series derived from the one that an image was read from.

    Parameters
    ----------
    path : Path
        A new folder; or a file, if the source has only one.
    image : ImageFile
        Of the shape and type of its source. Its pixels are read a block at a time.
    provenance : mapping
        JSON values, kept in each file as the derivation and in a private element.

    Raises
    ------
    OSError
        If the files cannot be written.
    ImageFileError
        If a file of the source is gone.
    """
    pydicom = extra("pydicom", "medical", path)
    files = image.metadata.source.files
    require_room(size_of(image.array), path.parent)
    series = pydicom.uid.generate_uid(prefix=None)
    if path.suffix.lower() in DICOM_SUFFIXES:
        with whole_file(path) as target, target.open("wb") as file:
            data = _derived(pydicom, files[0], series, provenance)
            _write(pydicom, file, data, image.array)
        return
    with whole_folder(path) as folder:
        for source, part in zip(files, _parts(image.array, len(files)), strict=True):
            data = _derived(pydicom, source, series, provenance)
            with (folder / source.name).open("wb") as file:
                _write(pydicom, file, data, part)


def _parts(array: Any, count: int) -> list[Any]:
    """Return the part of an image that belongs into each of its files."""
    if count == 1:
        return [array]
    outer = np.cumprod(array.shape).tolist().index(count) + 1
    plane = (slice(None),) * (len(array.shape) - outer)
    places = np.ndindex(*array.shape[:outer])
    return [part_of(array, (*place, *plane)) for place in places]


def _derived(
    pydicom: Any, source: Path, series: str, provenance: Mapping[str, Any]
) -> Any:
    """Return the data set of a file as that of a derived image, without pixels."""
    data = _read_header(pydicom, source)
    _without_unfit(pydicom, data)
    _derive(pydicom, data, series, provenance)
    return data


def _read_header(pydicom: Any, source: Path) -> Any:
    try:
        return pydicom.dcmread(source, stop_before_pixels=True, force=True)
    except Exception as error:
        raise ImageFileError(
            f"{source} can no longer be read, and the result needs its header: put it"
            " back"
        ) from error


def _without_unfit(pydicom: Any, data: Any) -> tuple[str, ...]:
    """Remove the elements that pydicom (3.0) reads but does not write; name them."""
    names = []
    for part, is_of_file in ((data, False), (data.file_meta, True)):
        for tag in list(part.keys()):
            is_astray = (tag.group == _FILE_GROUP) != is_of_file or not tag.group
            if is_astray or not _can_be_written(pydicom, part, tag):
                del part[tag]
                names.append(f"element {tag}")
    return tuple(names)


def _can_be_written(pydicom: Any, data: Any, tag: Any) -> bool:
    alone = pydicom.filebase.DicomBytesIO()
    alone.is_little_endian, alone.is_implicit_VR = True, False
    try:
        pydicom.filewriter.write_data_element(alone, data[tag])
    except Exception:  # noqa: BLE001 it is left out, and told
        return False
    return True


def _derive(
    pydicom: Any, data: Any, series: str, provenance: Mapping[str, Any]
) -> None:
    """Make the data set of a source that of a derived image."""
    item = pydicom.Dataset()
    item.ReferencedSOPClassUID = data.get("SOPClassUID", "")
    item.ReferencedSOPInstanceUID = data.get("SOPInstanceUID", "")
    data.SourceImageSequence = pydicom.Sequence([item])
    data.SeriesInstanceUID = series
    data.SOPInstanceUID = pydicom.uid.generate_uid(prefix=None)
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    kinds = data.get("ImageType") or []
    data.ImageType = ["DERIVED", "SECONDARY", *list(kinds)[2:]]
    name = str(data.get("SeriesDescription") or "")
    added = " denoised"
    kept = name[: _LONGEST_NAME - len(added)]
    data.SeriesDescription = f"{kept}{added}".strip()
    for word in _STALE:
        if word in data:
            delattr(data, word)
    _note(data, provenance)


def _note(data: Any, provenance: Mapping[str, Any]) -> None:
    """Keep how the image was made; in words as far as the standard's length allows."""
    if not provenance:
        return
    made = json.dumps(dict(provenance))
    said = str(data.get("DerivationDescription") or "")
    version = str(provenance.get("version", ""))
    brief = f"denoised by napari-mpi {version}".strip()
    notes = ("; ".join(filter(None, (said, f"{brief}: {made}"))), brief)
    fitting = (note for note in notes if len(note) <= _LONGEST_TEXT)
    data.DerivationDescription = next(fitting)
    block = data.private_block(_PRIVATE, "napari-mpi", create=True)
    block.add_new(0x01, "UT", made)


def _write(pydicom: Any, file: BinaryIO, data: Any, array: Any) -> None:
    """Write a data set, and its pixels behind it."""
    _write_header(pydicom, file, data, array)
    size = size_of(array)
    element, kind = _PIXELS, b"OB" if array.dtype.itemsize == 1 else b"OW"
    if array.dtype.kind == "f":
        element, kind = _REALS[array.dtype.itemsize]
    file.write(struct.pack("<HH2sHI", *element, kind, 0, size + size % 2))
    fitting = array if array.dtype.kind == "f" else _Clipped(array, data)
    write_blocks(file, fitting, array.dtype.newbyteorder("<"))
    file.write(bytes(size % 2))


def _write_header(pydicom: Any, file: BinaryIO, data: Any, array: Any) -> None:
    colours = int(data.get("SamplesPerPixel", 1))
    if "NumberOfFrames" in data:  # which may have been wrong
        area = int(data.Rows) * int(data.Columns) * colours
        data.NumberOfFrames = math.prod(array.shape) // area
    if colours > 1:
        data.PhotometricInterpretation, data.PlanarConfiguration = "RGB", 0
    # Not save_as, which refuses sources of the other byte order.
    pydicom.dcmwrite(
        file, data, implicit_vr=False, little_endian=True, enforce_file_format=True
    )


class _Clipped(LazyArray):
    """An image within the bits that its data set has for a pixel."""

    def __init__(self, array: Any, data: Any) -> None:
        self.shape, self.dtype, self._array = array.shape, array.dtype, array
        bits = int(data.get("BitsStored") or 8 * array.dtype.itemsize)
        signed = array.dtype.kind == "i"
        self._low = -(2 ** (bits - 1)) if signed else 0
        self._high = 2 ** (bits - signed) - 1

    def read(self, index: Any) -> Any:
        return np.clip(np.asarray(self._array[index]), self._low, self._high)
