"""Files appear whole or not at all."""

import os
import stat
import sys

import pytest

from napari_mpi.engine.runtime.whole_files import (
    ensure_writable,
    whole_file,
    whole_folder,
)

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")


@pytest.fixture
def narrow_umask():
    """Let new files be read by their owner and group alone."""
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.fixture
def folder(tmp_path):
    """Return an empty folder."""
    path = tmp_path / "results"
    path.mkdir()
    return path


def test_file_is_written_under_its_name_alone(folder):
    with whole_file(folder / "a.tif") as target:
        target.write_text("new")
    assert [path.name for path in folder.iterdir()] == ["a.tif"]
    assert (folder / "a.tif").read_text() == "new"


def test_file_of_the_same_name_is_replaced(folder):
    (folder / "a.tif").write_text("a longer old content")
    with whole_file(folder / "a.tif") as target:
        target.write_text("new")
    assert (folder / "a.tif").read_text() == "new"


def test_old_content_stands_until_the_end(folder):
    (folder / "a.tif").write_text("old")
    with whole_file(folder / "a.tif") as target:
        target.write_text("half")
        assert (folder / "a.tif").read_text() == "old"


def test_temporary_name_lies_in_the_same_folder_with_the_same_ending(folder):
    with whole_file(folder / "a.tif") as target:
        assert target.parent == folder
        assert target.suffix == ".tif"


@pytest.mark.parametrize("error", [OSError, ValueError, KeyboardInterrupt, SystemExit])
def test_nothing_is_left_of_a_failure(error, folder):
    with pytest.raises(error), whole_file(folder / "a.tif") as target:
        target.write_text("half")
        raise error
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_old_file_survives_a_failure(error, folder):
    (folder / "a.tif").write_text("old")
    with pytest.raises(error), whole_file(folder / "a.tif") as target:
        target.write_text("half")
        raise error
    assert [path.name for path in folder.iterdir()] == ["a.tif"]
    assert (folder / "a.tif").read_text() == "old"


def test_writer_that_removed_its_file_is_no_second_error(folder):
    with pytest.raises(ValueError, match="first"), whole_file(folder / "a") as target:
        target.unlink()
        raise ValueError("first")
    assert list(folder.iterdir()) == []


def test_missing_folder_is_told(folder):
    with pytest.raises(OSError), whole_file(folder / "none" / "a.tif"):
        pytest.fail("there is nowhere to write")
    assert list(folder.iterdir()) == []


@POSIX
def test_file_has_the_permissions_of_the_umask(folder, narrow_umask):
    with whole_file(folder / "a.tif") as target:
        target.write_text("new")
    assert stat.S_IMODE((folder / "a.tif").stat().st_mode) == 0o640


def test_asking_whether_a_file_can_be_written_leaves_nothing(folder):
    ensure_writable(folder / "a.tif")
    assert list(folder.iterdir()) == []


def test_asking_leaves_an_existing_file_as_it_is(folder):
    (folder / "a.tif").write_text("old")
    ensure_writable(folder / "a.tif")
    assert [path.name for path in folder.iterdir()] == ["a.tif"]
    assert (folder / "a.tif").read_text() == "old"


def test_folder_cannot_be_written_as_a_file(folder):
    with pytest.raises(IsADirectoryError):
        ensure_writable(folder)


def test_missing_folder_cannot_be_written_to(folder):
    with pytest.raises(FileNotFoundError):
        ensure_writable(folder / "none" / "a.tif")
    assert list(folder.iterdir()) == []


def test_file_cannot_stand_for_a_folder(folder):
    (folder / "a").write_text("a file")
    with pytest.raises(OSError):
        ensure_writable(folder / "a" / "b.tif")


# Folders


def test_a_folder_appears_whole_and_takes_the_place_of_another(folder):
    for content in ("old", "new"):
        with whole_folder(folder / "a") as target:
            (target / content).write_text(content)
            assert sorted(p.name for p in folder.iterdir() if p.name == "a") == (
                ["a"] if content == "new" else []
            )
    assert [path.name for path in folder.iterdir()] == ["a"]
    assert [path.name for path in (folder / "a").iterdir()] == ["new"]


@pytest.mark.parametrize("fails_at", [1, 2])
def test_a_folder_that_cannot_be_renamed_leaves_the_former_one(
    fails_at, folder, monkeypatch
):
    (folder / "a").mkdir()
    (folder / "a" / "old").write_text("old")
    replace, calls = os.replace, []

    def failing(*paths):
        calls.append(paths)
        if len(calls) == fails_at:
            raise OSError("killed")
        replace(*paths)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OSError, match="killed"), whole_folder(folder / "a") as target:
        (target / "new").write_text("new")
    assert [path.name for path in folder.iterdir()] == ["a"]
    assert [path.name for path in (folder / "a").iterdir()] == ["old"]


def test_a_file_that_is_replaced_keeps_who_may_read_it(folder, narrow_umask):
    (folder / "a").write_text("old")
    (folder / "a").chmod(0o600)
    with whole_file(folder / "a") as target:
        target.write_text("new")
    assert (folder / "a").stat().st_mode & 0o777 == 0o600


def test_everything_is_on_the_disk_before_it_has_its_name(folder, monkeypatch):
    """Should the power fail, a name never stands for less than its content."""
    order = []
    fsync, replace = os.fsync, os.replace

    def synced(handle):
        order.append(os.fstat(handle).st_ino)
        fsync(handle)

    def renamed(*paths):
        order.append("renamed")
        replace(*paths)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    with whole_folder(folder / "a") as target:
        (target / "0").mkdir()
        (target / "0" / "chunk").write_bytes(b"pixels")
    before = order[: order.index("renamed")]
    parts = (folder / "a", folder / "a" / "0", folder / "a" / "0" / "chunk")
    assert {path.stat().st_ino for path in parts} <= set(before)
    assert order[-1] == folder.stat().st_ino
    order.clear()
    with whole_file(folder / "b") as target:
        target.write_bytes(b"pixels")
    assert order == [(folder / "b").stat().st_ino, "renamed", folder.stat().st_ino]
