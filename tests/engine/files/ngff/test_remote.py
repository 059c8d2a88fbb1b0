"""OME-Zarr in one file, and behind an address: a server on this machine."""

import functools
import shutil
import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.files.metadata import ImageFile
from napari_mpi.engine.files.output import output_problem, write_image
from napari_mpi.engine.files.remote import shown, url_of
from napari_mpi.engine.runtime.errors import ImageFileError

zarr = pytest.importorskip("zarr", reason="the extra is not installed")

PIXELS = np.arange(3 * 40 * 50, dtype=np.uint16).reshape(3, 40, 50)


@pytest.fixture
def source(tmp_path):
    """Return a folder with an OME-Zarr."""
    (tmp_path / "served").mkdir()
    write_image(tmp_path / "served" / "a.zarr", ImageFile(PIXELS, "ZYX"))
    return tmp_path / "served" / "a.zarr"


@pytest.fixture
def served(source):
    """Serve the folder; return its address, and what is asked for."""
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    handler = functools.partial(Handler, directory=str(source.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("inside", ["", "a.zarr"], ids=["at the top", "in a folder"])
@pytest.mark.parametrize("ending", [".zarr.zip", ".ozx", ".ZARR.ZIP"])
def test_a_zip_is_read_as_the_folder_that_was_packed(inside, ending, source, tmp_path):
    with zipfile.ZipFile(tmp_path / f"b{ending}", "w") as file:
        for path in source.rglob("*"):
            if path.is_file():
                file.write(path, f"{inside}/{path.relative_to(source)}".lstrip("/"))
    image = read_image(tmp_path / f"b{ending}", lazy=True)
    assert image.axes == "ZYX"
    np.testing.assert_array_equal(image.array[1, 5:9], PIXELS[1, 5:9])


def test_a_zip_that_holds_something_else_is_told(tmp_path):
    with zipfile.ZipFile(tmp_path / "b.zarr.zip", "w") as file:
        file.writestr("readme.txt", "no image")
    with pytest.raises(ImageFileError, match="cannot be read as an image"):
        read_image(tmp_path / "b.zarr.zip")


def test_an_address_is_read_chunk_by_chunk(served):
    address, asked = served
    image = read_image(f"{address}/a.zarr", lazy=True)
    assert (image.axes, image.array.shape) == ("ZYX", PIXELS.shape)
    before = len(asked)
    np.testing.assert_array_equal(image.array[2], PIXELS[2])
    new = asked[before:]
    assert [path for path in new if "/c/" in path] == ["/a.zarr/0/c/2/0/0"]
    np.testing.assert_array_equal(image.array, PIXELS)


def test_an_address_where_nothing_is_or_nobody_answers_is_told(served):
    address, _ = served
    with pytest.raises(ImageFileError, match=rf"no OME-Zarr at {address}/b\.zarr"):
        read_image(f"{address}/b.zarr")
    with pytest.raises(ImageFileError, match="cannot be reached"):
        read_image("http://127.0.0.1:9/a.zarr")


def test_a_chunk_that_is_lost_on_the_way_is_told(served, source):
    address, _ = served
    image = read_image(f"{address}/a.zarr", lazy=True)
    (source / "0" / "c" / "1" / "0" / "0").write_bytes(b"broken")
    with pytest.raises(ImageFileError, match=r"http://.* cannot be read .*connection"):
        image.array[1]


def test_nothing_is_written_to_an_address_or_into_a_zip(tmp_path):
    from pathlib import Path

    image = ImageFile(PIXELS, "ZYX")
    told = output_problem(Path("https://host/a.zarr"), image)
    assert told == "https://host/a.zarr is an address: results are written to a disk"
    assert "is only read" in output_problem(tmp_path / "a.zarr.zip", image)


def test_a_path_remembers_the_address_that_it_was_made_from():
    from pathlib import Path

    for address in ("https://host/a/b.zarr", "s3://bucket/a.zarr"):
        assert url_of(Path(address)) == shown(Path(address)) == address
    for path in ("a.zarr", "/data/s3/a.zarr", "C:/a.zarr"):
        assert url_of(Path(path)) is None


def test_a_missing_package_is_told(monkeypatch):
    def fail(*_, **__):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(zarr, "open", fail)
    with pytest.raises(ImageFileError, match=r"s3://b/a\.zarr needs .*\[remote\]"):
        read_image("s3://b/a.zarr")


def test_a_folder_beside_an_unfinished_one_is_read(source):
    shutil.copytree(source, source.with_name("a.zarr.unfinished"))
    assert read_image(source).array.shape == PIXELS.shape
