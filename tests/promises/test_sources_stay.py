"""No result takes the place of anything that it is made from, whatever its name."""

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_mpi import denoise_file, denoise_folder, errors
from napari_mpi.batch.outcomes import Status
from napari_mpi.engine.files.metadata import ImageFile
from napari_mpi.engine.files.output import write_image

HOW = {"preset": "blind-fast", "weights": "grey", "learning_rate": 0.0, "device": "cpu"}
PLANE = np.random.default_rng(0).normal(500, 40, (32, 36)).astype(np.float32)


def dicom_series(folder: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    folder.mkdir()
    for number, name in enumerate(("a.dcm", "b.dcm"), 1):
        data = pydicom.Dataset()
        data.file_meta = pydicom.dataset.FileMetaDataset()
        data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        data.SOPClassUID = pydicom.uid.CTImageStorage
        data.SOPInstanceUID, data.SeriesInstanceUID = f"1.2.{number}", "1.2"
        data.InstanceNumber, data.Rows, data.Columns = number, *PLANE.shape
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated = data.BitsStored = 16
        data.HighBit, data.PixelRepresentation = 15, 0
        data.PixelData = PLANE.astype(np.uint16).tobytes()
        data["PixelData"].VR = "OW"
        data.save_as(folder / name, enforce_file_format=True)


def zarr_image(path: Path) -> None:
    pytest.importorskip("zarr")
    write_image(path, ImageFile(PLANE, "YX"))


def zarr_images(path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    zarr.open_group(str(path), mode="w")
    for number in "01":
        zarr_image(path / f"{number}.zarr")
        (path / f"{number}.zarr").rename(path / number)


def ome_set(folder: Path, *, companion: bool = False) -> None:
    folder.mkdir()
    names = [f"p{n}.ome.tif" for n in range(2)]
    planes = "".join(
        f'<TiffData FirstZ="{n}" IFD="0" PlaneCount="1"><UUID FileName="{name}">'
        f"urn:uuid:{n}</UUID></TiffData>"
        for n, name in enumerate(names)
    )
    schema = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
    whole = (
        f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="{schema}"><Image'
        ' ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="float"'
        ' SizeX="36" SizeY="32" SizeC="1" SizeT="1" SizeZ="2"><Channel'
        f' ID="Channel:0:0" SamplesPerPixel="1"/>{planes}</Pixels></Image></OME>'
    )
    if companion:
        (folder / "set.companion.ome").write_text(whole)
    for n, name in enumerate(names):
        pointer = (
            f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="{schema}"'
            f' UUID="urn:uuid:{n}"><BinaryOnly MetadataFile="set.companion.ome"'
            ' UUID="urn:uuid:9"/></OME>'
        )
        said = pointer if companion else whole
        tifffile.imwrite(folder / name, PLANE, description=said, metadata=None)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in files}


CASES = {
    "a file of a DICOM series": (dicom_series, "slices", "slices", "slices/a.dcm"),
    "the folder of a DICOM file": (dicom_series, "slices", "slices/a.dcm", "slices"),
    "what holds a Zarr array": (zarr_image, "x.zarr", "x.zarr/0", "x.zarr"),
    "what holds one of several": (zarr_images, "b.zarr", "b.zarr/1", "b.zarr"),
    "inside a Zarr": (zarr_image, "x.zarr", "x.zarr", "x.zarr/new.zarr"),
    "a file in a Zarr": (zarr_image, "x.zarr", "x.zarr", "x.zarr/c.tif"),
    "the second of a set": (ome_set, "set", "set/p0.ome.tif", "set/p1.ome.tif"),
}


@pytest.mark.parametrize("case", CASES)
def test_an_output_that_is_holds_or_lies_in_the_source_is_refused(case, tmp_path):
    make, name, source, output = CASES[case]
    make(tmp_path / name)
    before = contents(tmp_path)
    with pytest.raises(errors.ImageFileError, match="input"):
        denoise_file(tmp_path / source, tmp_path / output, **HOW)
    assert contents(tmp_path) == before


def test_the_file_that_describes_a_set_is_a_part_of_it(tmp_path):
    ome_set(tmp_path / "set", companion=True)
    os.link(tmp_path / "set" / "set.companion.ome", tmp_path / "other.tif")
    with pytest.raises(errors.ImageFileError, match="is a file of the input"):
        denoise_file(tmp_path / "set" / "p0.ome.tif", tmp_path / "other.tif", **HOW)


def test_neither_does_the_uncertainty(tmp_path):
    ome_set(tmp_path / "set")
    with pytest.raises(errors.ImageFileError, match="is a file of the input"):
        denoise_file(
            tmp_path / "set" / "p0.ome.tif",
            tmp_path / "a.tif",
            uncertainty=tmp_path / "set" / "p1.ome.tif",
            **HOW,
        )
    assert not (tmp_path / "a.tif").exists()


def test_a_new_name_beside_the_files_of_a_series_is_taken(tmp_path):
    dicom_series(tmp_path / "slices")
    denoise_file(tmp_path / "slices", tmp_path / "slices" / "result.tif", **HOW)
    assert (tmp_path / "slices" / "result.tif").is_file()


def test_a_batch_replaces_no_source_even_of_another_file(tmp_path):
    source, output = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    output.mkdir()
    for name in ("a.tif", "b.tif"):
        tifffile.imwrite(source / name, PLANE)
    # Where the result of a.tif would go lies b.tif, by another name.
    os.link(source / "b.tif", output / "a-denoised.tif")
    before = contents(source)
    with pytest.warns(UserWarning, match="1 of 2"):
        a, b = denoise_folder(source, output, overwrite=True, **HOW)
    assert (a.status, b.status) == (Status.FAILED, Status.DONE)
    assert "is the input itself" in a.message
    assert contents(source) == before
