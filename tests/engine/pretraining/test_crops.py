"""Batches of random crops: what is in them, and that they come again."""

from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from napari_mpi.engine.pretraining.crops import (
    batch_generator,
    batches,
    cut_from,
    plan_crops,
)
from napari_mpi.engine.pretraining.images import TrainingImage
from napari_mpi.engine.pretraining.on_device import ImagesOnDevice
from napari_mpi.engine.pretraining.views import Views

SIZE = 16


def image_of(array, low=0.0, high=255.0):
    return TrainingImage(Path("a.png"), 0, array.shape, low, high, array)


def crops_of(images, count=64, channels=1):
    options = {"count": count, "size": SIZE, "channels": channels}
    plan = plan_crops(images, **options, rng=batch_generator(0, 0))
    return cut_from(images)(plan).to("cpu")


def taken(first, steps, **options):
    images = [image_of(np.arange(3 * 900, dtype=np.uint16).reshape(3, 30, 30))]
    cut = cut_from(images)
    job = batches(
        images, cut, count=4, size=SIZE, channels=1, seed=7, first=first, **options
    )
    with closing(job):
        return [(crops.to("cpu"), seed) for crops, seed in islice(job, steps)]


def test_crops_lie_in_all_eight_ways_and_come_from_everywhere():
    steps = np.arange(18 * 20, dtype=np.float32).reshape(1, 18, 20)
    crops = crops_of([image_of(steps, 0, 1)], 800)[:, 0]
    across, down = crops[:, 0, 1] - crops[:, 0, 0], crops[:, 1, 0] - crops[:, 0, 0]
    pairs = set(zip(across.tolist(), down.tolist(), strict=True))
    signs = ((a, b) for a in (1, -1) for b in (20, -20))
    assert pairs == {pair for a, b in signs for pair in ((a, b), (b, a))}
    assert crops.min() == 0
    assert crops.max() == 18 * 20 - 1


def test_every_file_has_limits_of_its_own():
    eight = image_of(np.full((1, SIZE, SIZE), 51, np.uint8))
    sixteen = image_of(np.full((1, SIZE, SIZE), 2500, np.uint16), 2000, 3000)
    crops = crops_of([eight, sixteen])
    assert crops.dtype == torch.float32
    assert crops.unique().tolist() == pytest.approx([0.2, 0.5])


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_and_colour_share_a_batch(channels):
    green = np.zeros((3, SIZE, SIZE), np.uint8)
    green[1] = 255
    crops = crops_of([image_of(green), image_of(green[:1])], channels=channels)
    assert crops.shape == (64, channels, SIZE, SIZE)
    assert crops.max() == pytest.approx(1.0 if channels == 3 else 0.587)
    assert (crops.amax(dim=(1, 2, 3)) == 0).any()


def test_a_step_has_the_same_crops_wherever_a_run_begins():
    whole, rest = taken(0, 6), taken(2, 4, workers=1, ahead=1)
    for (one, seed), (other, same_seed) in zip(whole[2:], rest, strict=True):
        assert torch.equal(one, other)
        assert seed == same_seed
    assert not torch.equal(whole[0][0], whole[1][0])
    assert not torch.equal(whole[0][0], taken(0, 1, rank=1)[0][0])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("views", [Views(), Views(0.5, draws_planes=True)])
def test_crops_cut_where_the_images_lie_on_a_device_are_the_same(channels, views):
    rng = np.random.default_rng(3)
    images = [
        image_of(rng.integers(256, size=(3, 41, 56), dtype=np.uint8)),
        image_of(rng.integers(900, size=(1, 38, 33)).astype(np.float32), 100, 800),
        image_of(rng.integers(256, size=(1, SIZE, SIZE), dtype=np.uint8)),
    ]
    plan = plan_crops(
        images, count=99, size=SIZE, channels=channels, rng=rng, views=views
    )
    there = ImagesOnDevice(images, torch.device("cpu")).cut(plan).to("cpu")
    assert_close(there, cut_from(images)(plan).to("cpu"), rtol=0, atol=1e-6)
