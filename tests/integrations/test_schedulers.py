"""The examples for SLURM and Nextflow: every command of theirs is one of ours."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_mpi import read_image, write_image
from napari_mpi.cli.main import _parser
from napari_mpi.engine.files.metadata import ImageFile

FOLDER = Path(__file__).parents[2] / "integrations"
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="scripts of POSIX")

# Runs what it is given at once: each task of an array, and counts the jobs.
SBATCH = """#!/usr/bin/env bash
set -euo pipefail
echo "$*" >> "$JOBS"
for argument in "$@"; do
  case $argument in
    --wrap=*) command=${argument#--wrap=} ;;
    --array=1-*) tasks=${argument#--array=1-} ;;
  esac
done
for task in $(seq "${tasks:-1}" -1 1); do
  SLURM_ARRAY_TASK_ID=$task bash -c "$command" >&2
done
wc -l < "$JOBS"
"""


@pytest.fixture
def volume(tmp_path, rng):
    """Return a small volume."""
    pytest.importorskip("zarr", reason="the extra is not installed")
    noisy = rng.poisson(200, (3, 32, 32)).astype(np.uint16)
    write_image(tmp_path / "big.zarr", ImageFile(noisy, "ZYX"))
    return tmp_path / "big.zarr"


@POSIX
def test_the_jobs_of_slurm_make_the_result(volume, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sbatch").write_text(SBATCH)
    (tmp_path / "bin" / "napari-mpi").write_text(
        f'#!/usr/bin/env bash\nexec {shlex.quote(sys.executable)} -m napari_mpi "$@"'
        " --device cpu\n"
    )
    for file in (tmp_path / "bin").iterdir():
        file.chmod(0o755)
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "JOBS": str(tmp_path / "jobs")}
    script = FOLDER / "slurm" / "denoise.sh"
    command = ["bash", str(script), str(volume), str(tmp_path / "out.zarr"), "3"]
    done = subprocess.run(
        command, env={**env, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    jobs = (tmp_path / "jobs").read_text().splitlines()
    assert ["afterok:1" in jobs[1], "afterok:2" in jobs[2]] == [True, True]
    assert read_image(tmp_path / "out.zarr").array.shape == (3, 32, 32)


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_the_script_is_sound():
    script = FOLDER / "slurm" / "denoise.sh"
    subprocess.run(["bash", "-n", str(script)], check=True)
    lint = shutil.which("shellcheck")
    if lint is not None:
        subprocess.run([lint, str(script)], check=True)


def test_the_processes_of_nextflow_give_commands_that_there_are():
    text = (FOLDER / "nextflow" / "main.nf").read_text()
    scripts = re.findall(r'"""\n(.*?)"""', text, flags=re.DOTALL)
    assert len(scripts) == 3
    values = {"params.parts": "4", "number": "2"}
    for script in scripts:
        filled = re.sub(r"\$\{([\w.]+)\}", lambda m: values.get(m[1], "a.zarr"), script)
        words = shlex.split(filled.replace("\\\n", " "))
        assert words.pop(0) == "napari-mpi"
        options = _parser().parse_args(words)
        assert options.adapt_only or options.part == (2, 4) or options.finish
