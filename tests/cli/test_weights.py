"""The commands `napari-mpi weights list`, `import` and `fetch`."""

import json
import shutil
import sys

import pytest

from napari_mpi.cli.main import main
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.networks.catalogue import PUBLISHED, SHIPPED

FEW = ["--iterations", "3", "--device", "cpu"]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


def denoise(noisy, output, weights, *options):
    """Denoise quickly and quietly; return the exit status."""
    given = [str(noisy), "-o", str(output), "--weights", str(weights), "-q"]
    return main(["denoise", *given, *FEW, *map(str, options)])


def sentence(capsys):
    """Return the only line on stderr, what a person is told."""
    told = capsys.readouterr().err
    assert told.startswith("napari-mpi: ")
    assert told.count("\n") == 1
    assert told.endswith("\n")
    return told


def test_weights_list_shows_all_names(weights, capsys):
    main(["weights", "import", str(weights), "--name", "lab"])
    capsys.readouterr()
    assert main(["weights", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [
        "auto",
        *SHIPPED,
        "none",
        *PUBLISHED,
        "lab",
    ]


def test_weights_list_tells_which_are_here(authors_weights, capsys):
    main(["weights", "import", str(authors_weights["mpi-shared-80-95"])])
    capsys.readouterr()
    main(["weights", "list"])
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert lines["mpi-shared-80-95"].endswith("; here")
    assert lines["mpi-pixelwise-30"].endswith("; fetched when first used")


def test_imported_weights_can_be_used_by_name(noisy, weights, results, capsys):
    assert main(["weights", "import", str(weights), "--name", "lab"]) == 0
    assert "--weights lab" in capsys.readouterr().out
    assert denoise(noisy, results / "b.tif", "lab") == 0
    info = read_image(results / "b.tif").metadata.fields["Info"]
    assert json.loads(info.partition("napari-mpi: ")[2])["weights"]["name"] == "lab"


def test_import_of_what_is_no_weights_file_is_told(tmp_path, capsys, home):
    (tmp_path / "a.pth").write_text("hello, I am a text.\n")
    assert main(["weights", "import", str(tmp_path / "a.pth")]) == 1
    assert str(tmp_path / "a.pth") in sentence(capsys)
    assert not home.exists()


def test_fetch_of_an_unknown_name_lists_the_choices(capsys):
    assert main(["weights", "fetch", "labs"]) == 1
    told = sentence(capsys)
    assert all(name in told for name in ("'labs'", *PUBLISHED))


def test_fetch_tells_where_the_file_is(authors_weights, capsys, home):
    (home / "cache").mkdir(parents=True)
    file = authors_weights["mpi-shared-80-95"]
    shutil.copyfile(file, home / "cache" / file.name)
    assert main(["weights", "fetch", "mpi-shared-80-95"]) == 0
    assert capsys.readouterr().out.strip() == str(home / "cache" / file.name)
