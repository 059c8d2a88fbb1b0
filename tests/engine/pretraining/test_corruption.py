"""What crops get before a network sees them: noise, cameras, scenes."""

import dataclasses

import pytest
import torch

from napari_mpi.engine.pretraining.corruption.corrupt import corrupt
from napari_mpi.engine.pretraining.corruption.noise import blurred
from napari_mpi.engine.runtime.errors import ConfigError
from napari_mpi.engine.settings.pretraining import PretrainingConfig

PLAIN = PretrainingConfig()
NOISY = PretrainingConfig(
    loss_on="all", mask_ratio_low=0.0, mask_ratio_high=0.5, input_noise="gaussian"
)


def corrupted(crops, config, seed=0):
    return corrupt(crops, config, rng=torch.Generator().manual_seed(seed))


def config_of(**changes):
    return dataclasses.replace(NOISY, **changes)


def quiet(**changes):
    """Return settings without random noise, for what is not random noise."""
    return config_of(input_noise="none", **changes)


def lag(noise, down, right):
    """Return the correlation of neighbours so far apart, one number per crop."""
    height, width = noise.shape[2:]
    first = noise[..., : height - down, : width - right]
    products = first * noise[..., down:, right:]
    return products.mean(dim=(1, 2, 3)) / noise.square().mean(dim=(1, 2, 3))


def flat(value, *, count=200, channels=1, side=48):
    return torch.full((count, channels, side, side), value)


EVERYTHING = config_of(
    mask_shapes="mixed", input_noise="mixed", weak_share=0.5, correlated_share=0.3,
    row_share=0.2, striped_share=0.5, camera_share=0.5, digitised_share=0.5,
    dimmed_share=0.5,
)  # fmt: skip


def test_gaussian_noise_is_of_even_strengths_and_leaves_the_target_clean():
    batch = corrupted(flat(0.5), dataclasses.replace(NOISY, noise_level=0.2))
    assert (batch.clean == 0.5).all()
    noise = (batch.noisy - batch.clean).flatten(1)
    strengths = noise.std(dim=1)
    assert float(strengths.min()) < 0.01
    assert 0.19 < float(strengths.max()) < 0.21
    assert float(strengths.mean()) == pytest.approx(0.1, abs=0.01)
    assert float(noise.mean()) == pytest.approx(0, abs=0.001)


def test_poisson_noise_grows_with_the_light_and_keeps_the_mean():
    config = dataclasses.replace(NOISY, input_noise="poisson-gaussian")
    crops = torch.cat([flat(0.1)[..., :24], flat(0.8)[..., 24:]], dim=3)
    noise = corrupted(crops, config).noisy - crops
    dark, bright = noise[..., :24].flatten(1), noise[..., 24:].flatten(1)
    strong = bright.std(dim=1) > 0.05
    ratio = bright.var(dim=1)[strong] / dark.var(dim=1)[strong]
    assert strong.sum() > 50
    assert 4 < float(ratio.median()) < 9  # 8 without read noise
    assert float(bright.mean()) == pytest.approx(0, abs=0.005)


def test_mixed_noise_is_of_both_kinds():
    crops = torch.cat([flat(0.0)[..., :24], flat(0.8)[..., 24:]], dim=3)
    noise = corrupted(crops, dataclasses.replace(NOISY, input_noise="mixed")).noisy
    noise = noise - crops
    dark, bright = noise[..., :24].flatten(1), noise[..., 24:].flatten(1)
    shot = bright.var(dim=1) > 3 * dark.var(dim=1)
    assert 60 < int(shot.sum()) < 140  # of 200 crops


def test_correlated_noise_has_its_strength_and_neighbours_that_agree():
    config = dataclasses.replace(NOISY, correlated_share=1.0, noise_level=0.2)
    noise = corrupted(flat(0.5, channels=3), config).noisy - 0.5
    inner = noise[..., 4:-4, 4:-4]
    neighbours = (inner[..., 1:] * inner[..., :-1]).mean(dim=(1, 2, 3))
    agreement = neighbours / inner.square().mean(dim=(1, 2, 3))
    assert float(agreement.min()) > -0.05  # hardly blurred
    assert 0.5 < float(agreement.mean()) < 0.9
    assert float(inner.flatten(1).std(dim=1).mean()) == pytest.approx(0.1, abs=0.015)
    between = (inner[:, 0] * inner[:, 1]).mean() / inner.square().mean()
    assert abs(float(between)) < 0.02  # channels have noise of their own


def test_blurred_noise_keeps_its_variance_and_has_the_correlation_asked_for():
    noise = torch.randn((40, 1, 64, 64), generator=torch.Generator().manual_seed(0))
    size = torch.tensor([0.0, 0.5, 1.0, 2.0]).repeat(10).reshape(-1, 1, 1, 1)
    both, rows = blurred(noise, size, size), blurred(noise, 0 * size, size)
    assert torch.allclose(both[::4], noise[::4], atol=1e-5)
    for made in (both, rows):
        variances = made.square().mean(dim=(1, 2, 3)).reshape(10, 4).mean(dim=0)
        assert variances.tolist() == pytest.approx([1, 1, 1, 1], abs=0.06)
    expected = torch.exp(-1 / (4 * size.flatten()[2:4] ** 2))  # a Gaussian's own
    for made in (lag(both, 0, 1), lag(both, 1, 0), lag(rows, 0, 1)):
        found = made.reshape(10, 4).mean(dim=0)[2:]
        assert found.tolist() == pytest.approx(expected.tolist(), abs=0.03)
    assert float(lag(rows, 1, 0).abs().mean()) < 0.05


def test_noise_of_the_row_share_is_correlated_along_rows_alone():
    noise = corrupted(flat(0.5), config_of(row_share=0.5)).noisy - 0.5
    along, across = lag(noise, 0, 1), lag(noise, 1, 0)
    assert 60 < int((along > 0.2).sum()) < 110  # of 200 crops, some hardly blurred
    assert float(across.abs().max()) < 0.15


def test_weak_noise_is_drawn_often_where_asked_for():
    batch = corrupted(flat(0.5, count=600), config_of(weak_share=1.0, noise_level=0.25))
    strengths = (batch.noisy - batch.clean).flatten(1).std(dim=1)
    weak = (strengths < 0.25 / 250**0.5).float().mean()
    assert float(weak) == pytest.approx(0.5, abs=0.07)
    assert 0.0009 < float(strengths.min()) < float(strengths.max()) < 0.27


def test_many_photons_are_as_noisy_as_few_counted_one_by_one():
    config = config_of(input_noise="poisson-gaussian")
    steps = torch.linspace(0, 1, 64)[:, None].expand(64, 64)
    noise = corrupted(steps.expand(600, 1, 64, 64), config).noisy - steps
    variance = noise.var(dim=3)[:, 0]  # (crop, row), a row for each brightness
    slopes = variance / (variance[:, -8:].mean(dim=1, keepdim=True))
    middle = float(slopes[:, 30:34].mean())
    assert middle == pytest.approx(0.52, abs=0.04)  # it is proportional to the light
    assert float(noise.mean()) == pytest.approx(0, abs=0.002)


def test_stripes_are_constant_along_lines_or_fade_and_leave_the_target():
    batch = corrupted(flat(0.5, count=400), quiet(striped_share=0.5))
    assert (batch.clean == 0.5).all()
    offsets = (batch.noisy - 0.5)[:, 0]
    striped = offsets.abs().amax(dim=(1, 2)) > 0
    assert 0.4 < float(striped.float().mean()) < 0.6
    assert float(offsets.mean()) == pytest.approx(0, abs=0.001)
    flat_rows, flat_columns = (
        (offsets.diff(dim=axis).abs().amax(dim=(1, 2)) < 1e-6) & striped
        for axis in (2, 1)
    )
    for even in (flat_rows, flat_columns):
        assert 0.12 < float(even.sum() / striped.sum()) < 0.4  # the others fade
    fading = offsets[striped & ~flat_rows & ~flat_columns]
    signs = fading.sign()  # a stripe that fades does not change its sign
    along = (signs.amax(dim=2) - signs.amin(dim=2)).amax(dim=1) < 2
    down = (signs.amax(dim=1) - signs.amin(dim=1)).amax(dim=1) < 2
    assert (along | down).all()


def test_a_camera_has_a_pedestal_gains_and_few_faulty_pixels():
    batch = corrupted(flat(0.4, count=300, side=64), quiet(camera_share=0.5))
    level = batch.clean[:, 0, 0, 0]
    assert torch.equal(batch.clean, level.reshape(-1, 1, 1, 1).expand_as(batch.clean))
    seen = level > 0.4
    assert 0.4 < float(seen.float().mean()) < 0.6
    assert float(level.max()) == pytest.approx(0.3 + 0.7 * 0.4, abs=0.01)
    assert torch.equal(batch.noisy[~seen], batch.clean[~seen])
    error = ((batch.noisy - batch.clean) / batch.clean)[seen]
    faulty = (error.abs() > 0.15).flatten(1).float().mean(dim=1)
    assert 0 <= float(faulty.min()) < float(faulty.max()) < 0.013
    assert 0.0005 < float(faulty.mean()) < 0.004
    dead = (batch.noisy[seen] == 0).float().mean() / faulty.mean()
    assert 0.1 < float(dead) < 0.4
    gains = error.flatten(1).median(dim=1).values
    assert float(gains.abs().max()) < 0.02
    assert float(gains.mean()) == pytest.approx(0, abs=0.002)


def test_digitised_crops_are_cut_in_input_and_target_and_only_the_input_is_rounded():
    ramp = torch.linspace(0, 1, 64).expand(300, 1, 64, 64)
    batch = corrupted(ramp, quiet(digitised_share=0.5))
    levels = torch.tensor([len(crop.unique()) for crop in batch.noisy])
    top = batch.clean.amax(dim=(1, 2, 3))
    saturated = top < 0.99
    assert 0.15 < float(saturated.float().mean()) < 0.35
    assert float(top.min()) > 0.49
    assert torch.equal(batch.clean, ramp.minimum(top.reshape(-1, 1, 1, 1)))
    rounded = ~torch.isclose(batch.noisy, batch.clean).flatten(1).all(dim=1)
    assert 0.15 < float(rounded.float().mean()) < 0.35
    assert 5 <= int(levels.min()) <= 10
    error = (batch.noisy - batch.clean)[rounded]
    assert float(error.abs().max()) < 0.5 / 8 + 1e-3
    assert float(error.mean()) == pytest.approx(0, abs=0.003)


def test_clipped_noise_stays_within_the_limits_and_unbiased_away_from_them():
    batch = corrupted(flat(0.5), config_of(digitised_share=1.0, noise_level=0.1))
    assert float(batch.noisy.min()) >= 0
    assert float(batch.noisy.max()) <= 1
    free = batch.clean[:, 0, 0, 0] == 0.5
    bias = (batch.noisy - batch.clean)[free].mean()
    assert float(bias) == pytest.approx(0, abs=0.003)
    dark = corrupted(flat(0.0), config_of(digitised_share=1.0))
    assert (dark.clean == 0).all()  # whatever clipping makes of the mean


def test_the_untouched_share_is_its_own_target():
    config = dataclasses.replace(EVERYTHING, untouched_share=0.3)
    batch = corrupted(torch.rand(300, 1, 32, 32), config)
    same = (batch.noisy == batch.clean).flatten(1).all(dim=1)
    assert float(same.float().mean()) == pytest.approx(0.3, abs=0.08)
    assert torch.isfinite(batch.noisy).all()
    assert torch.isfinite(batch.clean).all()


def test_empty_areas_are_one_value_in_input_and_target():
    config = dataclasses.replace(EVERYTHING, empty_share=0.5, noise_level=0.2)
    config = dataclasses.replace(config, digitised_share=0.0, camera_share=0.0)
    batch = corrupted(torch.rand(300, 1, 32, 32), config)
    same = batch.noisy == batch.clean
    shares = same.flatten(1).float().mean(dim=1)
    with_area = shares > 0.02
    assert 0.4 < float(with_area.float().mean()) < 0.6
    for clean, here in zip(batch.clean[with_area], same[with_area], strict=True):
        value = clean[here].mode().values
        area = clean == value
        assert here[area].all()
        assert 0.9 < int(area.sum()) / int(here.sum()) <= 1
    assert 0.2 < float(shares[with_area].mean()) < 0.8


def test_dimmed_crops_are_darker_and_so_is_their_target():
    config = dataclasses.replace(PLAIN, dimmed_share=0.5)
    batch = corrupted(flat(0.5), config)
    level = batch.clean[:, 0, 0, 0]
    dimmed = level < 0.5
    assert 70 < int(dimmed.sum()) < 130
    assert float(level.min()) > 0.5**2.5 * 0.25 - 1e-6
    assert torch.equal(batch.noisy, batch.clean)


def test_the_same_generator_gives_the_same_batch():
    first, again, other = (corrupted(flat(0.4), EVERYTHING, seed) for seed in (1, 1, 2))
    assert torch.equal(first.noisy, again.noisy)
    assert torch.equal(first.clean, again.clean)
    assert torch.equal(first.masked, again.masked)
    assert not torch.equal(first.noisy, other.noisy)
    assert not torch.equal(first.masked, other.masked)


def test_crops_need_not_be_square_and_may_be_black():
    config = dataclasses.replace(EVERYTHING, untouched_share=0.1, empty_share=0.5)
    batch = corrupted(torch.zeros(20, 3, 17, 40), config)
    assert batch.noisy.shape == batch.masked.shape == (20, 3, 17, 40)
    assert batch.noisy.dtype == batch.clean.dtype == torch.float32
    assert torch.isfinite(batch.noisy).all()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"striped_share": 1.2}, "striped share is 1.2: it must be from 0 to 1"),
        ({"empty_share": -0.1}, "from 0 to 1"),
        ({"camera_share": "all"}, "from 0 to 1"),
        ({"correlated_share": 0.7, "row_share": 0.5}, "at most 1"),
        ({"mask_shapes": "stars"}, "choose one of pixels, mixed"),
        ({"grey_from": "red"}, "choose one of luma, planes"),
        ({"shrunk_share": 2.0}, "from 0 to 1"),
    ],
)
def test_settings_that_cannot_be_drawn_are_refused(settings, sentence):
    with pytest.raises(ConfigError, match=sentence):
        PretrainingConfig(**settings)


@pytest.mark.gpu
def test_a_gpu_is_never_waited_for():
    rng = torch.Generator("cuda").manual_seed(0)
    config = dataclasses.replace(EVERYTHING, untouched_share=0.1, empty_share=0.1)
    crops = torch.rand((32, 1, 64, 64), generator=rng, device="cuda")
    corrupt(crops, config, rng=rng)  # the first call copies the table of shapes
    torch.cuda.set_sync_debug_mode("error")
    try:
        batch = corrupt(crops, config, rng=rng)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert batch.noisy.dtype == torch.float32
    assert torch.isfinite(batch.noisy).all()
