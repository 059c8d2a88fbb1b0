"""OME-Zarr that cannot be read or written: told, and all is as it was."""

import sys

import numpy as np
import pytest

from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.files.metadata import ImageFile
from napari_mpi.engine.files.output import output_problem, write_image
from napari_mpi.engine.runtime.errors import ImageFileError

zarr = pytest.importorskip("zarr")


def pixels(shape, dtype="uint16"):
    return (1 + np.arange(np.prod(shape)) % 250).reshape(shape).astype(dtype)


def failure_of(action):
    with pytest.raises(ImageFileError) as caught:
        action()
    assert "\n" not in str(caught.value)
    return str(caught.value)


class Failing:
    shape, dtype = (4, 7, 8), np.dtype("u2")

    def __init__(self, error):
        self._error = error

    def __getitem__(self, index):
        if index[0].start == 0:
            return np.ones((1, 7, 8), self.dtype)
        raise self._error


def test_a_zarr_without_an_image_is_told(tmp_path):
    zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    assert "no OME-Zarr image" in failure_of(lambda: read_image(tmp_path / "a.zarr"))
    (tmp_path / "b.zarr").mkdir()
    assert "damaged or of" in failure_of(lambda: read_image(tmp_path / "b.zarr"))
    assert "check the path" in failure_of(lambda: read_image(tmp_path / "none.zarr"))


def test_a_damaged_chunk_is_told(tmp_path):
    write_image(tmp_path / "a.zarr", ImageFile(pixels((2, 30, 40)), "ZYX"))
    chunk = next(
        p for p in (tmp_path / "a.zarr" / "0" / "c" / "1").rglob("*") if p.is_file()
    )
    chunk.write_bytes(b"1234")
    image = read_image(tmp_path / "a.zarr", lazy=True)
    assert image.array[0].any()
    assert "is damaged" in failure_of(lambda: image.array[1])


def test_without_the_package_the_extra_is_named(tmp_path, monkeypatch):
    write_image(tmp_path / "a.zarr", ImageFile(pixels((7, 8)), "YX"))
    monkeypatch.setitem(sys.modules, "zarr", None)
    for action in (
        lambda: read_image(tmp_path / "a.zarr"),
        lambda: write_image(tmp_path / "b.zarr", ImageFile(pixels((7, 8)), "YX")),
    ):
        assert 'pip install "napari-mpi[zarr]"' in failure_of(action)


def test_axes_that_ngff_has_no_place_for_are_told_before_the_work(tmp_path):
    image = ImageFile(pixels((2, 3, 7, 8)), "QCYX")
    assert "write a TIFF" in output_problem(tmp_path / "a.zarr", image)
    assert output_problem(tmp_path / "a.zarr") is None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_other_things_is_not_replaced(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "thesis.txt").write_text("years of work")
    image = ImageFile(pixels((7, 8)), "YX")
    assert "another name" in failure_of(lambda: write_image(tmp_path / "a.zarr", image))
    assert (tmp_path / "a.zarr" / "thesis.txt").exists()


@pytest.mark.parametrize("existing", [True, False], ids=["replacing", "new"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), ImageFileError("damaged")])
def test_a_failure_half_way_leaves_things_as_they_were(error, existing, tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    if existing:
        write_image(folder / "a.zarr", ImageFile(pixels((7, 8)), "YX"))
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    with pytest.raises(type(error)):
        write_image(folder / "a.zarr", ImageFile(Failing(error), "ZYX"))
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    assert len(list(folder.iterdir())) == existing


def test_a_zarr_of_the_same_name_is_replaced(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    for size in (7, 9):
        write_image(folder / "a.zarr", ImageFile(pixels((size, 8)), "YX"))
    assert read_image(folder / "a.zarr").array.shape == (9, 8)
    assert [path.name for path in folder.iterdir()] == ["a.zarr"]
