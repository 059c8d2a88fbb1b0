"""The command line: results, exit status, one sentence for whatever goes wrong."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import tifffile
import torch

from napari_mpi.cli.main import main
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.networks.catalogue import PUBLISHED, SHIPPED
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.networks.weight_files import save_weights

FEW = ["--iterations", "3", "--device", "cpu"]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


class Malicious:
    """Touches a file when it is unpickled."""

    def __init__(self, sentinel):
        self.sentinel = sentinel

    def __reduce__(self):
        return type(self.sentinel).touch, (self.sentinel,)


@pytest.fixture
def weights(small_weights, tmp_path):
    """Return the file of small weights."""
    path = tmp_path / "small.safetensors"
    save_weights(small_weights, path)
    return path


@pytest.fixture
def noisy(tmp_path, rng):
    """Return a small calibrated image."""
    path = tmp_path / "noisy.tif"
    write_noisy(path, rng)
    return path


@pytest.fixture
def results(tmp_path):
    """Return an empty folder."""
    path = tmp_path / "results"
    path.mkdir()
    return path


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


# Results


@pytest.mark.parametrize(
    ("axes", "shape", "dtype"),
    [
        ("YX", (16, 20), "uint16"),
        ("ZYX", (2, 16, 20), "uint16"),
        ("TYX", (2, 16, 20), "float32"),
        ("ZCYX", (2, 2, 16, 20), "uint16"),
        ("YXS", (16, 20, 3), "uint8"),
    ],
)
def test_result_has_shape_type_axes_and_calibration_of_the_source(
    axes, shape, dtype, weights, results, tmp_path, rng
):
    before = write_noisy(tmp_path / "a.tif", rng, axes=axes, shape=shape, dtype=dtype)
    assert denoise(tmp_path / "a.tif", results / "b.tif", weights) == 0
    after = read_image(results / "b.tif")
    assert (after.axes, after.array.shape, after.array.dtype) == (axes, shape, dtype)
    assert not np.array_equal(after.array, before)
    assert after.metadata.resolution == pytest.approx((4.0, 8.0))
    assert after.metadata.fields["unit"] == "micron"
    assert [path.name for path in results.iterdir()] == ["b.tif"]


def test_result_tells_how_to_make_it_again(noisy, weights, results):
    options = ["--seed", 7, "--preset", "real-fast", "--ema-decay", 0.5]
    assert denoise(noisy, results / "b.tif", weights, *options) == 0
    info = read_image(results / "b.tif").metadata.fields["Info"]
    made = json.loads(info.partition("napari-mpi: ")[2])
    assert made["axes"] == "YX"
    assert made["weights"]["sha256"] == load_weights(weights).sha256
    assert made["settings"] == {
        "mask_ratio": 0.85,
        "shared_mask": True,
        "iterations": 3,
        "learning_rate": 0.002,
        "ema_decay": 0.5,
        "ensemble_start": "noisy",
        "ensemble_of": "hidden",
        "guard": False,
        "keep_means": False,
        "crop": 0,
        "share": False,
        "passes": 0,
        "merge": False,
        "stop": False,
        "weights_ema_decay": 0.0,
        "precision": "float32",
        "pixel_unshuffle": 1,
        "blend": False,
        "hot_pixels": False,
        "by_noise": False,
        "seed": 7,
    }


def test_same_seed_gives_the_same_image_and_another_seed_another(
    noisy, weights, results
):
    for name, seed in (("a", 4), ("b", 4), ("c", 5)):
        assert denoise(noisy, results / f"{name}.tif", weights, "--seed", seed) == 0
    a, b, c = (read_image(results / f"{name}.tif").array for name in "abc")
    assert a.tobytes() == b.tobytes()
    assert a.tobytes() != c.tobytes()


def test_constant_image_comes_back_as_it_is(weights, results, tmp_path):
    array = np.full((16, 20), 7, np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", array)
    assert denoise(tmp_path / "a.tif", results / "b.tif", weights) == 0
    np.testing.assert_array_equal(read_image(results / "b.tif").array, array)


def test_given_axes_replace_those_of_the_file(weights, results, tmp_path, rng):
    write_noisy(tmp_path / "a.tif", rng, axes="ZYX", shape=(2, 16, 20))
    output = results / "b.tif"
    assert denoise(tmp_path / "a.tif", output, weights, "--axes", "TYX") == 0
    assert read_image(output).axes == "TYX"


def test_axes_that_ome_cannot_hold_do_not_prevent_the_result(
    weights, results, tmp_path, rng
):
    array = rng.integers(0, 4000, (16, 20)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.ome.tif", array, ome=True)
    output = results / "b.tif"
    assert denoise(tmp_path / "a.ome.tif", output, weights, "--axes", "XY") == 0
    assert read_image(output).array.shape == (16, 20)


def test_picture_is_denoised_into_a_tiff(weights, results, tmp_path, rng):
    import imageio.v3 as imageio

    array = rng.integers(0, 256, (16, 20, 3)).astype(np.uint8)
    imageio.imwrite(tmp_path / "a.png", array)
    assert denoise(tmp_path / "a.png", results / "b.tif", weights) == 0
    after = read_image(results / "b.tif")
    assert (after.axes, after.array.shape) == ("YXS", (16, 20, 3))


def test_old_result_is_replaced(noisy, weights, results):
    (results / "b.tif").write_text("an old result")
    assert denoise(noisy, results / "b.tif", weights) == 0
    assert read_image(results / "b.tif").array.shape == (16, 20)


def test_reference_gives_the_quality_before_and_after(
    noisy, weights, results, tmp_path, capsys
):
    clean = np.full((16, 20), 1000, np.uint16)
    clean[:, 10:] = 1200
    tifffile.imwrite(tmp_path / "clean.tif", clean)
    reference = ["--reference", tmp_path / "clean.tif"]
    assert denoise(noisy, results / "b.tif", weights, *reference) == 0
    lines = capsys.readouterr().out.splitlines()
    for line, word, path in zip(
        lines, ("noisy", "denoised"), (noisy, results / "b.tif"), strict=True
    ):
        difference = read_image(path).array.astype(float) - clean
        psnr = 20 * np.log10(200 / np.sqrt((difference**2).mean()))
        assert line.split()[:2] == [word, f"{psnr:.2f}"]
        assert "SSIM" in line


def test_quiet_run_says_nothing(noisy, weights, results, capsys):
    assert denoise(noisy, results / "b.tif", weights) == 0
    assert capsys.readouterr() == ("", "")


def test_run_tells_what_it_does_on_stderr_alone(noisy, weights, results, capsys):
    given = [str(noisy), "-o", str(results / "b.tif"), "--weights", str(weights)]
    assert main(["denoise", *given, *FEW]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    words = ["uint16 (16, 20), axes YX", "cpu", "weights  small", "%|"]
    assert all(word in told.err for word in [*words, str(results / "b.tif")])


# Bad inputs: one sentence, the documented status, no output


def missing(path):
    path.unlink()


def text(path):
    path.write_text("I am a text.\n")


def truncated(path):
    path.write_bytes(path.read_bytes()[:-300])


def with_nan(path):
    array = np.ones((16, 20), np.float32)
    array[3, 4] = np.nan
    tifffile.imwrite(path, array)


def complex_numbers(path):
    tifffile.imwrite(path, np.ones((16, 20), np.complex64))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (missing, "check the path"),
        (text, "damaged or of another kind"),
        (truncated, "is damaged: it has 692 bytes of the 992"),
        (with_nan, "1 values that are NaN"),
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


# Weights and samples


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


# As a process


def command(*arguments):
    return [sys.executable, "-m", "napari_mpi", *map(str, arguments)]


def completed(*arguments):
    """Run the command line as a process of its own."""
    return subprocess.run(
        command(*arguments),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )


def test_module_runs_as_a_program(noisy, weights, results):
    given = [noisy, "-o", results / "b.tif", "--weights", weights, "--iterations", 3]
    found = completed("denoise", *given)
    assert found.returncode == 0, found.stderr
    assert found.stdout == ""
    assert "Warning" not in found.stderr
    assert read_image(results / "b.tif").array.shape == (16, 20)


def test_exit_status_reaches_the_shell_with_one_sentence(results):
    given = ["none.tif", "-o", results / "b.tif"]
    found = completed("denoise", *given)
    assert found.returncode == 1
    assert found.stderr == "napari-mpi: there is no file none.tif: check the path\n"


@pytest.fixture
def default_sigint():
    """Let a child process be interrupted even if this one was told to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@POSIX
def test_real_ctrl_c_leaves_nothing_and_gives_130(
    results, tmp_path, rng, default_sigint
):
    write_noisy(tmp_path / "a.tif", rng, shape=(128, 128))
    given = [tmp_path / "a.tif", "-o", results / "b.tif", "--weights", "none"]
    with subprocess.Popen(
        command("denoise", *given, "--iterations", 100_000),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            told = b""
            while b"%|" not in told and (part := os.read(process.stderr.fileno(), 999)):
                told += part
            process.send_signal(signal.SIGINT)
            _, rest = process.communicate(timeout=1800)
        finally:
            process.kill()
    assert b"%|" in told
    assert process.returncode == 130, rest
    assert b"interrupted, nothing was written" in rest
    assert b"Traceback" not in rest
    assert list(results.iterdir()) == []


@POSIX
def test_a_run_that_is_killed_among_its_planes_leaves_no_file(results, tmp_path, rng):
    write_noisy(tmp_path / "a.tif", rng, axes="ZYX", shape=(200, 40, 40))
    given = [tmp_path / "a.tif", "-o", results / "b.tif", "--preset", "blind-fast"]
    with subprocess.Popen(
        command("denoise", *given, "--iterations", 1), stderr=subprocess.PIPE
    ) as process:
        told = b""
        while not re.search(rb"[1-9]\d* of 200 planes done", told) and (
            part := os.read(process.stderr.fileno(), 999)
        ):
            told += part
        process.kill()
    assert b"of 200 planes done" in told
    assert process.returncode == -signal.SIGKILL
    assert list(results.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("fmd/raw/Confocal_FISH_3.png", {"dtype": "uint8", "shape": (512, 512)}),
        ("stacks/n2v_FA_evolve.tif", {"dtype": "uint16", "shape": (512, 512)}),
        (
            "stacks/neubias_xyzc_16bit__dna_conf_wf.tif",
            {"dtype": "uint16", "shape": (45, 2, 130, 133)},
        ),
    ],
)
def test_real_images_keep_type_shape_and_calibration(
    name, kept, shared_data, weights, tmp_path
):
    source, output = shared_data / "data" / "eval" / name, tmp_path / "out.tif"
    options = ["--weights", str(weights), "--iterations", "1", "-q"]
    assert main(["denoise", str(source), "-o", str(output), *options]) == 0
    before, after = read_image(source), read_image(output)
    assert (str(after.array.dtype), after.array.shape) == (kept["dtype"], kept["shape"])
    assert (after.array != before.array).any()
    assert after.axes == before.axes
    if before.metadata.resolution is not None:
        assert after.metadata.resolution == pytest.approx(before.metadata.resolution)
        assert after.metadata.resolution_unit == before.metadata.resolution_unit
    for field in ("unit", "spacing", "finterval"):
        assert after.metadata.fields.get(field) == before.metadata.fields.get(field)


def test_axes_may_be_given_in_small_letters(noisy, results, weights):
    output = results / "out.tif"
    options = ["--weights", str(weights), *FEW, "-q", "--axes", "yx"]
    assert main(["denoise", str(noisy), "-o", str(output), *options]) == 0
    assert read_image(output).axes == "YX"


def test_a_negative_seed_is_wrong_usage(results, capsys):
    with pytest.raises(SystemExit) as left:
        main(["sample", str(results / "s.tif"), "--seed", "-1"])
    assert left.value.code == 2
    assert list(results.iterdir()) == []
