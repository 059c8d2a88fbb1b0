"""`napari-mpi denoise`, refused or cut short: one sentence, the status, no output."""

import sys

import numpy as np
import pytest
import tifffile
import torch

from napari_mpi.cli.main import main

FEW = ["--iterations", "3", "--device", "cpu"]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


class Malicious:
    """Touches a file when it is unpickled."""

    def __init__(self, sentinel):
        self.sentinel = sentinel

    def __reduce__(self):
        return type(self.sentinel).touch, (self.sentinel,)


def write_noisy(path, rng, *, axes="YX", shape=(16, 20), dtype="uint16"):
    array = rng.normal(1000, 100, shape).clip(0, None)
    array = (array if dtype == "uint16" else array / 10).astype(dtype)
    metadata = {"axes": axes, "unit": "micron"}
    tifffile.imwrite(path, array, imagej=True, resolution=(4.0, 8.0), metadata=metadata)
    return array


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


def missing(path):
    path.unlink()


def text(path):
    path.write_text("I am a text.\n")


def truncated(path):
    path.write_bytes(path.read_bytes()[:-300])


def all_nan(path):
    tifffile.imwrite(path, np.full((16, 20), np.nan, np.float32))


def complex_numbers(path):
    tifffile.imwrite(path, np.ones((16, 20), np.complex64))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (missing, "check the path"),
        (text, "damaged or of another kind"),
        (truncated, "is damaged: it has 692 bytes of the 992"),
        (all_nan, "all values of the image are NaN"),
        (complex_numbers, "complex numbers"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_bad_image_is_told(spoil, said, noisy, weights, results, capsys):
    spoil(noisy)
    assert denoise(noisy, results / "b.tif", weights) == 1
    assert said in sentence(capsys)
    assert list(results.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["--axes", "ZYX"], 1, "'ZYX' have 3 letters"),
        (["--axes", "KX"], 1, "'KX' are not usable"),
        (["--iterations", "0"], 2, "iterations is 0"),
        (["--mask-ratio", "0"], 2, "mask ratio is 0"),
        (["--mask-ratio", "1"], 2, "mask ratio is 1"),
        (["--mask-ratio", "nan"], 2, "mask ratio is nan"),
        (["--seed", "-1"], 2, "seed is -1"),
        (["--weights", "labs"], 1, "no weights 'labs'"),
        (["--weights", "none.pth"], 1, "no weights file none.pth"),
        (["--device", "tpu"], 1, "'tpu' is not there"),
        (["--reference", "none.tif"], 1, "no file none.tif"),
    ],
    ids=lambda value: "=".join(value) if isinstance(value, list) else "",
)
def test_bad_option_is_told(options, status, said, noisy, weights, results, capsys):
    assert denoise(noisy, results / "b.tif", weights, *options) == status
    assert said in sentence(capsys)
    assert list(results.iterdir()) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is here")
def test_missing_gpu_is_told(noisy, weights, results, capsys):
    assert denoise(noisy, results / "b.tif", weights, "--device", "cuda") == 1
    assert "choose auto or cpu" in sentence(capsys)
    assert list(results.iterdir()) == []


def test_weights_that_carry_code_are_refused_and_not_run(
    noisy, results, tmp_path, capsys
):
    torch.save({"params": Malicious(tmp_path / "was-run")}, tmp_path / "evil.pth")
    assert denoise(noisy, results / "b.tif", tmp_path / "evil.pth") == 1
    assert "could run as code" in sentence(capsys)
    assert not (tmp_path / "was-run").exists()
    assert list(results.iterdir()) == []


@pytest.mark.parametrize("name", ["none/b.tif", "file/b.tif", "folder.tif", "b.png"])
def test_output_that_cannot_be_written_is_told_before_the_work(
    name, noisy, weights, results, capsys, monkeypatch
):
    (results / "file").write_text("a file")
    (results / "folder.tif").mkdir()
    before = sorted(results.rglob("*"))
    monkeypatch.setattr(
        "napari_mpi.engine.denoising.denoise.denoise",
        lambda *_, **__: pytest.fail("too late"),
    )
    assert denoise(noisy, results / name, weights) == 1
    assert name in sentence(capsys)
    assert sorted(results.rglob("*")) == before


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_output_in_a_system_folder_is_told(noisy, weights, capsys):
    assert denoise(noisy, "/proc/b.tif", weights) == 1
    assert "/proc/b.tif cannot be written" in sentence(capsys)


def test_a_name_cannot_steer_the_terminal(results, capsys):
    name = "\x1b[2J\x1b]0;owned\x07\r.tif"
    assert main(["denoise", str(results / name), "-o", str(results / "b.tif")]) == 1
    told = sentence(capsys)
    assert "\x1b" not in told
    assert "\\x1b[2J\\x1b]0;owned\\x07\\r.tif" in told


@POSIX
@pytest.mark.parametrize("how", ["same", "link"])
def test_output_that_is_the_input_is_refused(how, noisy, weights, results, capsys):
    before = noisy.read_bytes()
    output = noisy
    if how == "link":
        output = results / "b.tif"
        output.symlink_to(noisy)
    assert denoise(noisy, output, weights) == 1
    assert "is the input itself" in sentence(capsys)
    assert noisy.read_bytes() == before


def test_output_that_is_the_reference_is_refused(noisy, weights, tmp_path, capsys, rng):
    write_noisy(tmp_path / "clean.tif", rng)
    before = (tmp_path / "clean.tif").read_bytes()
    clean = tmp_path / "clean.tif"
    assert denoise(noisy, clean, weights, "--reference", clean) == 1
    assert "is the input itself" in sentence(capsys)
    assert clean.read_bytes() == before


def test_reference_of_another_shape_is_told_before_the_work(
    noisy, weights, results, tmp_path, capsys, rng
):
    write_noisy(tmp_path / "clean.tif", rng, shape=(16, 16))
    reference = ["--reference", tmp_path / "clean.tif"]
    assert denoise(noisy, results / "b.tif", weights, *reference) == 1
    assert "(16, 16)" in sentence(capsys)
    assert list(results.iterdir()) == []


def test_constant_reference_is_told_before_the_work(
    noisy, weights, results, tmp_path, capsys
):
    tifffile.imwrite(tmp_path / "clean.tif", np.full((16, 20), 7, np.uint16))
    reference = ["--reference", tmp_path / "clean.tif"]
    assert denoise(noisy, results / "b.tif", weights, *reference) == 1
    assert "reference is constant" in sentence(capsys)
    assert list(results.iterdir()) == []


def test_full_disk_is_told_and_leaves_nothing(
    noisy, weights, results, capsys, monkeypatch
):
    def full_disk(file, *_):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_mpi.engine.files.tiff.files.write_blocks", full_disk)
    assert denoise(noisy, results / "b.tif", weights) == 1
    assert "No space left on device" in sentence(capsys)
    assert list(results.iterdir()) == []


def test_ctrl_c_leaves_nothing_and_gives_130(
    noisy, weights, results, capsys, monkeypatch
):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("tqdm.tqdm.update", interrupted)
    assert denoise(noisy, results / "b.tif", weights) == 130
    assert "interrupted" in sentence(capsys)
    assert list(results.iterdir()) == []


def test_ctrl_c_leaves_an_old_result_as_it_was(noisy, weights, results, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    (results / "b.tif").write_text("an old result")
    monkeypatch.setattr("tqdm.tqdm.update", interrupted)
    assert denoise(noisy, results / "b.tif", weights) == 130
    assert (results / "b.tif").read_text() == "an old result"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["denois"],
        ["denoise", "a.tif"],
        ["denoise", "-o", "b.tif"],
        ["denoise", "a.tif", "-o", "b.tif", "--preset", "slow"],
        ["denoise", "a.tif", "-o", "b.tif", "--iterations", "many"],
        ["denoise", "a.tif", "-o", "b.tif", "--ensemble-start", "zero"],
        ["weights"],
        ["weights", "fetch"],
        ["sample"],
        ["sample", "a.tif", "--kind", "cat"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: napari-mpi" in capsys.readouterr().err


def test_a_negative_seed_is_wrong_usage(results, capsys):
    with pytest.raises(SystemExit) as left:
        main(["sample", str(results / "s.tif"), "--seed", "-1"])
    assert left.value.code == 2
    assert list(results.iterdir()) == []
