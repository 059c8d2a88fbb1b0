"""Files that would keep a night waiting, fill the memory, or lose a result."""

import gzip
import importlib.util
import struct
import sys
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_mpi import denoise_file
from napari_mpi.engine.files import patience
from napari_mpi.engine.files.arrays import GuardedArray, PagedArray
from napari_mpi.engine.files.dicom import counting
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.files.metadata import Calibration, ImageFile, Metadata
from napari_mpi.engine.files.ngff import chunks
from napari_mpi.engine.files.output import fitted, write_image
from napari_mpi.engine.images.arrays import LazyArray
from napari_mpi.engine.networks.checkpoints import read_authors_checkpoint
from napari_mpi.engine.runtime.errors import ConfigError, ImageFileError, WeightsError

PLANES = np.random.default_rng(0).normal(500, 60, (5, 24, 28)).astype(np.uint16)
HOW = {"preset": "blind-fast", "weights": "grey", "learning_rate": 0.0, "device": "cpu"}


def patched(path, tag, code, *values):
    """Change the values of a tag of a TIFF file's first page."""
    with tifffile.TiffFile(path) as file:
        place = file.pages.first.tags[tag].valueoffset
    content = bytearray(path.read_bytes())
    struct.pack_into(code, content, place, *values)
    path.write_bytes(content)


# Time


@pytest.mark.parametrize("options", [{}, {"bigtiff": True}, {"byteorder": ">"}])
def test_a_chain_of_pages_without_an_end_is_told(tmp_path, options):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path, **options) as file:
        for plane in PLANES:
            file.write(plane, contiguous=False, metadata=None)
    with tifffile.TiffFile(path) as file:
        first, last = file.pages[0].offset, file.pages[-1]
        is_big, order = file.is_bigtiff, file.byteorder
        count = len(last.tags)
        end = last.offset + (8 + 20 * count if is_big else 2 + 12 * count)
    content = bytearray(path.read_bytes())
    struct.pack_into(f"{order}{'Q' if is_big else 'I'}", content, end, first)
    path.write_bytes(content)
    with pytest.raises(ImageFileError, match="its chain of pages has no end"):
        read_image(path)


def test_more_segments_than_there_can_be_are_told(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PLANES[0], compression="zlib", metadata=None)
    patched(path, "ImageWidth", "<I", 2**31 - 1)
    patched(path, "ImageLength", "<I", 2**31 - 1)
    patched(path, "RowsPerStrip", "<I", 1)
    with pytest.raises(ImageFileError, match="its pixels would lie in"):
        read_image(path)


class Endless(LazyArray):
    """Pixels that never come."""

    shape, dtype = (4, 4), np.dtype(np.uint8)

    def __init__(self):
        self.let_go = threading.Event()

    def read(self, index):
        self.let_go.wait()
        return np.zeros((4, 4), np.uint8)[index]


def test_what_makes_no_progress_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_MPI_READ_SECONDS", "0.2")
    endless = Endless()
    with pytest.raises(ImageFileError, match="was not read within 0 s") as caught:
        GuardedArray(tmp_path / "a.tif", endless)[:]
    assert "set NAPARI_MPI_READ_SECONDS to more" in str(caught.value)
    endless.let_go.set()


def test_a_large_file_may_take_longer(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_MPI_READ_SECONDS", "1e-9")
    (tmp_path / "a").write_bytes(bytes(30_000_000))  # thirty seconds
    slow = patience.within_patience(tmp_path / "a", lambda: time.sleep(0.05) or 7)
    assert slow == 7


@pytest.mark.parametrize("said", ["soon", "0", "-1", "inf"])
def test_a_time_that_is_none_is_told(said, tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_MPI_READ_SECONDS", said)
    tifffile.imwrite(tmp_path / "a.tif", PLANES)
    with pytest.raises(ConfigError, match="NAPARI_MPI_READ_SECONDS is"):
        read_image(tmp_path / "a.tif")


# Memory


def test_pages_by_the_thousand_million_cost_nothing_until_read():
    class Pages(PagedArray):
        def read_page(self, number, inside):
            return np.full((2, 2), number, np.int64)[inside]

    pages = Pages((2**20, 2**11), (2, 2), np.dtype(np.int64))
    assert pages[-1, 5, 0, 0] == (2**20 - 1) * 2**11 + 5
    assert pages[3:5, ::1024, 1, 1].tolist() == [[6144, 7168], [8192, 9216]]


def test_packed_nifti_that_cannot_hold_what_it_tells_of_is_told(tmp_path):
    pytest.importorskip("nibabel")
    path = tmp_path / "a.nii.gz"
    write_image(path, read_after(tmp_path / "b.tif"))
    header = bytearray(gzip.decompress(path.read_bytes()))
    struct.pack_into("<8h", header, 40, 3, 32000, 32000, 32000, 1, 1, 1, 1)
    path.write_bytes(gzip.compress(bytes(header)))
    with pytest.raises(ImageFileError, match="cannot hold the"):
        read_image(path, lazy=True)


def test_a_chunk_beyond_the_memory_is_told(tmp_path):
    zarr = pytest.importorskip("zarr")
    zarr.create_array(
        str(tmp_path / "a.zarr"), shape=(10**9, 10**9), chunks=(10**9, 10**9),
        dtype="float32",
    )  # fmt: skip
    with pytest.raises(ImageFileError, match="is too large: it takes"):
        read_image(tmp_path / "a.zarr", lazy=True)


@pytest.mark.parametrize("version", [2, 3])
def test_a_chunk_that_unpacks_to_a_bomb_is_told(version, tmp_path, monkeypatch):
    zarr = pytest.importorskip("zarr")
    packer = {2: numcodecs_gzip, 3: zarr.codecs.GzipCodec}[version]()
    array = zarr.create_array(
        str(tmp_path / "a.zarr"), shape=PLANES.shape, chunks=(1, 16, 16),
        dtype="uint16", zarr_format=version, compressors=packer,
    )  # fmt: skip
    array[:] = PLANES
    image = read_image(tmp_path / "a.zarr", lazy=True)
    chunk = tmp_path / "a.zarr" / array.metadata.encode_chunk_key((2, 0, 1))
    monkeypatch.setattr(chunks, "_HARMLESS", 1 << 16)
    np.testing.assert_array_equal(image.array[2], PLANES[2])
    chunk.write_bytes(gzip.compress(bytes(1 << 20)))
    np.testing.assert_array_equal(image.array[1], PLANES[1])
    with pytest.raises(ImageFileError, match="far more than the pixels of a chunk"):
        image.array[2]


def numcodecs_gzip():
    import numcodecs

    return numcodecs.GZip()


def test_an_image_beyond_the_memory_is_told_before_it_is_read(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", PLANES, compression="zlib")
    monkeypatch.setattr(patience, "free_memory", lambda: PLANES.nbytes - 1)
    with pytest.raises(ImageFileError, match="is too large: it takes"):
        read_image(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif", lazy=True).array.shape == PLANES.shape


def test_a_deflated_file_that_unpacks_to_a_bomb_is_told(tmp_path, monkeypatch):
    pydicom = pytest.importorskip("pydicom")
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID = pydicom.uid.CTImageStorage, "1.2.3"
    data.SeriesInstanceUID, data.InstanceNumber = "1.2", 1
    data.Rows, data.Columns = 2000, 2000
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit = 8, 8, 7
    data.PixelRepresentation, data.PixelData = 0, bytes(4_000_000)
    data["PixelData"].VR = "OB"
    data.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert (tmp_path / "a.dcm").stat().st_size < 10_000
    assert read_image(tmp_path / "a.dcm", lazy=True).array.shape == (2000, 2000)
    for module in (patience, counting):
        monkeypatch.setattr(module, "free_memory", lambda: 8_000_000)
    with pytest.raises(ImageFileError, match="is too large: it takes"):
        read_image(tmp_path / "a.dcm", lazy=True)


def test_a_checkpoint_that_unpacks_to_a_bomb_is_told(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(2**28 + 1))
    with pytest.raises(WeightsError, match=r"would take 0\.3 GB"):
        read_authors_checkpoint(tmp_path / "a.pth")


# Results


def read_after(path, **options):
    tifffile.imwrite(path, PLANES, **options)
    return read_image(path)


def test_a_unit_that_tifffile_does_not_know_costs_the_resolution_alone(tmp_path):
    source, output = tmp_path / "a.tif", tmp_path / "b.tif"
    tifffile.imwrite(source, PLANES[0], resolution=(3, 3, 3), metadata=None)
    patched(source, "ResolutionUnit", "<H", 147)
    made = denoise_file(source, output, **HOW)
    note = "what the source says of its resolution cannot be written, and is left out"
    assert note in made.notes
    assert read_image(output).array.shape == PLANES[0].shape
    with pytest.warns(UserWarning, match="of its resolution cannot be written"):
        write_image(tmp_path / "c.tif", read_image(source))


def test_it_is_tried_before_the_work_and_nothing_is_left_of_that(tmp_path):
    image = read_after(tmp_path / "a.tif", imagej=True, metadata={"axes": "ZYX"})
    assert fitted(tmp_path / "b.tif", image) is image
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_elements_that_pydicom_cannot_write_are_left_out_and_told(tmp_path):
    pydicom = pytest.importorskip("pydicom")
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID = pydicom.uid.CTImageStorage, "1.2.3"
    data.SeriesInstanceUID, data.InstanceNumber = "1.2", 1
    data.Rows, data.Columns = PLANES[0].shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    data.PixelRepresentation, data.PatientName = 0, "Doe^Jane"
    data.PixelData = PLANES[0].tobytes()
    data["PixelData"].VR = "OW"
    path, output = tmp_path / "a.dcm", tmp_path / "b.dcm"
    data.save_as(path, enforce_file_format=True)
    content = path.read_bytes()
    at = content.index(b"\x10\x00\x10\x00")
    path.write_bytes(content[:at] + content[at:].replace(b"\x50N", b"UK", 1))
    made = denoise_file(path, output, **HOW)
    assert any("element (0010,0010) cannot be written" in note for note in made.notes)
    assert read_image(output).array.shape == PLANES[0].shape


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_pixel_size_that_nifti_cannot_hold_is_left_out_before_the_work(
    tmp_path, name
):
    pytest.importorskip("nibabel")
    steps = Calibration({"Z": (1.0, "um"), "Y": (-1.0, "um"), "X": (1.0, "um")})
    image = ImageFile(PLANES, "ZYX", Metadata(calibration=steps))
    fitting = fitted(tmp_path / name, image)
    (note,) = fitting.notes
    assert "its pixel sizes cannot be written, and is left out" in note
    with pytest.warns(UserWarning, match="its pixel sizes cannot be written"):
        write_image(tmp_path / name, image)
    np.testing.assert_array_equal(read_image(tmp_path / name).array.T, PLANES)


@pytest.mark.parametrize("name", ["a.nii", "a.zarr"])
def test_what_cannot_be_framed_is_told_before_a_pixel_is_read(
    tmp_path, name, monkeypatch
):
    from napari_mpi.engine.files.ngff import framing as ngff
    from napari_mpi.engine.files.nifti import files as nifti

    pytest.importorskip("nibabel")
    pytest.importorskip("zarr")

    def fail(*_, **__):
        raise ValueError("no such thing")

    monkeypatch.setattr(ngff, "group_attributes", fail)
    monkeypatch.setattr(nifti, "_new_header", fail)
    source = tmp_path / "in.tif"
    tifffile.imwrite(source, PLANES[0])
    with pytest.raises(ImageFileError, match="cannot be written, the source says"):
        denoise_file(source, tmp_path / name, **HOW)
    assert not (tmp_path / name).exists()


# Everything


def test_five_hundred_mutants_end_with_an_image_or_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_MPI_READ_SECONDS", "20")
    here = Path(__file__).parents[3] / "benchmarks" / "fuzz.py"
    spec = importlib.util.spec_from_file_location("fuzz", here)
    fuzz = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "fuzz", fuzz)
    spec.loader.exec_module(fuzz)
    for extra in ("zarr", "nibabel", "pydicom"):
        pytest.importorskip(extra)
    seeds = fuzz.seed_files(tmp_path / "seeds")
    untold = {}
    for number in range(500):
        mutant, name, how = fuzz.mutant_of(seeds, number, 0, tmp_path)
        told = fuzz.attempt(mutant, tmp_path / "out")
        if told:
            untold[number, name, how] = told
    assert not untold
