"""The command `napari-mpi denoise`: what comes of it, and what is told."""

import json
import sys

import numpy as np
import pytest
import tifffile

from napari_mpi.cli.main import main
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.networks.loading import load_weights

FEW = ["--iterations", "3", "--device", "cpu"]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


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
        "neighbours": "none",
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


def test_how_far_is_looked_beside_a_plane_is_told_and_kept(
    results, tmp_path, rng, capsys
):
    write_noisy(tmp_path / "a.tif", rng, axes="TYX", shape=(3, 32, 32))
    output = results / "b.tif"
    given = [str(tmp_path / "a.tif"), "-o", str(output), "--preset", "auto-fast"]
    assert main(["denoise", *given, *FEW, "--neighbours", "1"]) == 0
    assert "planes   1 plane either side along time" in capsys.readouterr().err
    info = read_image(output).metadata.fields["Info"]
    made = json.loads(info.partition("napari-mpi: ")[2])
    (kept,) = made["reached"]["neighbours"]
    assert (kept["channel"], kept["reach"]) == (0, {"T": 1})
    assert made["settings"]["neighbours"] == "1"


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
