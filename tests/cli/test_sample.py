"""The command `napari-mpi sample`."""

import sys

import numpy as np
import pytest

from napari_mpi.cli.main import main
from napari_mpi.engine.files.formats import read_image

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


def sentence(capsys):
    """Return the only line on stderr, what a person is told."""
    told = capsys.readouterr().err
    assert told.startswith("napari-mpi: ")
    assert told.count("\n") == 1
    assert told.endswith("\n")
    return told


@pytest.mark.parametrize(
    ("kind", "axes", "dtype"),
    [("retina", "YX", "uint16"), ("tissue", "YXS", "uint8")],
)
def test_sample_is_a_noisy_image_and_its_clean_partner(
    kind, axes, dtype, results, capsys
):
    assert main(["sample", str(results / "s.tif"), "--kind", kind]) == 0
    noisy, clean = (read_image(results / f"s{end}.tif") for end in ("", "-clean"))
    assert noisy.axes == clean.axes == axes
    assert noisy.array.dtype == clean.array.dtype == dtype
    assert noisy.array.shape == clean.array.shape
    difference = noisy.array.astype(float) - clean.array
    assert difference.std() > 5 * abs(difference.mean())
    assert len(list(results.iterdir())) == 2
    told = capsys.readouterr().out.splitlines()
    assert told == [str(results / "s.tif"), str(results / "s-clean.tif")]


def test_seed_of_a_sample_changes_its_noise_alone(results):
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        main(["sample", str(results / f"{name}.tif"), "--seed", seed])
    a, b, c = (read_image(results / f"{name}.tif").array for name in "abc")
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)
    clean = [read_image(results / f"{name}-clean.tif").array for name in "ac"]
    np.testing.assert_array_equal(*clean)


@pytest.mark.parametrize("name", ["s.png", "none/s.tif"])
def test_sample_that_cannot_be_written_is_told(name, results, capsys):
    assert main(["sample", str(results / name)]) == 1
    assert str(results / name) in sentence(capsys)
    assert list(results.iterdir()) == []


@pytest.mark.parametrize("there", ["s.tif", "s-clean.tif"])
def test_a_sample_replaces_a_file_only_if_asked(there, results, capsys):
    (results / there).write_bytes(b"mine")
    assert main(["sample", str(results / "s.tif")]) == 2
    assert "is there already" in sentence(capsys)
    assert [path.read_bytes() for path in results.iterdir()] == [b"mine"]
    assert main(["sample", str(results / "s.tif"), "--overwrite"]) == 0
