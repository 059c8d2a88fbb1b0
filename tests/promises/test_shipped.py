"""The weights that ship: they denoise at once, offline, and keep the photometry."""

import socket

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_mpi import denoise, samples
from napari_mpi.cli.main import main
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.files.metadata import ImageFile
from napari_mpi.engine.files.output import write_image
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.images.quality import quality
from napari_mpi.engine.networks.catalogue import (
    PUBLISHED,
    SHIPPED,
    shipped_path,
    suggested_preset,
)
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.networks.weight_files import save_weights
from napari_mpi.engine.networks.weights import random_weights

FILLS = {"learning_rate": 0.0}


@pytest.fixture
def offline(monkeypatch):
    """Refuse every connection."""

    def refuse(*_):
        raise AssertionError("no connection is needed for weights that ship")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def middle(sample, side=128):
    """Cut the middle out of a noisy sample and its clean partner."""
    top, left = ((size - side) // 2 for size in sample.clean.shape[:2])
    inside = (slice(top, top + side), slice(left, left + side))
    return sample.noisy[inside], sample.clean[inside]


@pytest.mark.parametrize(
    ("kind", "axes", "gain"), [("retina", "YX", 8), ("tissue", "YXS", 5)]
)
def test_a_fresh_install_denoises_without_adaptation(kind, axes, gain, offline):
    noisy, clean = middle(samples.SAMPLES[kind](seed=0))
    result = denoise(noisy, axes, device="cpu", **FILLS)
    layout = ImageAxes(axes, clean.shape)
    before, after = (quality(image, clean, layout) for image in (noisy, result))
    assert after.psnr > before.psnr + gain
    assert after.ssim > before.ssim


def test_adapting_takes_nothing_away(offline):
    noisy, clean = middle(samples.SAMPLES["retina"](seed=0))
    layout = ImageAxes("YX", clean.shape)
    filled = quality(denoise(noisy, "YX", device="cpu", **FILLS), clean, layout)
    adapted = quality(denoise(noisy, "YX", device="cpu"), clean, layout)
    assert adapted.psnr > filled.psnr - 0.05


def test_auto_takes_the_weights_that_ship():
    weights = load_weights("auto")
    assert (weights.name, weights.network.channels) == ("grey", 1)


def test_a_grey_image_that_is_saved_as_colour_stays_grey(offline):
    noisy, _ = middle(samples.SAMPLES["retina"](seed=0))
    result = denoise(np.stack([noisy] * 3, axis=-1), "YXS", device="cpu", **FILLS)
    grey = denoise(noisy, "YX", device="cpu", **FILLS)
    np.testing.assert_array_equal(result, np.stack([grey] * 3, axis=-1))


@pytest.mark.parametrize("name", SHIPPED)
def test_the_weights_say_how_they_were_made(name):
    made = load_weights(name).provenance
    assert made["data"]["files"] == 4674
    assert made["iterations"] == made["pretraining"]["iterations"]
    assert made["held_out_psnr"] > 25
    assert shipped_path(name).stat().st_size < 8_000_000


@pytest.mark.parametrize("level", [0.15, 0.5, 0.85])
def test_a_flat_region_keeps_its_mean_within_half_a_percent(level, rng, offline):
    clean = np.full((128, 128), 4000.0)
    clean[32:96, 32:96] += 40_000 * level
    noisy = np.rint(rng.normal(clean, 800)).clip(0, 65535).astype(np.uint16)
    result = denoise(noisy, "YX", device="cpu", iterations=10)
    for region in (np.s_[40:88, 40:88], np.s_[:24, :]):
        before, after = noisy[region].mean(), result[region].mean()
        assert after == pytest.approx(before, rel=0.005)


def test_correlated_noise_is_not_learnt(tmp_path, rng, offline):
    clean = samples.SAMPLES["retina"](seed=0).clean[:128, :128].astype(float)
    grain = gaussian_filter(rng.normal(0, 1, clean.shape), 1.0)
    noisy = clean + 0.15 * np.ptp(clean) * grain / grain.std()
    noisy = noisy.clip(0, 65535).astype(np.uint16)
    write_image(tmp_path / "a.tif", ImageFile(noisy, "YX"))
    out = tmp_path / "b.tif"
    options = ["--iterations", "2", "--device", "cpu"]
    assert main(["denoise", str(tmp_path / "a.tif"), "-o", str(out), *options]) == 0
    made = read_image(out).metadata.fields["napari-mpi"]
    assert made["reached"]["adapted"] is False


def test_the_suggested_preset_follows_the_weights(tmp_path, small_weights):
    assert suggested_preset("auto") == "auto"
    assert suggested_preset("grey") == "auto"
    assert suggested_preset("none") == "independent-fast"
    assert [suggested_preset(name) for name in PUBLISHED] == [
        "independent-fast",
        "real-fast",
    ]
    ours, theirs = tmp_path / "ours.safetensors", tmp_path / "theirs.safetensors"
    save_weights(random_weights(load_weights("grey").network), ours)
    save_weights(small_weights, theirs)
    assert suggested_preset(ours) == "auto"
    assert suggested_preset(theirs) == "independent-fast"
    assert suggested_preset(tmp_path / "missing.safetensors") == "auto"


def test_weak_noise_costs_no_detail(rng, offline):
    _, clean = middle(samples.SAMPLES["tissue"](seed=0), 96)
    noisy = (clean + rng.normal(0, 3, clean.shape)).astype(np.float32)
    layout = ImageAxes("YXS", clean.shape)
    results = {
        merge: (
            quality(
                denoise(noisy, "YXS", device="cpu", preset="blind-fast", merge=merge),
                clean,
                layout,
            ).psnr
        )
        for merge in (False, True)
    }
    before = quality(noisy, clean, layout).psnr
    assert results[True] > results[False] + 2
    assert results[True] > before - 0.5


@pytest.mark.parametrize("side", [96, 300], ids=["whole", "by windows"])
def test_the_same_seed_gives_the_same_image_with_everything_on(side, offline):
    noisy, _ = middle(samples.SAMPLES["retina"](seed=0), side)
    first, again, other = (
        denoise(noisy, "YX", device="cpu", iterations=12, seed=seed)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
