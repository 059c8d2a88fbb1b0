"""What an import brings along: the engine no Qt, the manifest no torch."""

import subprocess
import sys
from pathlib import Path

import pytest

import napari_mpi

PACKAGE = Path(napari_mpi.__file__).parent
WITHOUT_QT = [
    ".".join(("napari_mpi", *path.relative_to(PACKAGE).with_suffix("").parts))
    for folder in ("engine", "batch", "cli")
    for path in sorted(PACKAGE.joinpath(folder).rglob("[a-z]*.py"))
]
BLOCKED = ["napari", "npe2", "qtpy", "superqt", "magicgui", "PyQt5", "PyQt6", "PySide6"]

BLOCK = f"import sys; sys.modules.update(dict.fromkeys({BLOCKED}))"


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_engine_batch_and_cli_import_without_napari_and_qt():
    modules = ", ".join([*WITHOUT_QT, "napari_mpi.samples"])
    done = run_python(f"{BLOCK}; import {modules}")
    assert done.returncode == 0, done.stderr


def test_an_image_is_denoised_without_napari_and_qt():
    done = run_python(
        f"{BLOCK}; import numpy, napari_mpi\n"
        "image = numpy.arange(1200, dtype='uint16').reshape(40, 30)\n"
        "result = napari_mpi.denoise(image, iterations=1, device='cpu')\n"
        "assert (result != image).any() and result.dtype == image.dtype"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "code",
    [
        "import napari_mpi",
        "from napari_mpi.engine.settings import filling",
        "from napari_mpi.engine.networks import catalogue",
        "from napari_mpi.cli.main import main; main(['weights', 'list'])",
        "import npe2; npe2.PluginManifest.from_distribution('napari-mpi')",
    ],
)
def test_what_must_be_quick_loads_no_torch(code):
    done = run_python(f"{code}; import sys; assert 'torch' not in sys.modules")
    assert done.returncode == 0, done.stderr


def test_opening_a_widget_module_loads_no_torch():
    pytest.importorskip("napari")
    done = run_python(
        "import importlib, sys\n"
        "for name in ('denoise', 'pretrain', 'batch'):\n"
        "    importlib.import_module(f'napari_mpi.widgets.{name}.dock')\n"
        "    assert 'torch' not in sys.modules, name"
    )
    assert done.returncode == 0, done.stderr


def test_what_only_some_formats_need_is_loaded_only_for_them():
    done = run_python(
        "import napari_mpi.engine.files.formats, sys\n"
        "assert not {'zarr', 'nibabel', 'pydicom'} & set(sys.modules)"
    )
    assert done.returncode == 0, done.stderr
