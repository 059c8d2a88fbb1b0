"""The public face: what `from napari_mpi import ...` gives, and what it promises."""

import inspect

import magicgui
import numpy as np
import pytest
import tifffile

import napari_mpi
from napari_mpi.batch.report import CSV_NAME

FEW = {"device": "cpu", "preset": "auto-fast", "iterations": 2}


@pytest.fixture
def noisy(rng):
    return rng.normal(200, 20, (40, 48)).astype(np.uint16)


@pytest.fixture
def small_file(small_weights, tmp_path):
    from napari_mpi.engine.networks.weight_files import save_weights

    path = tmp_path / "small.safetensors"
    save_weights(small_weights, path)
    return str(path)


def test_every_name_is_there_and_no_other_is_told():
    assert napari_mpi.__all__ == dir(napari_mpi)
    for name in napari_mpi.__all__:
        assert getattr(napari_mpi, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'denoised'"):
        _ = napari_mpi.denoised


def test_what_the_face_offers_is_documented():
    for name in napari_mpi.__all__:
        thing = getattr(napari_mpi, name)
        if callable(thing):
            assert "Parameters\n----------" in inspect.getdoc(thing)


def test_uncertainty_comes_beside_the_same_result(noisy, small_file):
    clean = napari_mpi.denoise(noisy, "yx", weights=small_file, **FEW)
    again, spread = napari_mpi.denoise(
        noisy, "YX", weights=small_file, uncertainty=True, **FEW
    )
    np.testing.assert_array_equal(clean, again)
    assert clean.dtype == noisy.dtype
    assert spread.shape == noisy.shape
    assert np.isfinite(spread).any()


def test_the_seed_may_be_a_number_or_drawn(noisy, small_file):
    def result(**seed):
        return napari_mpi.denoise(noisy, weights=small_file, **FEW, **seed)

    np.testing.assert_array_equal(result(rng=3), result(seed=3))
    drawn = result(rng=np.random.default_rng(5))
    np.testing.assert_array_equal(drawn, result(rng=np.random.default_rng(5)))
    assert (drawn != result(rng=3)).any()
    with pytest.raises(napari_mpi.errors.ConfigError, match="give one of them"):
        result(rng=3, seed=3)


def test_a_file_is_denoised_with_all_that_it_says(noisy, small_file, tmp_path):
    source, output = tmp_path / "cells.tif", tmp_path / "clear.tif"
    tifffile.imwrite(source, noisy, imagej=True, resolution=(5, 5))
    told = []
    done = napari_mpi.denoise_file(
        source, str(output), weights=small_file, uncertainty=tmp_path / "u.tif",
        on_snapshot=told.append, **FEW,
    )  # fmt: skip
    written = napari_mpi.read_image(output)
    np.testing.assert_array_equal(written.array, done.result)
    assert done.made["weights"]["name"] == "small"
    assert told[-1].fraction == 1
    assert (tmp_path / "u.tif").is_file()


def test_a_file_is_never_its_own_output(noisy, tmp_path):
    source = tmp_path / "cells.tif"
    tifffile.imwrite(source, noisy)
    before = source.read_bytes()
    for output, beside in ((source, None), (tmp_path / "clear.tif", source)):
        with pytest.raises(napari_mpi.errors.ImageFileError, match="input itself"):
            napari_mpi.denoise_file(source, output, uncertainty=beside)
    assert source.read_bytes() == before
    one = tmp_path / "one.tif"
    with pytest.raises(napari_mpi.errors.ImageFileError, match="cannot both be"):
        napari_mpi.denoise_file(source, one, uncertainty=one)
    assert not one.exists()


def test_a_folder_is_denoised_and_what_fails_is_told(noisy, small_file, tmp_path):
    source, output = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    tifffile.imwrite(source / "a.tif", noisy)
    (source / "b.tif").write_bytes(b"II*\0 damaged")
    with pytest.warns(UserWarning, match="1 of 2 files failed"):
        outcomes = napari_mpi.denoise_folder(
            source, output, pattern="*.tif", weights=small_file, **FEW
        )
    assert [outcome.status.value for outcome in outcomes] == ["done", "failed"]
    assert outcomes[1].file == "b.tif"
    assert "damaged" in outcomes[1].message
    assert (output / "a-denoised.tif").is_file()
    assert len((output / CSV_NAME).read_text().splitlines()) == 3


def test_weights_are_pretrained_written_and_usable(rng, noisy, tmp_path):
    images, path = tmp_path / "images", tmp_path / "mine.safetensors"
    images.mkdir()
    for number in range(2):
        picture = rng.integers(0, 255, (40, 40), dtype=np.uint8)
        tifffile.imwrite(images / f"{number}.tif", picture)
    weights = napari_mpi.pretrain(
        images, path, device="cpu", rng=1, iterations=2, batch_size=2, crop_size=32,
        width=8, widest=0, scales=2, blocks=1,
    )  # fmt: skip
    loaded = napari_mpi.load_weights(str(path))
    assert loaded.network == weights.network
    assert loaded.provenance["seed"] == 1
    assert not path.with_suffix(".checkpoint").exists()
    assert napari_mpi.denoise(noisy, weights=str(path), **FEW).shape == noisy.shape
    with pytest.raises(napari_mpi.errors.WeightsError):
        napari_mpi.pretrain(images, path)


@pytest.mark.gui
def test_naparis_tools_take_the_function_for_layers(noisy, make_napari_viewer):
    viewer = make_napari_viewer()
    viewer.add_image(noisy, name="cells")
    form = magicgui.magicgui(napari_mpi.denoise_image)
    viewer.window.add_dock_widget(form)
    assert form.image.value is noisy
    form.preset.value = "blind-fast"
    form()
    result = viewer.layers[-1]
    assert result.name != "cells"
    assert result.data.shape == noisy.shape
    assert (result.data != noisy).any()
