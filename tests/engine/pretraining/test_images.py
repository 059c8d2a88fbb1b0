"""Folders of images to pre-train on."""

from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile

from napari_mpi.engine.pretraining.crops import cut_from, plan_crops
from napari_mpi.engine.pretraining.images import TrainingImages, read_training_images
from napari_mpi.engine.pretraining.views import Views
from napari_mpi.engine.runtime.errors import ImageFileError
from napari_mpi.engine.runtime.jobs import run

RNG = np.random.default_rng(0)


def picture(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def read(folder: Path, side: int = 32, **options: object) -> TrainingImages:
    return run(read_training_images(folder, smallest_side=side, **options))


@pytest.fixture
def odd_folder(tmp_path: Path) -> Path:
    """Return a folder as people have them."""
    whole = tmp_path / "whole.tif"
    tifffile.imwrite(whole, picture(64, 64))
    (tmp_path / "corrupt.tif").write_bytes(whole.read_bytes()[:100])
    (tmp_path / "notes.txt").write_text("no image")
    imageio.imwrite(tmp_path / "small.png", picture(20, 20))
    stack = RNG.integers(100, 4000, (3, 48, 40), dtype=np.uint16)
    tifffile.imwrite(
        tmp_path / "stack.tif", stack, imagej=True, metadata={"axes": "ZYX"}
    )
    imageio.imwrite(tmp_path / "rgba.png", picture(40, 50, 4))
    (tmp_path / "deeper").mkdir()
    imageio.imwrite(tmp_path / "deeper" / "photo.jpg", picture(64, 64, 3))
    tifffile.imwrite(tmp_path / "flat.tif", np.full((64, 64), 7, np.uint8))
    (tmp_path / ".hidden.png").write_text("of the operating system")
    return tmp_path


def test_every_usable_plane_is_taken_and_every_other_file_listed(odd_folder: Path):
    images = read(odd_folder)
    planes = [(image.path.name, image.shape) for image in images.images]
    assert planes == [
        ("photo.jpg", (3, 64, 64)),
        ("rgba.png", (3, 40, 50)),
        *[("stack.tif", (1, 48, 40))] * 3,
        ("whole.tif", (1, 64, 64)),
    ]
    reasons = dict(images.left_out)
    assert set(reasons) == {"corrupt.tif", "notes.txt", "small.png", "flat.tif"}
    assert "20 x 20" in reasons["small.png"]
    assert "TIFF, PNG or JPEG" in reasons["notes.txt"]
    assert "constant" in reasons["flat.tif"]


def test_an_unusable_folder_is_named(tmp_path: Path):
    with pytest.raises(ImageFileError, match=str(tmp_path)):
        read(tmp_path)
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(ImageFileError, match=r"no usable image.*notes\.txt"):
        read(tmp_path)
    with pytest.raises(ImageFileError, match="no folder"):
        read(tmp_path / "missing")


def test_crops_span_0_to_1_in_the_units_of_the_file(tmp_path: Path):
    eight = np.zeros((32, 32), np.uint8)
    eight[0, 0], eight[0, 1] = 51, 102
    imageio.imwrite(tmp_path / "a.png", eight)
    sixteen = np.full((2, 32, 32), 1000, np.uint16)
    sixteen[0, 0, 0], sixteen[1, 0, 0] = 2000, 3000
    tifffile.imwrite(tmp_path / "b.tif", sixteen, imagej=True, metadata={"axes": "ZYX"})
    first, second, third = read(tmp_path).images
    assert first.crop(0, 0, 32, 1)[0, 0, :3].tolist() == pytest.approx([0.2, 0.4, 0])
    assert second.crop(0, 0, 32, 1)[0, 0, 0] == pytest.approx(0.5)  # of the stack's
    assert third.crop(0, 0, 32, 1)[0, 0, 0] == pytest.approx(1.0)


def test_colour_becomes_grey_by_luma_and_grey_becomes_colour(tmp_path: Path):
    green = np.zeros((32, 32, 3), np.uint8)
    green[:16, :, 1] = 255
    imageio.imwrite(tmp_path / "green.png", green)
    imageio.imwrite(tmp_path / "grey.png", picture(32, 32))
    colour, grey = read(tmp_path).images
    assert colour.crop(0, 0, 32, 1).shape == (1, 32, 32)
    assert colour.crop(0, 0, 32, 1).max() == pytest.approx(0.587)
    crop = grey.crop(0, 0, 32, 3)
    assert crop.shape == (3, 32, 32)
    assert (crop[0] == crop[2]).all()


def crops_of(image, views, *, count=300, channels=1):
    rng = np.random.default_rng(0)
    plan = plan_crops(
        [image], count=count, size=16, channels=channels, rng=rng, views=views
    )
    return cut_from([image])(plan).to("cpu").numpy()


def test_planes_of_a_colour_image_are_means_single_colours_and_differences(
    tmp_path: Path,
):
    colours = np.tile(np.array([255, 51, 102], np.uint8), (32, 32, 1))
    colours[0, 0] = 0
    imageio.imwrite(tmp_path / "a.png", colours)
    (image,) = read(tmp_path).images
    levels = np.median(crops_of(image, Views(draws_planes=True)), axis=(1, 2, 3))
    mean = np.isclose(levels, 1.6 / 3)
    single = np.isclose(levels[:, None], [1.0, 0.2, 0.4]).any(axis=1)
    assert 0.4 < mean.mean() < 0.6
    assert 0.12 < single.mean() < 0.28
    differences = levels[~mean & ~single]
    chroma = np.hypot((1 - 0.4) / 2**0.5, (1 - 2 * 0.2 + 0.4) / 6**0.5) / 3**0.5
    assert 0.5 - chroma - 1e-6 < differences.min() < 0.5 - 0.9 * chroma
    assert 0.5 + 0.9 * chroma < differences.max() < 0.5 + chroma + 1e-6


def test_noise_of_all_planes_of_a_colour_image_is_alike(tmp_path: Path):
    tifffile.imwrite(
        tmp_path / "a.tif", RNG.normal(size=(64, 64, 3)), photometric="rgb"
    )
    (image,) = read(tmp_path).images
    crops = crops_of(image, Views(draws_planes=True), count=400)
    spreads = crops.std(axis=(1, 2, 3)) * (image.high - image.low)
    alike = np.abs(spreads - 1 / 3**0.5) < 0.08
    assert 0.7 < alike.mean() < 0.9


def test_shrunk_crops_are_means_of_four_pixels_and_small_images_stay(tmp_path: Path):
    board = (255 * (np.indices((64, 64)).sum(axis=0) % 2)).astype(np.uint8)
    imageio.imwrite(tmp_path / "large.png", board)
    imageio.imwrite(tmp_path / "small.png", board[:31, :31])
    large, small = read(tmp_path, side=16).images
    is_grey = (crops_of(large, Views(shrunk_share=0.5)) == 0.5).all(axis=(1, 2, 3))
    assert 0.4 < is_grey.mean() < 0.6
    assert set(np.unique(crops_of(small, Views(shrunk_share=1.0)))) == {0, 1}
    coloured = crops_of(large, Views(shrunk_share=1.0, draws_planes=True), channels=3)
    assert (coloured == 0.5).all()


def test_channels_are_images_of_their_own(tmp_path: Path):
    channels = np.stack([picture(32, 32), np.full((32, 32), 9, np.uint8)])
    tifffile.imwrite(
        tmp_path / "c.tif", channels, imagej=True, metadata={"axes": "CYX"}
    )
    images = read(tmp_path).images
    assert [image.shape for image in images] == [(1, 32, 32)]  # the other is constant


def test_images_beyond_the_memory_are_read_again_to_the_same_crops(odd_folder: Path):
    kept, reread = read(odd_folder), read(odd_folder, memory=0)
    assert all(image.array is None for image in reread.images)
    for here, there in zip(kept.images, reread.images, strict=True):
        assert (here.crop(1, 2, 32, 3) == there.crop(1, 2, 32, 3)).all()


def test_the_fingerprint_follows_names_and_contents(odd_folder: Path):
    before = read(odd_folder).fingerprint
    (odd_folder / "notes.txt").write_text("other words, which are no image")
    assert read(odd_folder).fingerprint == before
    (odd_folder / "rgba.png").rename(odd_folder / "renamed.png")
    renamed = read(odd_folder).fingerprint
    imageio.imwrite(odd_folder / "renamed.png", picture(40, 50, 4))
    assert len({before, renamed, read(odd_folder).fingerprint}) == 3


def test_held_out_files_are_not_trained_on(odd_folder: Path):
    images = read(odd_folder)
    for seed in range(8):
        training, held_out = images.split(np.random.default_rng(seed))
        assert training and held_out
        assert not {i.path for i in training} & {i.path for i in held_out}
        assert len(training) + len(held_out) == len(images.images)


def test_a_single_file_serves_as_both(tmp_path: Path):
    imageio.imwrite(tmp_path / "only.png", picture(64, 64))
    images = read(tmp_path)
    training, held_out = images.split(np.random.default_rng(0))
    assert training == held_out == list(images.images)
