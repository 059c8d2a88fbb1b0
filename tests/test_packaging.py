"""What users install: a valid manifest whose commands exist, and a complete wheel."""

import importlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from napari_mpi.engine.networks.catalogue import SHIPPED

npe2 = pytest.importorskip("npe2")
ROOT = Path(__file__).parents[1]
MANIFEST = ROOT / "src" / "napari_mpi" / "napari.yaml"


@pytest.fixture(scope="module")
def manifest():
    return npe2.PluginManifest.from_distribution("napari-mpi")


def test_the_manifest_is_valid():
    done = subprocess.run(
        [sys.executable, "-m", "npe2", "validate", str(MANIFEST)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_command_of_the_manifest_exists(manifest):
    for command in manifest.contributions.commands:
        module, _, name = command.python_name.partition(":")
        assert callable(getattr(importlib.import_module(module), name))


def test_every_contribution_names_a_command(manifest):
    contributions = manifest.contributions
    known = {command.id for command in contributions.commands}
    used = [
        entry.command for entry in contributions.widgets + contributions.sample_data
    ]
    used += [item.command for item in contributions.menus["napari/layers/filter"]]
    assert set(used) == known


def test_the_wheel_holds_manifest_types_and_all_modules(tmp_path):
    subprocess.run(
        [
            sys.executable,
            "-m",
            "build",
            "--wheel",
            "--no-isolation",
            "-o",
            tmp_path,
            ROOT,
        ],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {str(p.relative_to(ROOT / "src")) for p in MANIFEST.parent.rglob("*.py")}
    assert modules | {"napari_mpi/napari.yaml", "napari_mpi/py.typed"} <= names
    entry = next(name for name in names if name.endswith("entry_points.txt"))
    told = zipfile.ZipFile(wheel).read(entry).decode()
    assert "napari-mpi = napari_mpi:napari.yaml" in told
    assert "napari-mpi = napari_mpi.__main__:main" in told
    weights = [
        i for i in zipfile.ZipFile(wheel).infolist() if "safetensors" in i.filename
    ]
    shipped = {
        f"napari_mpi/engine/networks/shipped/{name}.safetensors" for name in SHIPPED
    }
    assert {info.filename for info in weights} == shipped
    assert sum(info.file_size for info in weights) <= 8_000_000
    assert not [name for name in names if name.endswith((".pth", ".checkpoint"))]
