"""Image files that cannot be read or written: told, and nothing is left behind."""

import gc
import sys

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.files.metadata import ImageFile
from napari_mpi.engine.files.output import require_writable, write_image
from napari_mpi.engine.files.tiff import files
from napari_mpi.engine.runtime.errors import ImageFileError


def pixels(shape, dtype="uint16"):
    """Return values that differ from each other, and from 0."""
    return (1 + np.arange(np.prod(shape)) % 250).reshape(shape).astype(dtype)


def failure_of_reading(path):
    """Return the sentence of a file that cannot be read."""
    with pytest.raises(ImageFileError) as caught:
        read_image(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def half_of(path):
    """Cut a file to half of its bytes."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


@pytest.fixture
def results(tmp_path):
    """Return an empty folder."""
    path = tmp_path / "results"
    path.mkdir()
    return path


def refused_outputs(results):
    """Return outputs that cannot be written, with what is said of them."""
    (results / "folder.tif").mkdir()
    (results / "file").write_text("a file")
    cases = {
        results / "none" / "a.tif": "choose another folder",
        results / "folder.tif": "it is a folder",
        results / "file" / "a.tif": "choose another folder",
        results / "a.png": "does not end in .tif",
        results / "a": "does not end in .tif",
        results / "a.jpg": "does not end in .tif",
    }
    if sys.platform == "linux":
        cases["/proc/a.tif"] = "choose another folder"
    return {type(results)(path): said for path, said in cases.items()}


def full_disk(file, array, _):
    file.write(array.tobytes()[: array.nbytes // 2])
    raise OSError(28, "No space left on device")


def interrupted(file, array, _):
    file.write(array.tobytes()[: array.nbytes // 2])
    raise KeyboardInterrupt


def test_missing_file_is_told(tmp_path):
    assert "check the path" in failure_of_reading(tmp_path / "none.tif")


def test_folder_is_no_file(tmp_path):
    (tmp_path / "a.tif").mkdir()
    assert "check the path" in failure_of_reading(tmp_path / "a.tif")


@pytest.mark.parametrize("name", ["a.czi", "a.txt", "a"])
def test_unsupported_suffix_lists_the_choices(name, tmp_path):
    (tmp_path / name).write_bytes(b"1")
    assert "TIFF, PNG or JPEG" in failure_of_reading(tmp_path / name)


@pytest.mark.parametrize("suffix", [".tif", ".tiff", ".png", ".jpg"])
@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), (b"I am a text.\nNo image.\n", "damaged or of another kind")],
)
def test_text_and_empty_files_are_told(content, words, suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    assert words in failure_of_reading(path)
    gc.collect()  # a file that is left open gives a ResourceWarning here


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((64, 64), {}),
        ((64, 64), {"compression": "zlib"}),
        ((64, 64), {"imagej": True}),
        ((5, 64, 64), {}),
        ((5, 64, 64), {"imagej": True, "metadata": {"axes": "ZYX"}}),
        ((5, 64, 64), {"ome": True, "metadata": {"axes": "ZYX"}}),
        ((5, 64, 64), {"metadata": None}),
    ],
    ids=[
        "plane",
        "zlib-plane",
        "imagej-plane",
        "plain-stack",
        "imagej-stack",
        "ome-stack",
        "pages",
    ],
)
def test_truncated_tiff_is_told_as_damaged(shape, options, tmp_path, rng):
    path = tmp_path / "a.tif"
    array = rng.integers(0, 65536, shape).astype(np.uint16)
    tifffile.imwrite(path, array, photometric="minisblack", **options)
    np.testing.assert_array_equal(read_image(path).array, array)
    assert "damaged" in failure_of_reading(half_of(path))


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_truncated_picture_is_told_as_damaged(suffix, tmp_path, rng):
    path = tmp_path / f"a{suffix}"
    imageio.imwrite(path, rng.integers(0, 256, (64, 64)).astype(np.uint8))
    assert "damaged" in failure_of_reading(half_of(path))


def test_image_larger_than_the_memory_is_told(tmp_path, monkeypatch):
    def exhausted(*_, **__):
        raise MemoryError

    tifffile.imwrite(tmp_path / "a.tif", pixels((7, 8)))
    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", exhausted)
    assert "larger than the free memory" in failure_of_reading(tmp_path / "a.tif")


@pytest.mark.parametrize("how", ["asked", "written"])
def test_output_that_cannot_be_written_is_told_and_leaves_nothing(how, results):
    cases = refused_outputs(results)
    before = sorted(results.rglob("*"))
    for path, said in cases.items():
        with pytest.raises(ImageFileError) as caught:
            image = ImageFile(pixels((7, 8)), "YX")
            if how == "asked":
                require_writable(path, image)
            else:
                write_image(path, image)
        assert str(path) in str(caught.value)
        assert said in str(caught.value)
    assert sorted(results.rglob("*")) == before


@pytest.mark.parametrize("name", ["a.tif", "a.tiff", "A.TIF", "a.ome.tif"])
def test_output_that_can_be_written_is_accepted_and_not_touched(name, results):
    require_writable(results / name)
    assert list(results.iterdir()) == []


def test_file_of_the_same_name_is_replaced(results):
    for value in (1, 2):
        array = np.full((7, 8), value, np.uint8)
        write_image(results / "a.tif", ImageFile(array, "YX"))
    assert (read_image(results / "a.tif").array == 2).all()
    assert [path.name for path in results.iterdir()] == ["a.tif"]


@pytest.mark.parametrize("existing", [True, False], ids=["replacing", "new"])
@pytest.mark.parametrize(
    ("writer", "error"),
    [(full_disk, ImageFileError), (interrupted, KeyboardInterrupt)],
)
def test_failure_in_the_middle_of_writing_leaves_things_as_they_were(
    writer, error, existing, results, monkeypatch
):
    if existing:
        write_image(results / "a.tif", ImageFile(pixels((7, 8)), "YX"))
    before = {path: path.read_bytes() for path in results.iterdir()}
    monkeypatch.setattr(files, "write_blocks", writer)
    with pytest.raises(error):
        write_image(results / "a.tif", ImageFile(pixels((70, 80)), "YX"))
    assert {path: path.read_bytes() for path in results.iterdir()} == before


def test_full_disk_is_told_in_its_own_words(results, monkeypatch):
    monkeypatch.setattr(files, "write_blocks", full_disk)
    with pytest.raises(ImageFileError) as caught:
        write_image(results / "a.tif", ImageFile(pixels((7, 8)), "YX"))
    assert "No space left on device" in str(caught.value)
    assert "make room" in str(caught.value)


@pytest.mark.parametrize(("mode", "said"), [("P", "palette"), ("CMYK", "inks")])
def test_tiffs_of_colour_indices_and_inks_are_refused(mode, said, tmp_path, rng):
    image = Image.fromarray(rng.integers(0, 255, (8, 9, 3)).astype(np.uint8))
    image.convert(mode).save(tmp_path / "a.tif")
    with pytest.raises(ImageFileError, match=f"{said}.*convert it to RGB"):
        read_image(tmp_path / "a.tif")
