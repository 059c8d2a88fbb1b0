"""The plan of the house: rooms that explain themselves, and stay small."""

import ast
from pathlib import Path

import pytest

import napari_mpi

PACKAGE = Path(napari_mpi.__file__).parent
ROOMS = sorted(path.parent for path in PACKAGE.rglob("__init__.py"))
MOST_MODULES = 10


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_a_room_is_a_sentence_with_ten_modules_at_most(room):
    said = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
    assert said.partition("\n")[0].endswith("."), "its __init__ says what is in it"
    modules = [path for path in room.glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= MOST_MODULES


def test_contributing_names_every_module():
    contributing = Path(__file__).parents[1] / "CONTRIBUTING.md"
    words = contributing.read_text().replace("/", " ").split()
    engine = (PACKAGE / "engine").rglob("[a-z]*.py")
    formats = PACKAGE / "engine" / "files"
    modules = [path for path in engine if path.parent.parent != formats]
    missing = {path.stem for path in modules} - set(words)
    assert not missing
