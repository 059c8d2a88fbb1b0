"""TIFFs out: a block at a time, beyond 4 GB, whole or not at all."""

import numpy as np
import pytest

from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.files.metadata import ImageFile, Metadata
from napari_mpi.engine.files.output import write_image
from napari_mpi.engine.files.tiff import files
from napari_mpi.engine.runtime.errors import ImageFileError


class Failing:
    """An image of which only the first rows can be read."""

    def __init__(self, error):
        self.shape, self.dtype, self._error = (4, 3000, 1000), np.dtype("u2"), error

    def __getitem__(self, index):
        if index[0] == slice(0, 1, None) or index[0] == 0:
            return np.zeros(self.shape, self.dtype)[index]
        raise self._error


class Pieces:
    """An image that knows the largest part that was read of it."""

    def __init__(self, array):
        self._array, self.shape, self.dtype = array, array.shape, array.dtype
        self.largest = 0

    def __getitem__(self, index):
        part = self._array[index]
        self.largest = max(self.largest, part.nbytes)
        return part


@pytest.mark.parametrize("existing", [True, False], ids=["replacing", "new"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), ImageFileError("damaged")])
def test_an_image_that_cannot_be_read_to_its_end_leaves_no_file(
    error, existing, tmp_path
):
    folder = tmp_path / "results"
    folder.mkdir()
    if existing:
        write_image(folder / "a.tif", ImageFile(np.zeros((7, 8), np.uint8), "YX"))
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(type(error)):
        write_image(folder / "a.tif", ImageFile(Failing(error), "ZYX"))
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("flavour", ["plain", "imagej", "ome"])
def test_an_image_is_written_a_block_at_a_time(flavour, tmp_path, rng, monkeypatch):
    monkeypatch.setattr("napari_mpi.engine.files.blocks.blocks.__defaults__", (5000,))
    pieces = Pieces(rng.integers(0, 999, (5, 60, 70)).astype(np.uint16))
    image = ImageFile(pieces, "ZYX", Metadata(flavour))
    write_image(tmp_path / "a.tif", image)
    assert 0 < pieces.largest <= 5000
    np.testing.assert_array_equal(
        read_image(tmp_path / "a.tif").array, np.asarray(pieces._array)
    )


@pytest.mark.parametrize("flavour", ["plain", "imagej", "ome"])
def test_images_beyond_4_gb_come_back(flavour, tmp_path, monkeypatch):
    """The file has a gap where the pixels belong, so that it takes no room."""
    monkeypatch.setattr(files, "write_blocks", lambda *_: None)
    monkeypatch.setattr(files, "require_room", lambda *_: None)
    pieces = Pieces(np.broadcast_to(np.uint16(0), (60, 7000, 7000)))
    image = ImageFile(pieces, "ZYX", Metadata(flavour, fields={"unit": "um"}))
    write_image(tmp_path / "a.tif", image)
    after = read_image(tmp_path / "a.tif", lazy=True)
    assert (after.axes, after.array.shape) == ("ZYX", (60, 7000, 7000))
    assert after.metadata.flavour == flavour
    assert (after.array[-1, -5:] == 0).all()


def test_a_disk_without_room_is_told_before_anything_is_written(tmp_path, monkeypatch):
    folder = tmp_path / "results"
    folder.mkdir()
    pieces = Pieces(np.broadcast_to(np.uint8(0), (2**20, 2**20, 2**10)))
    with pytest.raises(ImageFileError, match=r"no room on the disk.*make room"):
        write_image(folder / "a.tif", ImageFile(pieces, "ZYX"))
    assert list(folder.iterdir()) == []
    assert pieces.largest == 0
