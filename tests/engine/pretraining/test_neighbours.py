"""Planes beside a crop: what moves, changes and is missing, and what must not."""

import dataclasses

import numpy as np
import pytest
import torch

from napari_mpi.engine.pretraining.corruption.draws import Draws
from napari_mpi.engine.pretraining.crops import cut_from, plan_crops
from napari_mpi.engine.pretraining.images import TrainingImage
from napari_mpi.engine.pretraining.neighbours.motion import moved
from napari_mpi.engine.pretraining.neighbours.presence import seen_planes
from napari_mpi.engine.pretraining.neighbours.sequence import (
    corrupt_sequence,
    sequence,
)
from napari_mpi.engine.settings.pretraining import PretrainingConfig

TIMES = torch.arange(-2, 3).reshape(1, -1, 1, 1)
QUIET = PretrainingConfig(loss_on="all", mask_ratio_high=0.5)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def stills(count=64, side=32):
    """Return smooth pictures, the same in five planes each."""
    knots = torch.rand(count, 1, 6, 6, generator=generator(5))
    smooth = torch.nn.functional.interpolate(knots, size=(side, side), mode="bicubic")
    return smooth.clamp(0, 1).expand(-1, 5, -1, -1)


def test_the_middle_plane_of_a_moving_scene_stays_as_it_is():
    scene = stills()
    draws = Draws(tuple(scene.shape), generator())
    torch.testing.assert_close(moved(scene, TIMES, draws)[:, 2], scene[:, 2])


def test_some_scenes_stand_still_and_others_move_more_and_more():
    scene = stills(200)
    planes = moved(scene, TIMES, Draws(tuple(scene.shape), generator()))
    change = (planes - scene).abs().mean(dim=(0, 2, 3))
    assert change[0] > change[1] > 0
    assert change[4] > change[3] > 0
    still = (planes - scene).abs().amax(dim=(1, 2, 3)) < 1e-4
    assert 0.02 < still.float().mean() < 0.4


def test_the_planes_of_a_volume_are_not_moved():
    volume = torch.rand(300, 5, 16, 16, generator=generator(1))
    planes = sequence(volume, TIMES, rng=generator())
    same = (planes == volume).all(dim=(1, 2, 3))
    assert same.float().mean() > 0.3  # the others have another light


def test_a_still_changes_in_many_ways_but_most_keep_something_in_common():
    scene = stills(200)
    planes = sequence(scene, TIMES, rng=generator())
    assert torch.isfinite(planes).all()
    assert planes.min() >= 0
    likeness = torch.stack([
        torch.corrcoef(torch.stack([one[1].flatten(), one[2].flatten()]))[0, 1]
        for one in planes
    ])  # fmt: skip
    assert (likeness > 0.9).float().mean() > 0.4
    assert (likeness < 0.5).any()


def test_neighbours_are_as_noisy_as_the_plane_between_them():
    config = dataclasses.replace(QUIET, input_noise="gaussian", mask_ratio_low=0.0)
    flat = torch.full((100, 5, 32, 32), 0.5)
    crops = corrupt_sequence(flat, config, rng=generator())
    ours = crops.noisy.diff(dim=3).std(dim=(1, 2, 3))
    theirs = crops.beside.image.diff(dim=3).std(dim=(2, 3)).median(dim=1).values
    noisy = ours > 0.1  # beside which the light's own changes are small
    assert noisy.any()
    alike = (theirs / ours - 1).abs()[noisy] < 0.1
    assert alike.float().mean() > 0.9
    assert crops.clean.shape == crops.noisy.shape == crops.masked.shape
    assert crops.clean.shape == (100, 1, 32, 32)


def test_noise_is_new_in_every_plane_and_half_of_the_detectors_faults_are_not():
    config = dataclasses.replace(QUIET, striped_share=1.0)
    flat = torch.full((200, 5, 24, 24), 0.5)
    crops = corrupt_sequence(flat, config, rng=generator())
    stripes = crops.noisy - crops.noisy.mean(dim=(2, 3), keepdim=True)
    beside = crops.beside.image[:, 2:3]
    beside = beside - beside.mean(dim=(2, 3), keepdim=True)
    alike = (stripes - beside).abs().amax(dim=(1, 2, 3)) < 1e-3
    assert 0.3 < alike.float().mean() < 0.8


def test_neighbours_are_missing_as_they_are_in_stacks():
    draws = Draws((4000, 5, 8, 8), generator())
    times = TIMES[:, [0, 1, 3, 4]]
    seen = seen_planes(times, draws)
    there = seen.flatten(2).any(dim=2)
    kinds = {tuple(row) for row in there.tolist()}
    assert (False,) * 4 in kinds  # a single image
    assert (True,) * 4 in kinds
    assert (False, True, True, False) in kinds  # the nearest alone
    assert (False, False, True, True) in kinds  # the first plane
    assert (True, True, True, False) in kinds  # the last but one
    assert (True, False, True, True) not in kinds  # no gaps, but for areas
    assert 0.2 < (~there.any(dim=1)).float().mean() < 0.3
    partly = seen.flatten(2).any(dim=2) & ~seen.flatten(2).all(dim=2)
    assert partly.any()


def planes_of(path, count, item=0):
    rng = np.random.default_rng(item)
    return [
        TrainingImage(path, n, (1, 20, 20), 0.0, 1.0, rng.random((1, 20, 20)), item)
        for n in range(count)
    ]


@pytest.mark.parametrize("name", ["stack", "channels"])
def test_crops_of_a_stack_come_with_the_planes_around_them(tmp_path, name):
    images = planes_of(tmp_path / "a.tif", 9)
    if name == "channels":
        others = planes_of(tmp_path / "a.tif", 9, item=1)
        images += [dataclasses.replace(p, plane=9 + p.plane) for p in others]
    plan = plan_crops(
        images, count=200, size=16, channels=1, rng=np.random.default_rng(0),
        neighbours=2,
    )  # fmt: skip
    rows = plan.images.reshape(200, 5)
    steps = np.diff(rows, axis=1)
    assert set(np.unique(steps)) == {0, 1, 2}
    assert (steps == steps[:, :1]).all()
    assert (rows // 9 == rows[:, :1] // 9).all()
    ends = np.isin(rows[:, 2] % 9, (0, 1, 7, 8))
    assert (steps[ends] == 0).all()
    assert (steps[~ends].sum(axis=1) > 0).mean() > 0.5
    crops = cut_from(images)(plan).to("cpu")
    assert crops.shape == (1000, 1, 16, 16)
    top, left = plan.corners[2]
    ours = images[plan.images[2]].array[:, top : top + 16, left : left + 16]
    assert sorted(crops[2].flatten().tolist()) == pytest.approx(sorted(ours.flatten()))
