"""NIfTI files in and out; the package nibabel comes as an extra."""

import gzip
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from napari_mpi.engine.files.arrays import MappedArray
from napari_mpi.engine.files.blocks import rearranged, write_blocks
from napari_mpi.engine.files.metadata import (
    NO_UNIT,
    Calibration,
    ImageFile,
    Metadata,
    Scaling,
    in_unit,
    size_of,
    unit_of,
)
from napari_mpi.engine.files.nifti.packed import UnpackedArray
from napari_mpi.engine.images.arrays import require_room
from napari_mpi.engine.runtime.errors import ImageFileError
from napari_mpi.engine.runtime.optional import extra
from napari_mpi.engine.runtime.whole_files import whole_file

_AXES = {2: "XY", 3: "XYZ", 4: "XYZT", 5: "XYZTC"}
_LONGEST = 32767  # of a side in NIfTI-1
_COMMENT = 6  # code of header extensions that hold text
_FINE = ("nm", "um", "angstrom")


@dataclass(frozen=True, slots=True)
class NiftiSource:
    """What is written back of a NIfTI file.

    Parameters
    ----------
    header : nibabel header
        As the file has it: scaling, orientation, units, extensions.
    shape : tuple of int
        Shape that it belongs to.
    """

    header: Any = field(repr=False)
    shape: tuple[int, ...]


def read_nifti(path: Path, *, lazy: bool = False) -> ImageFile:
    """Read the voxels of a NIfTI file as stored; what they stand for is told beside.

    Parameters
    ----------
    path : Path
        Ends in .nii or .nii.gz.
    lazy : bool
        Whether the voxels are read when they are asked for.

    Raises
    ------
    ImageFileError
        If the file is damaged or holds colours, or the package nibabel is missing.
    """
    nibabel = extra("nibabel", "medical", path)
    kind = type(nibabel.load(path).header)
    with nibabel.openers.ImageOpener(str(path)) as file:
        header = kind.from_fileobj(file)
    shape, dtype = header.get_data_shape(), header.get_data_dtype()
    _require_intensities(path, shape, dtype)
    offset = int(header.get_data_offset())
    array: Any
    if path.name.lower().endswith(".gz"):
        packed = UnpackedArray(path, shape, dtype, offset)
        array = packed if lazy else packed.whole()
    else:
        mapped = MappedArray(path, shape, dtype, offset, "F")
        array = mapped if lazy else np.asarray(mapped)
    axes = _AXES[len(shape)]
    known = _calibration(header, axes)
    metadata = Metadata(
        "nifti",
        calibration=known,
        source=NiftiSource(header, shape),
        scaling=_scaling(header),
    )
    return ImageFile(array, axes, metadata)


def _scaling(header: Any) -> Scaling:
    """Return what voxels stand for; slopes of 0 or NaN say nothing."""
    slope, intercept = header.get_slope_inter()
    return Scaling() if slope is None else Scaling(float(slope), float(intercept or 0))


def _require_intensities(path: Path, shape: tuple[int, ...], dtype: Any) -> None:
    if dtype.fields is not None:
        raise ImageFileError(
            f"{path} holds colours in each voxel, which are not read: convert it to"
            " intensities"
        )
    if len(shape) not in _AXES:
        raise ImageFileError(
            f"{path} has {len(shape)} dimensions, and 2 to 5 are read: take a part"
            " of it"
        )


def _calibration(header: Any, axes: str) -> Calibration:
    space, time = header.get_xyzt_units()
    # What does not name its unit is in millimetres for all who read NIfTI.
    units = dict.fromkeys("XYZ", unit_of(space) or "mm") | {"T": unit_of(time)}
    steps = {
        axis: (float(zoom), unit)
        for axis, zoom in zip(axes, header.get_zooms(), strict=True)
        if (unit := units.get(axis)) is not None and zoom > 0
    }
    return Calibration(steps)


def nifti_problem(path: Path, image: ImageFile | None = None) -> str | None:
    """Return why a NIfTI file cannot be written here, or None.

    Parameters
    ----------
    path : Path
        The file to write.
    image : ImageFile, optional
        What to write.
    """
    try:
        nibabel = extra("nibabel", "medical", path)
    except ImageFileError as error:
        return str(error)
    if image is None or _has_own_header(image):
        return None
    if not set(image.axes) <= set("XYZT"):
        others = " and ".join(sorted(set(image.axes) - set("XYZT")))
        return (
            f"{path} cannot hold axes {others}, NIfTI has X, Y, Z and T: write a TIFF"
        )
    try:
        nibabel.Nifti1Header().set_data_dtype(image.array.dtype)
    except nibabel.spatialimages.HeaderDataError:
        return (
            f"{path} cannot hold values of type {image.array.dtype}, which NIfTI does"
            " not know: write a TIFF"
        )
    return None


def write_nifti(path: Path, image: ImageFile, provenance: Mapping[str, Any]) -> None:
    """Write a NIfTI file, a block of voxels at a time.

    What was read from NIfTI keeps its header: scaling, orientation, units, extensions.
    Anything else has sizes of its steps, and no orientation.

    Parameters
    ----------
    path : Path
        Ends in .nii, or in .nii.gz to be packed; a file of that name is replaced.
    image : ImageFile
        Pixels, axes and metadata.
    provenance : mapping
        JSON values, kept as a comment among the header's extensions.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    nibabel = extra("nibabel", "medical", path)
    array, axes = image.array, image.axes
    header, stored = _header_to_write(nibabel, image)
    if provenance:
        text = f"napari-mpi: {json.dumps(dict(provenance))}".encode()
        header.extensions.append(nibabel.nifti1.Nifti1Extension(_COMMENT, text))
    require_room(size_of(array), path.parent)
    with whole_file(path) as target, _opened(target) as file:
        header.write_to(file)
        file.write(bytes(header.get_data_offset() - file.tell()))
        write_blocks(
            file, rearranged(array, axes, stored[::-1]), header.get_data_dtype()
        )


def nifti_frame(path: Path, image: ImageFile) -> tuple[str, ...]:
    """Write the header of an image to nowhere.

    Parameters
    ----------
    path : Path
        The file to write.
    image : ImageFile
        What to write.

    Returns
    -------
    tuple of str
        Empty: all or nothing can be written.
    """
    header, _ = _header_to_write(extra("nibabel", "medical", path), image)
    header.write_to(io.BytesIO())
    return ()


def _header_to_write(nibabel: Any, image: ImageFile) -> tuple[Any, str]:
    """Return the header of what is written, and the axes in the order of the file."""
    is_own, axes = _has_own_header(image), image.axes
    stored = axes if is_own else "".join(sorted(axes, key="XYZT".index))
    header = _own_header(image) if is_own else _new_header(nibabel, image, stored)
    header.set_data_dtype(image.array.dtype.newbyteorder("="))
    header["vox_offset"] = 0  # nibabel puts the pixels behind the extensions
    return header, stored


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    if path.suffix.lower() == ".gz":
        with path.open("wb") as file, gzip.GzipFile("", "wb", 6, file, 0) as packed:
            yield packed  # type: ignore[misc]
    else:
        with path.open("wb") as file:
            yield file


def _has_own_header(image: ImageFile) -> bool:
    source = image.metadata.source
    return isinstance(source, NiftiSource) and source.shape == image.array.shape


def _own_header(image: ImageFile) -> Any:
    header = image.metadata.source.header
    return type(header)(header.binaryblock, header.endianness, False, header.extensions)


def _new_header(nibabel: Any, image: ImageFile, stored: str) -> Any:
    """Return a header with sizes and units; its axes are 'XY', 'XYZ' or 'XYZT'."""
    sizes = dict(zip(image.axes, image.array.shape, strict=True))
    axes = "XYZT" if "T" in stored else stored
    shape = [sizes.get(axis, 1) for axis in axes]
    newer = max(shape) > _LONGEST
    header = (nibabel.Nifti2Header if newer else nibabel.Nifti1Header)()
    header.set_data_shape(shape)
    steps = image.calibration.steps
    spatial = [
        unit for axis, (_, unit) in steps.items() if axis in "XYZ" and unit != NO_UNIT
    ]
    fine = bool(spatial) and all(unit in _FINE for unit in spatial)
    units = dict.fromkeys("XYZ", "um" if fine else "mm") | {"T": "s"}
    zooms = [in_unit(steps.get(axis, (1.0, units[axis])), units[axis]) for axis in axes]
    header.set_zooms(zooms)
    header.set_xyzt_units(
        ("micron" if fine else "mm") if spatial else "unknown",
        "sec" if steps.get("T", (0, NO_UNIT))[1] != NO_UNIT else "unknown",
    )
    return header
