"""Planes beside a plane: what they share with it, whether they help, what is kept."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.neighbours.agreement import agreement
from napari_mpi.engine.denoising.neighbours.average import averaged
from napari_mpi.engine.denoising.neighbours.places import beside, stack_axes
from napari_mpi.engine.denoising.noisy import Noisy
from napari_mpi.engine.denoising.state import DenoisingState
from napari_mpi.engine.denoising.task import prepare
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.images.marks import Mark
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.noise.model import NoiseModel
from napari_mpi.engine.runtime.errors import ConfigError
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.filling import FillingConfig
from napari_mpi.engine.settings.presets import preset

SIDE, SIGMA = 80, 0.08
MODELS = ((NoiseModel(0.0, SIGMA**2, 0.0, 1.0),),)
CONFIG = preset("auto-fast", iterations=1, learning_rate=0.0, precision="float32")


@pytest.fixture(scope="module")
def weights():
    """Return the weights that ship: what a change is, a network must know."""
    return load_weights("auto")


@pytest.fixture(scope="module")
def predict(weights):
    """Return what predicts with them."""
    network = weights.to_network()

    def predicted(image, masked=None):
        hidden = torch.zeros_like(image[:, :1], dtype=torch.bool)
        with torch.no_grad():
            return network(image, hidden if masked is None else masked)

    return predicted


def scene(seed=0, side=SIDE):
    """Return cells of 0.2 to 0.8 on a smooth ground."""
    rng = np.random.default_rng(seed)
    blobs = gaussian_filter(rng.normal(size=(side, side)), 3)
    cells = (
        0.4 * (blobs > 0.05) + 0.2 + gaussian_filter(rng.normal(size=blobs.shape), 9)
    )
    return gaussian_filter(cells, 0.8)


def noised(clean, seed=0):
    noise = np.random.default_rng(seed).normal(0, SIGMA, clean.shape)
    return (clean + noise).astype(np.float32)


def planes_of(clean):
    """Return planes (F, Y, X) with noise as networks take them."""
    return [Noisy(torch.from_numpy(p)[None, None]) for p in noised(np.asarray(clean))]


def mean_of(planes, predict, first=0):
    """Return the mean of a plane with all others."""
    own = planes[first]
    others = [p for n, p in enumerate(planes) if n != first]
    found = [agreement(own, other, predict, MODELS) for other in others]
    return averaged(own, found, MODELS)


def error(image, clean):
    values = image.image if isinstance(image, Noisy) else image
    return float((values[0, 0] - torch.from_numpy(clean)).square().mean()) / SIGMA**2


def result_of(image, axes, weights, **changes):
    state = DenoisingState()
    config = dataclasses.replace(CONFIG, **changes)
    task = prepare(image, axes, weights=weights, config=config, device="cpu")
    return np.asarray(run(denoise(task, state))), state


# -- what planes share -----------------------------------------------------------


def test_of_a_still_scene_almost_all_noise_is_averaged(predict):
    clean = scene()
    mean = mean_of(planes_of([clean] * 5), predict)
    assert error(mean, clean) < 0.27  # a fifth, if all of it were
    told = float(mean.averaged.variance.mean()) / SIGMA**2
    assert told == pytest.approx(error(mean, clean), rel=0.3)


def test_a_plane_of_another_scene_changes_nothing(predict):
    clean = scene()
    mean = mean_of(planes_of([clean, scene(1), scene(2)]), predict)
    assert error(mean, clean) < 1.05


def test_what_is_seen_from_the_other_plane_is_the_same(predict):
    one, other = planes_of([scene(), 0.7 * scene()])
    found = agreement(one, other, predict, MODELS)
    back = agreement(other, one, predict, MODELS)
    turned = found.reversed()
    assert torch.allclose(turned.gain, back.gain)
    assert float((turned.noise - back.noise).abs().mean()) < 0.1 * SIGMA
    assert float((turned.weight - back.weight).abs().mean()) < 0.1


@pytest.mark.parametrize("light", [0.6, 1.5])
def test_a_scene_in_another_light_is_the_same_scene(light, predict):
    clean = scene()
    mean = mean_of(planes_of([clean, light * clean]), predict)
    # Of the darker one the noise is scaled with it, and counts for less.
    best = light**2 / (1 + light**2) if light < 1 else 0.5
    assert error(mean, clean) < 1.25 * max(0.5, 1 - best)
    assert float(mean.image.mean()) == pytest.approx(clean.mean(), abs=0.005)


@pytest.mark.parametrize("step", [(0, 3), (-7, 2)])
def test_a_scene_that_drifts_is_the_same_scene(step, predict):
    wide = scene(side=SIDE + 40)
    frames = [
        wide[20 + step[0] * n :, 20 + step[1] * n :][:SIDE, :SIDE] for n in (-1, 0, 1)
    ]
    planes = planes_of(frames)
    mean = mean_of(planes, predict, first=1)
    inside = (..., slice(12, -12), slice(12, -12))
    assert error(mean.image[inside], frames[1][inside]) < 0.45
    # Where the neighbours end, the plane is as it was.
    corner = mean.image - planes[1].image
    assert float(corner.abs().max()) < 5 * SIGMA
    found = agreement(planes[1], planes[2], predict, MODELS)
    assert found.shift == (-step[0], -step[1])
    assert found.reversed().shift == step


def test_a_disc_that_jumps_leaves_no_ghost(predict):
    rows, columns = np.mgrid[:SIDE, :SIDE]
    frames = []
    for place in (14, 40, 66):
        disc = (rows - 40) ** 2 + (columns - place) ** 2 < 10**2
        frames.append(scene() + 0.3 * disc)
    mean = mean_of(planes_of(frames), predict, first=1)
    left = mean.image[0, 0].numpy() - frames[1]
    for place, sign in ((14, 1), (40, -1), (66, 1)):
        disc = (rows - 40) ** 2 + (columns - place) ** 2 < 8**2
        assert sign * left[disc].mean() < 0.1 * 0.3


def test_a_small_cell_that_flashes_is_not_taken_for_noise(predict):
    rows, columns = np.mgrid[:SIDE, :SIDE]
    cell = (rows - 40) ** 2 + (columns - 40) ** 2 < 3**2
    flash = 2.5 * SIGMA
    planes = planes_of([scene() + flash * cell, *[scene()] * 4])
    mean = mean_of(planes, predict)
    before, after = (p[0, 0].numpy()[cell] for p in (planes[0].image, mean.image))
    assert after.mean() - before.mean() > -0.15 * flash


def test_where_the_other_holds_no_measurement_it_does_not_count(predict):
    one, other = planes_of([scene()] * 2)
    marks = torch.zeros(1, 1, SIDE, SIDE, dtype=torch.uint8)
    marks[..., :32, :] = Mark.NO_DATA
    found = agreement(one, Noisy(other.image, marks), predict, MODELS)
    assert (found.weight[..., :32, :] == 0).all()
    assert float(found.weight[..., 50:, :].mean()) > 0.8


def test_a_stray_ray_in_one_plane_hardly_shows_in_the_next(predict):
    clean = scene()
    struck = noised(np.stack([clean] * 3))
    struck[1, 50, 50] += 5
    planes = [Noisy(torch.from_numpy(p)[None, None]) for p in struck]
    mean = mean_of(planes, predict).image[0, 0]
    assert abs(float(mean[50, 50]) - clean[50, 50]) < 4 * SIGMA


def test_nothing_is_told_from_hidden_pixels(predict):
    one, other = planes_of([scene()] * 2)
    masked = torch.zeros(1, 1, SIDE, SIDE, dtype=torch.bool)
    masked[..., 40, 40] = True
    changed = one.image.clone()
    changed[..., 40, 40] += 0.3
    found = [
        agreement(Noisy(image), other, predict, MODELS, masked)
        for image in (one.image, changed)
    ]
    # What it adds to the pixel is its own value less what was there before.
    sums = [
        image[..., 40, 40] + each.noise[..., 40, 40]
        for image, each in zip((one.image, changed), found, strict=True)
    ]
    assert float(sums[0]) == pytest.approx(float(sums[1]), abs=0.05 * 0.3)


# -- whether they help -----------------------------------------------------------


def test_hidden_pixels_choose_neighbours_of_a_still_scene(weights):
    clean = np.stack([scene()] * 9)
    result, state = result_of(noised(clean), "TYX", weights)
    alone, _ = result_of(noised(clean), "TYX", weights, neighbours="none")
    found = state.channels[0].neighbours
    assert found.reach["T"] >= 2
    assert "either side along time" in found.words()
    assert "% better" in found.words()
    assert ((result - clean) ** 2).mean() < 0.6 * ((alone - clean) ** 2).mean()


def test_of_images_without_anything_in_common_none_is_chosen(weights):
    clean = np.stack([scene(n) for n in range(6)])
    result, state = result_of(noised(clean), "TYX", weights)
    alone, _ = result_of(noised(clean), "TYX", weights, neighbours="none")
    assert not state.channels[0].neighbours.is_used
    assert "no neighbouring plane" in state.neighbours_in_words()[0]
    np.testing.assert_array_equal(result, alone)


def test_noise_that_pixels_share_cannot_be_judged_by_hidden_ones(weights):
    """Their neighbours would tell it: nothing is chosen, and why is told."""
    rng = np.random.default_rng(0)
    grain = gaussian_filter(rng.normal(size=(6, SIDE, SIDE)), (0, 0.9, 0.9))
    stack = np.stack([scene()] * 6) + grain * SIGMA / grain.std()
    _, state = result_of(stack.astype(np.float32), "TYX", weights)
    assert not state.channels[0].neighbours.is_used
    assert "share their noise" in state.neighbours_in_words()[0]
    _, state = result_of(stack.astype(np.float32), "TYX", weights, neighbours="1")
    assert state.channels[0].neighbours.is_used


def test_of_two_axes_that_is_used_which_helps(weights):
    clean = np.stack([np.stack([scene(z) for z in range(3)])] * 4)
    _, state = result_of(noised(clean), "TZYX", weights)
    assert set(state.channels[0].neighbours.reach) == {"T"}


def test_each_channel_is_asked_for_itself(weights):
    still, other = np.stack([scene()] * 6), np.stack([scene(n) for n in range(6)])
    clean = np.stack([still, other], axis=1)
    _, state = result_of(noised(clean), "ZCYX", weights)
    reaches = [state.channels[n].neighbours.is_used for n in (0, 1)]
    assert reaches == [True, False]
    assert len(state.neighbours_in_words()) == 2
    told = state.reached()["neighbours"]
    assert [row["channel"] for row in told] == [0, 1]


def test_what_a_person_asks_for_is_done_without_a_test(weights):
    clean = np.stack([scene(n) for n in range(3)])
    _, state = result_of(noised(clean), "ZYX", weights, neighbours="1")
    assert state.channels[0].neighbours.reach == {"Z": 1}
    assert state.neighbours_in_words() == ("1 plane either side along depth",)


def test_without_passes_there_are_no_neighbours():
    with pytest.raises(ConfigError, match="neighbours need them"):
        FillingConfig(neighbours="1")


def test_a_single_plane_has_none(weights):
    _, state = result_of(noised(scene()), "YX", weights)
    assert state.neighbours_in_words() == ()


# -- what is kept ----------------------------------------------------------------


def test_the_light_of_every_plane_is_kept(weights):
    """A cell that flashes in one frame, in a scene that bleaches."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    cell = (rows - 40) ** 2 + (columns - 40) ** 2 < 6**2
    clean = np.stack([scene() * 0.95**n for n in range(9)])
    clean[4] += 0.4 * cell
    noisy = noised(clean)
    result, state = result_of(noisy, "TYX", weights)
    assert state.channels[0].neighbours.is_used
    found, measured = (stack[:, cell].mean(axis=1) for stack in (result, noisy))
    np.testing.assert_allclose(found, measured, atol=0.05 * 0.4)


def test_planes_are_filled_the_same_whatever_comes_first(weights):
    stack = noised(np.stack([scene()] * 5))
    config = dataclasses.replace(CONFIG, neighbours="2")
    results = []
    for first in (0, 3):
        task = prepare(stack, "TYX", weights=weights, config=config, device="cpu")
        look = {"T": first}
        results.append(np.asarray(run(denoise(task, looking_at=lambda at=look: at))))
    np.testing.assert_allclose(results[0], results[1], atol=0.02 * SIGMA)


def test_a_plane_is_read_as_a_whole_but_once(weights):
    class Counted:
        def __init__(self, array):
            self.array, self.shape, self.dtype = array, array.shape, array.dtype
            self.read = []

        def __getitem__(self, index):
            self.read.append(index[0])
            return self.array[index]

    image = Counted(noised(np.stack([scene()] * 7)))
    config = dataclasses.replace(CONFIG, neighbours="2")
    task = prepare(image, "TYX", weights=weights, config=config, device="cpu")
    run(denoise(task))
    for_the_range = list(range(7))
    for_its_noise = [0, 2, 4, 6]  # see `windows_to_judge`
    extra = sorted(image.read)
    for number in for_the_range + for_its_noise:
        extra.remove(number)
    assert extra == list(range(7))


def test_beside_a_plane_are_those_that_there_are():
    layout = ImageAxes("TZYX", (3, 4, 8, 8))
    assert stack_axes(layout) == "TZ"
    plane = (0, 2, slice(None), slice(None))
    found = [index[:2] for index in beside(layout, plane, {"T": 1, "Z": 2})]
    assert found == [(1, 2), (0, 0), (0, 1), (0, 3)]
