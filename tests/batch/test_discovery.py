"""Finding the images of a folder, and naming their results."""

import os
import sys
import unicodedata

import numpy as np
import pytest
import tifffile

from napari_mpi.batch.discovery import discover
from napari_mpi.batch.outcomes import Status
from napari_mpi.batch.request import Folders
from napari_mpi.engine.runtime.errors import ConfigError, ImageFileError


@pytest.fixture
def source(tmp_path):
    """Return an empty folder of images."""
    folder = tmp_path / "images"
    folder.mkdir()
    return folder


@pytest.fixture
def found(source, tmp_path):
    """Return a function that finds images, by name."""

    def find(pattern="*", **options):
        folders = Folders(source, tmp_path / "results", pattern, **options)
        return {item.name: item for item in discover(folders)}

    return find


def put(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 10)


def test_files_come_in_the_order_that_people_count_in(source, found):
    put(source, "cell 10.tif", "Cell 2.tif", "b.tif", "cell 1.tif", "a/cell 3.tif")
    names = ["a/cell 3.tif", "b.tif", "cell 1.tif", "Cell 2.tif", "cell 10.tif"]
    assert list(found(recursive=True)) == names


def test_folders_are_searched_only_when_asked(source, found):
    put(source, "a.tif", "deep/b.tif", "deep/deeper/c.tif")
    assert list(found()) == ["a.tif"]
    assert len(found(recursive=True)) == 3


def test_hidden_files_and_the_results_are_passed_over(source):
    put(source, "a.tif", ".b.tif", ".cache/c.tif", "results/a-denoised.tif")
    folders = Folders(source, source / "results", recursive=True)
    assert [item.name for item in discover(folders)] == ["a.tif"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.tif", ["a.TIF", "deep/c.tif"]),
        ("*.tif; *.png", ["a.TIF", "b.png", "deep/c.tif"]),
        ("deep/*", ["deep/c.tif"]),
        ("?.png", ["b.png"]),
        ("[bc].*", ["b.png", "deep/c.tif"]),
    ],
)
def test_patterns_choose_files(source, found, pattern, names):
    put(source, "a.TIF", "b.png", "deep/c.tif")
    assert list(found(pattern, recursive=True)) == names


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("a.tif", "a-denoised.tif"),
        ("a.b.TIFF", "a.b-denoised.TIFF"),
        ("a.ome.tif", "a-denoised.ome.tif"),
        ("scan.nii.gz", "scan-denoised.nii.gz"),
        ("scan.nii", "scan-denoised.nii"),
        ("photo.png", "photo-denoised.tif"),
        ("photo.v2.JPG", "photo.v2-denoised.tif"),
        ("ä ö µ.tif", "ä ö µ-denoised.tif"),
    ],
)
def test_results_mirror_the_tree_with_a_suffix(source, found, tmp_path, name, result):
    put(source, f"deep/{name}")
    item = found(recursive=True)[f"deep/{name}"]
    assert item.output == tmp_path / "results" / "deep" / result


def test_the_suffix_can_be_chosen(source, found):
    put(source, "a.tif")
    assert found(suffix="_clean")["a.tif"].output.name == "a_clean.tif"
    assert found(suffix="")["a.tif"].output.name == "a.tif"


def test_a_zarr_is_one_image_and_not_searched(source, found):
    put(source, "a.zarr/0/c/0", "a.zarr/zarr.json")
    item = found(recursive=True)["a.zarr"]
    assert item.source == source / "a.zarr"
    assert item.size == 20
    assert item.output.name == "a-denoised.zarr"


def test_the_slices_of_a_dicom_series_are_one_image(source, found):
    put(source, "scan.1/1.dcm", "scan.1/2.dcm", "scan.1/a.tif")
    (source / "scan.1" / "IM0003").write_bytes(b"\0" * 128 + b"DICM")
    items = found(recursive=True)
    assert list(items) == ["scan.1", "scan.1/a.tif"]
    assert items["scan.1"].source == source / "scan.1"
    assert items["scan.1"].output.name == "scan_1-denoised"
    assert items["scan.1"].size == 10 + 10 + 132


def test_a_series_in_the_folder_itself_is_named_after_it(source, found):
    put(source, "1.dcm", "2.dcm")
    item = found()["images"]
    assert item.source == source
    assert item.output.name == "images-denoised"


def test_other_files_are_skipped_with_a_reason(source, found):
    put(source, "a.tif", "notes.txt")
    item = found()["notes.txt"]
    assert item.status is Status.SKIPPED
    assert "no image" in item.message


@pytest.mark.parametrize(
    "names",
    [
        ("a.tif", "a.png"),
        ("a.png", "a.jpg"),
        (
            unicodedata.normalize("NFC", "é.tif"),
            unicodedata.normalize("NFD", "é.tif"),
        ),
    ],
)
def test_what_would_be_written_to_one_name_fails_and_says_so(source, found, names):
    put(source, *names, "other.tif")
    items = found()
    if len(items) < 3:
        pytest.skip("this file system takes both names for one")
    for name, other in (names, names[::-1]):
        assert items[name].status is Status.FAILED
        assert repr(other) in items[name].message
    assert items["other.tif"].status is Status.WAITING


def test_a_series_and_a_folder_in_it_of_its_name_clash(source, found):
    put(source, "1.dcm", "images/1.dcm")
    items = discover(Folders(source, source.parent / "results", recursive=True))
    assert [item.status for item in items] == [Status.FAILED] * 2


def test_a_result_that_would_hold_another_fails(source, found):
    put(source, "series/1.dcm", "series/a.tif")
    items = found(recursive=True, suffix="")
    assert items["series"].status is Status.FAILED
    assert "holds that of 'series/a.tif'" in items["series"].message
    assert items["series/a.tif"].status is Status.WAITING


def test_results_of_other_batches_are_not_denoised_again(source, found):
    put(source, "a.tif", "earlier/a-denoised.tif", "earlier/.napari-mpi/items/x.json")
    items = found(recursive=True)
    assert list(items) == ["a.tif", "earlier"]
    assert items["earlier"].status is Status.SKIPPED


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_is_no_image(source, found):
    put(source, "a.tif")
    os.mkfifo(source / "b.tif")
    assert found()["b.tif"].status is Status.SKIPPED


def test_brackets_and_backslashes_are_meant_as_they_are_written(source, found):
    put(source, "cell[1].tif", "cell1.tif", "deep/b.tif")
    assert "cell[1].tif" in found("cell[1].tif")
    assert list(found("deep\\*.tif", recursive=True)) == ["deep/b.tif"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_links_are_followed_but_never_in_circles(source, found, tmp_path):
    put(source, "a.tif", "deep/b.tif")
    put(tmp_path / "elsewhere", "c.tif")
    (source / "deep" / "back").symlink_to(source)
    (source / "link").symlink_to(tmp_path / "elsewhere")
    (source / "loop.tif").symlink_to(source / "loop.tif")
    (source / "gone.tif").symlink_to(tmp_path / "nowhere.tif")
    items = found(recursive=True)
    waiting = [name for name, i in items.items() if i.status is Status.WAITING]
    assert waiting == ["a.tif", "deep/b.tif", "link/c.tif"]
    assert items["deep/back"].status is Status.SKIPPED
    assert "link" in items["deep/back"].message
    assert items["loop.tif"].status is Status.FAILED
    assert items["gone.tif"].status is Status.FAILED


def test_sizes_are_those_of_the_files(source, found):
    tifffile.imwrite(source / "a.tif", np.zeros((20, 20), np.uint8))
    assert found()["a.tif"].size == os.path.getsize(source / "a.tif")


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ImageFileError, match="not there"):
        discover(Folders(tmp_path / "missing", tmp_path / "results"))
    put(tmp_path, "a.tif")
    with pytest.raises(ImageFileError, match="a file, not a folder"):
        discover(Folders(tmp_path / "a.tif", tmp_path / "results"))


def test_a_pattern_that_nothing_matches_is_told(source, found):
    put(source, "a.tif")
    with pytest.raises(ImageFileError, match=r"matches '\*\.czi'"):
        found("*.czi")


def test_an_image_is_no_folder_of_images(source, tmp_path):
    put(source, "a.zarr/zarr.json")
    with pytest.raises(ImageFileError, match="is an image itself"):
        discover(Folders(source / "a.zarr", tmp_path / "results"))


def test_folders_that_cannot_be_meant_are_refused(tmp_path):
    (tmp_path / "deep").mkdir()
    with pytest.raises(ConfigError, match="lies in the output folder"):
        Folders(tmp_path / "deep", tmp_path)
    if sys.platform != "win32":
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
        with pytest.raises(ConfigError, match="cannot be looked at"):
            Folders(tmp_path / "loop", tmp_path / "results")
    with pytest.raises(ConfigError, match="input itself"):
        Folders(tmp_path, tmp_path / "." / "")
    with pytest.raises(ConfigError, match="suffix"):
        Folders(tmp_path, tmp_path / "results", suffix="/../x")
    with pytest.raises(ConfigError, match="pattern is empty"):
        Folders(tmp_path, tmp_path / "results", " ; ")


def test_folders_may_lie_as_deep_as_they_can(tmp_path, rng):
    source = tmp_path / "in"
    folder = source
    for _ in range(1200):
        folder = folder / "d"
    here = os.open(tmp_path, os.O_RDONLY)
    try:  # the whole path is longer than one may give at once
        os.mkdir("in", dir_fd=here)
        inside = os.open("in", os.O_RDONLY, dir_fd=here)
        for _ in range(1200):
            os.mkdir("d", dir_fd=inside)
            deeper = os.open("d", os.O_RDONLY, dir_fd=inside)
            os.close(inside)
            inside = deeper
        os.close(inside)
    finally:
        os.close(here)
    tifffile.imwrite(source / "a.tif", np.zeros((4, 4), np.uint8))
    items = discover(Folders(source, tmp_path / "out", recursive=True))
    assert items[-1].name == "a.tif"
