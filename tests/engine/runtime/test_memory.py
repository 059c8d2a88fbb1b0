"""A container's or a job's limit counts, not the machine's memory."""

import subprocess
import sys

import psutil
import pytest

from napari_mpi.engine.runtime import memory

GIGABYTE = 10**9


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Return a folder to be filled as /sys/fs/cgroup, and what names our group."""
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path / "fs")
    monkeypatch.setattr(memory, "_OF_PROCESS", tmp_path / "cgroup")
    return tmp_path / "fs", tmp_path / "cgroup"


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(str(content))


def test_without_a_limit_it_is_the_machine_s(groups):
    assert memory.total_memory() == psutil.virtual_memory().total
    assert memory.free_memory() > 0


@pytest.mark.parametrize("mount", ["", "unified"])
def test_a_limit_of_version_2_around_our_group_counts(groups, mount):
    fs, ours = groups
    ours.write_text("0::/jobs/17/step\n")
    stat = f"anon 1\ninactive_file {GIGABYTE // 4}\n"
    write(fs / mount / "jobs" / "17" / "step", memory__max="max", memory__current=5)
    write(
        fs / mount / "jobs" / "17",
        memory__max=2 * GIGABYTE,
        memory__current=GIGABYTE,
        memory__stat=stat,
    )
    assert memory.total_memory() == 2 * GIGABYTE
    assert memory.free_memory() == GIGABYTE + GIGABYTE // 4  # cached files are given up


def test_a_limit_of_version_1_counts_and_a_container_s_is_its_mount(groups):
    fs, ours = groups
    ours.write_text("4:cpu,memory:/docker/0123\n1:cpu:/\n0::/\n")
    write(
        fs / "memory",
        memory__limit_in_bytes=GIGABYTE,
        memory__usage_in_bytes=GIGABYTE // 2,
        memory__stat="cache 7\ntotal_inactive_file 0\n",
    )
    assert memory.total_memory() == GIGABYTE
    assert memory.free_memory() == GIGABYTE // 2


def test_nothing_is_left_beyond_the_limit(groups):
    fs, ours = groups
    ours.write_text("0::/\n")
    write(fs, memory__max=5, memory__current=9, memory__stat="inactive_file 0\n")
    assert memory.free_memory() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
def test_a_limit_of_the_process_counts():
    code = (
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_AS, (3 * 10**9, 3 * 10**9))\n"
        "from napari_mpi.engine.runtime import memory\n"
        "print(memory.total_memory(), memory.free_memory())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    total, free = map(int, done.stdout.split())
    assert total == 3 * GIGABYTE
    assert 0 < free < total
