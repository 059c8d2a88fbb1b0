"""Runs programs, and tells what they took: processor seconds, memory, bytes."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

COMMAND = [sys.executable, "-m", "napari_mpi", "denoise"]
QUICK = ["--preset", "blind-fast", "--device", "cpu"]


@dataclass(frozen=True, slots=True)
class Took:
    """What one or several programs took.

    Parameters
    ----------
    wall, processor : float
        Seconds.
    peak : float
        MB of memory of the largest of them.
    """

    wall: float
    processor: float
    peak: float


def took(commands: list[list[str]]) -> Took:
    """Run programs at the same time, each on one thread, until all have ended.

    Parameters
    ----------
    commands : list of list of str
        One for every program.
    """
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    begun = time.monotonic()
    programs = [
        subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
        for command in commands
    ]
    usages = []
    for program in programs:
        _, status, usage = os.wait4(program.pid, 0)
        program.returncode = os.waitstatus_to_exitcode(status)
        if program.returncode:
            raise SystemExit(f"{program.args} ended with {program.returncode}")
        usages.append(usage)
    return Took(
        time.monotonic() - begun,
        sum(usage.ru_utime + usage.ru_stime for usage in usages),
        max(usage.ru_maxrss for usage in usages) / 1024,
    )


def digest(folder: Path) -> str:
    """Return the sha256 of all files of a folder, by their names and bytes."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found.update(str(path.relative_to(folder)).encode())
            found.update(path.read_bytes())
    return found.hexdigest()


def remove(*paths: Path) -> None:
    """Remove results, and what is unfinished of them."""
    for path in paths:
        for name in (path, path.with_name(f"{path.name}.unfinished")):
            shutil.rmtree(name, ignore_errors=True)
