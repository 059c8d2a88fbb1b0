"""What killed programs have left is removed, and nothing else ever is."""

import os

import pytest

from napari_mpi.engine.runtime import leftovers
from napari_mpi.engine.runtime.leftovers import locked, part_name, sweep
from napari_mpi.engine.runtime.whole_files import put_folder, whole_file, whole_folder

pytest.importorskip("fcntl", reason="Windows: nothing is swept")


@pytest.fixture
def aged(monkeypatch):
    """Let files be old enough at once."""
    monkeypatch.setattr(leftovers, "_AGE", 0.0)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_is_dead_is_removed(tmp_path, aged):
    part_name(tmp_path / "a.tif").write_bytes(b"half")
    folder = part_name(tmp_path / "b.zarr")
    (folder / "0").mkdir(parents=True)
    (folder / "0" / "c").write_bytes(b"half")
    sweep(tmp_path)
    assert names(tmp_path) == []


def test_what_is_young_stays(tmp_path):
    part_name(tmp_path / "a.tif").write_bytes(b"half")
    sweep(tmp_path)
    assert len(names(tmp_path)) == 1


def test_what_is_being_written_stays(tmp_path, aged):
    with whole_file(tmp_path / "a.tif") as file, whole_folder(tmp_path / "b") as folder:
        sweep(tmp_path)
        assert names(tmp_path) == sorted([file.name, folder.name])
        file.write_bytes(b"whole")
    assert names(tmp_path) == ["a.tif", "b"]


@pytest.mark.parametrize(
    "name",
    [".0123abcd.part", ".0123abcd.part.tif", ".0123abcd.old.a.zarr", "0123abcd.part",
     ".0123abcd.partial", ".0123abcde.part", ".mine.part.tif"],
)  # fmt: skip
def test_only_names_of_ours_count_and_no_link_is_followed(name, tmp_path, aged):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "thesis.txt").write_text("three years")
    here = tmp_path / "here"
    here.mkdir()
    (here / name).symlink_to(elsewhere, target_is_directory=True)
    sweep(here)
    assert names(here) == [name]
    assert (elsewhere / "thesis.txt").read_text() == "three years"
    (here / name).unlink()
    (here / name).write_text("a file")
    sweep(here)
    is_ours = name.startswith(".0123abcd.part") and not name.endswith("partial")
    if ".old." not in name:
        assert names(here) == ([] if is_ours else [name])


def test_a_result_that_was_moved_aside_and_not_replaced_comes_back(
    tmp_path, aged, monkeypatch
):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "old").touch()
    new = part_name(tmp_path / "a.zarr")
    new.mkdir()
    replace, calls = os.replace, []

    def killed(*paths):
        calls.append(paths)
        if len(calls) > 1:
            os._exit(9)
        replace(*paths)

    child = os.fork()
    if not child:  # a process that is killed between the two renamings
        monkeypatch.setattr(os, "replace", killed)
        with locked(new):
            put_folder(new, tmp_path / "a.zarr")
    os.waitpid(child, 0)
    assert not (tmp_path / "a.zarr").exists()
    sweep(tmp_path)
    assert names(tmp_path) == ["a.zarr"]
    assert names(tmp_path / "a.zarr") == ["old"]
