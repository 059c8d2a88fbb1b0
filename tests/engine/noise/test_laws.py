"""Laws of noise: their moments, their seeds, their limits."""

import numpy as np
import pytest

from napari_mpi.engine.noise import laws
from napari_mpi.engine.runtime.errors import ConfigError

LAWS = {
    "gaussian": laws.Gaussian(12.0),
    "poisson": laws.Poisson(3.0),
    "poisson-gaussian": laws.PoissonGaussian(2.0, 5.0),
    "signal-dependent": laws.SignalDependentGaussian(2.0, 30.0),
    "speckle": laws.Speckle(0.2),
    "correlated": laws.CorrelatedGaussian(12.0, 0.8),
    "salt and pepper": laws.SaltAndPepper(0.1),
    "mixture": laws.Mixture((laws.Poisson(1.0), laws.Gaussian(5.0))),
}
UNBIASED = sorted(set(LAWS) - {"salt and pepper"})


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("level", [20.0, 200.0])
def test_the_variance_is_what_is_told(name, level, rng):
    clean = np.full((400, 500), level)
    noisy = LAWS[name].noisy(clean, rng=rng)
    told = LAWS[name].variance(clean)
    assert told.shape == clean.shape
    assert np.ptp(told) == 0
    assert noisy.var() == pytest.approx(told[0, 0], rel=0.03)


@pytest.mark.parametrize("name", UNBIASED)
def test_the_mean_is_that_of_the_clean_image(name, rng):
    rows = np.linspace(10, 250, 64)[:, None] * np.ones(4000)
    noisy = LAWS[name].noisy(rows, rng=rng)
    np.testing.assert_allclose(noisy.mean(axis=1), rows[:, 0], atol=4)
    assert noisy.mean() == pytest.approx(rows.mean(), rel=0.005)


def test_salt_and_pepper_are_as_many_as_asked_and_the_rest_is_untouched(rng):
    clean = np.full((300, 300), 100.0)
    noisy = laws.SaltAndPepper(0.2, low=3, high=200).noisy(clean, rng=rng)
    assert np.mean(noisy == 3) == pytest.approx(0.1, rel=0.05)
    assert np.mean(noisy == 200) == pytest.approx(0.1, rel=0.05)
    assert np.mean(noisy == 100) == pytest.approx(0.8, rel=0.01)


@pytest.mark.parametrize("blur", [0.7, 1.0, 2.0])
def test_neighbours_share_what_the_blur_makes_them_share(blur, rng):
    clean = np.zeros((600, 600))
    noise = laws.CorrelatedGaussian(1.0, blur).noisy(clean, rng=rng)
    for distance in (1, 2):
        shared = np.mean(noise[:, distance:] * noise[:, :-distance])
        expected = np.exp(-(distance**2) / (4 * blur**2))
        assert shared == pytest.approx(expected, abs=0.03)


def test_colours_have_noise_of_their_own(rng):
    noise = laws.CorrelatedGaussian(1.0, 1.0).noisy(np.zeros((300, 300, 3)), rng=rng)
    between = np.corrcoef(noise.reshape(-1, 3).T)
    np.testing.assert_allclose(between, np.eye(3), atol=0.05)


@pytest.mark.parametrize("name", LAWS)
def test_one_seed_gives_one_image(name):
    clean = np.random.default_rng(1).uniform(0, 255, (30, 40))
    before = clean.copy()
    images = [
        LAWS[name].noisy(clean, rng=np.random.default_rng(seed)) for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(images[0], images[1])
    assert not np.array_equal(images[0], images[2])
    np.testing.assert_array_equal(clean, before)


def test_a_blind_mixture_is_another_for_every_seed_and_within_its_limits():
    drawn = [laws.blind_mixture(np.random.default_rng(seed)) for seed in range(40)]
    assert drawn[0] == laws.blind_mixture(np.random.default_rng(0))
    assert len({repr(mixture) for mixture in drawn}) == 40
    kinds = {type(mixture.laws[2]) for mixture in drawn}
    assert kinds == {laws.Gaussian, laws.CorrelatedGaussian}
    gains = [mixture.laws[0].gain for mixture in drawn]
    assert 0.2 <= min(gains) < 0.5
    assert 2 < max(gains) <= 5
    noisy = drawn[0].noisy(np.full((50, 50), 100.0), rng=np.random.default_rng(0))
    assert np.isfinite(noisy).all()


@pytest.mark.parametrize(
    ("law", "values"),
    [
        (laws.Gaussian, (0,)),
        (laws.Poisson, (-1,)),
        (laws.Speckle, (0,)),
        (laws.SaltAndPepper, (1.5,)),
        (laws.SignalDependentGaussian, (-1, 0)),
        (laws.CorrelatedGaussian, (1, 0)),
    ],
)
def test_what_cannot_be_is_refused(law, values):
    with pytest.raises(ConfigError, match="must be"):
        law(*values)
