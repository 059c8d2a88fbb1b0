"""Pixels that hold no measurement cost the others nothing, and come back."""

import dataclasses

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.state import DenoisingState
from napari_mpi.engine.denoising.task import prepare
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.presets import preset

SIDE, SIGMA = 128, 50
CONFIG = dataclasses.replace(preset("auto-fast"), learning_rate=0.0, iterations=1)


@pytest.fixture(scope="module")
def grey():
    return load_weights("grey")


@pytest.fixture(scope="module")
def clean():
    """Return blobs on a background, 100 to 900."""
    fine = gaussian_filter(np.random.default_rng(4).normal(size=(SIDE, SIDE)), 5)
    return 100 + 800 / (1 + np.exp(-4 * (fine / fine.std() - 0.5)))


@pytest.fixture(scope="module")
def noisy(clean):
    return np.random.default_rng(8).normal(clean, SIGMA)


def denoised(image, grey, axes="YX", config=CONFIG, **options):
    state = DenoisingState(wants_spread=True)
    task = prepare(image, axes, weights=grey, config=config, device="cpu", **options)
    return np.asarray(run(denoise(task, state))), state


def loss(result, clean, known, plain):
    """Return by how many dB the known pixels are worse than without the others."""
    errors = [
        np.mean((np.asarray(r, float) - clean)[known] ** 2) for r in (result, plain)
    ]
    return 10 * np.log10(errors[0] / errors[1])


@pytest.fixture(scope="module")
def plain(noisy, grey):
    return denoised(noisy.astype(np.float32), grey)[0]


def disc():
    rows, columns = np.ogrid[:SIDE, :SIDE]
    return (rows - 64) ** 2 + (columns - 64) ** 2 < 55**2


def diagonal():
    rows, columns = np.ogrid[:SIDE, :SIDE]
    return abs(columns - rows) < 40


def gaps():
    known = np.ones((SIDE, SIDE), bool)
    known[50:70], known[:, 90:98] = False, False
    return known


def scattered():
    return np.random.default_rng(2).random((SIDE, SIDE)) > 0.1


def bar():
    known = np.ones((SIDE, SIDE), bool)
    known[110:114, 20:90] = False
    return known


@pytest.mark.parametrize(
    ("known", "value"),
    [
        (disc, 0), (disc, np.nan), (diagonal, 0), (gaps, 0), (gaps, 1e30), (gaps, -1),
        (scattered, np.nan), (scattered, -9999), (scattered, np.inf), (bar, 65535),
    ],
)  # fmt: skip
def test_it_costs_the_others_next_to_nothing(known, value, noisy, clean, plain, grey):
    inside = known()
    image = np.where(inside, noisy, value).astype(np.float32)
    result, state = denoised(image, grey)
    np.testing.assert_array_equal(result[~inside], image[~inside])
    assert np.isnan(state.spread[~inside]).all()
    assert np.isfinite(state.spread[inside]).all()
    assert loss(result, clean, inside, plain) < 1.3
    (note,) = state.notes_on(CONFIG)
    assert note.endswith("these are left as they were")


def test_saturated_pixels_come_back_and_the_others_are_denoised(
    noisy, clean, plain, grey
):
    cap = np.quantile(noisy, 0.85)
    image = noisy.clip(0, cap).round().astype(np.uint16)
    known = image < image.max()
    result, state = denoised(image, grey)
    np.testing.assert_array_equal(result[~known], image[~known])
    assert loss(result, np.minimum(clean, cap), known, plain) < 1
    assert "saturated" in state.notes_on(CONFIG)[0]


def test_values_that_a_file_calls_no_data_count_nowhere(noisy, clean, plain, grey):
    known = scattered()
    image = np.where(known, noisy, 400).astype(np.float32)  # within the range
    result, state = denoised(image, grey, no_data=((400, 400),))
    np.testing.assert_array_equal(result[~known], image[~known])
    assert loss(result, clean, known, plain) < 1
    assert "marked as no data" in state.notes_on(CONFIG)[0]


@pytest.mark.parametrize("spoilt", ["empty", "flash"])
def test_one_odd_plane_costs_the_others_next_to_nothing(spoilt, noisy, clean, grey):
    tiles = [slice(0, 64), slice(64, 128)]
    stack, truth = (
        np.stack([image[r, c] for r in tiles for c in tiles])
        for image in (noisy, clean)
    )
    usual, _ = denoised(stack.astype(np.float32), grey, "TYX")
    odd = stack.astype(np.float32)
    odd[2] = 0 if spoilt == "empty" else 40 * stack[2] + 2000
    result, state = denoised(odd, grey, "TYX")
    others = np.arange(4) != 2
    assert loss(result, truth, others, usual) < 1
    if spoilt == "empty":
        np.testing.assert_array_equal(result[2], odd[2])
        assert (
            "25 % of the pixels lie in areas of one exact value"
            in (state.notes_on(CONFIG)[0])
        )
    else:
        assert np.std(result[2] - (40 * truth[2] + 2000)) < 0.7 * 40 * SIGMA
        assert "1 plane is far brighter" in state.notes_on(CONFIG)[0]


@pytest.mark.parametrize("scale", [1e-42, 1e-20, 1e20, 1e35])
def test_very_small_and_very_large_reals_are_denoised(scale, noisy, clean, plain, grey):
    result, _ = denoised((noisy * scale).astype(np.float32), grey)
    assert np.isfinite(result).all()
    everywhere = np.ones((SIDE, SIDE), bool)
    assert loss(result.astype(float) / scale, clean, everywhere, plain) < 0.5


def test_hot_pixels_are_filled_where_it_is_asked_for(noisy, clean, grey):
    spoilt = noisy.astype(np.float32)
    spoilt[20::31, 20::31] = 60000
    hot = spoilt == 60000
    kept, state = denoised(
        spoilt, grey, config=dataclasses.replace(CONFIG, by_noise=False)
    )
    np.testing.assert_array_equal(kept[hot], spoilt[hot])
    assert "are hot or dead" in state.notes_on(CONFIG)[0]
    filled, _ = denoised(spoilt, grey)  # by the noise that is found
    assert np.abs(filled - clean)[hot].max() < 4 * SIGMA


def test_tiles_and_a_whole_plane_leave_the_same_pixels(noisy, grey):
    image = np.where(disc(), noisy, 0).astype(np.float32)
    whole, _ = denoised(image, grey)
    tiled, _ = denoised(image, grey, tile=48)
    np.testing.assert_array_equal(tiled == image, whole == image)
