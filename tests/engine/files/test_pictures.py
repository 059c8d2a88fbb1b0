"""Colours there and back, and pictures in."""

import imagecodecs
import imageio.v3 as imageio
import numpy as np
import psutil
import pytest
import tifffile
from PIL import Image

from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.files.metadata import ImageFile, Metadata
from napari_mpi.engine.files.output import write_image
from napari_mpi.engine.runtime.errors import ImageFileError

MADE = {"version": "1.2", "settings": {"seed": 3, "mask_ratio": 0.3}, "note": "5 µm"}


def pixels(shape, dtype="uint16"):
    """Return values that differ from each other, and from 0."""
    return (1 + np.arange(np.prod(shape)) % 250).reshape(shape).astype(dtype)


def copied(source, target):
    """Read a file, write what was read with its provenance; return both as read."""
    image = read_image(source)
    write_image(target, image, provenance=MADE)
    return image, read_image(target)


def same_pixels(one, other):
    assert one.axes == other.axes
    assert one.array.dtype == other.array.dtype
    np.testing.assert_array_equal(one.array, other.array)


@pytest.mark.parametrize("flavour", ["plain", "imagej", "ome"])
@pytest.mark.parametrize(
    ("axes", "shape"),
    [("YXS", (7, 8, 3)), ("YXS", (7, 8, 4)), ("ZYXS", (2, 7, 8, 3))],
)
def test_8_bit_colour_stays_colour(axes, shape, flavour, tmp_path):
    image = ImageFile(pixels(shape, "uint8"), axes, Metadata(flavour))
    write_image(tmp_path / "a.tif", image)
    same_pixels(read_image(tmp_path / "a.tif"), image)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        page = file.pages.first
        assert page.photometric == tifffile.PHOTOMETRIC.RGB
        assert page.samplesperpixel == shape[-1]
        assert len(page.extrasamples) == shape[-1] - 3


def test_opacity_is_marked_as_such(tmp_path):
    source, target = tmp_path / "a.tif", tmp_path / "b.tif"
    tifffile.imwrite(
        source,
        pixels((7, 8, 4), "uint8"),
        photometric="rgb",
        extrasamples=["unassalpha"],
    )
    same_pixels(*copied(source, target))
    with tifffile.TiffFile(target) as file:
        assert file.pages.first.extrasamples == (tifffile.EXTRASAMPLE.UNASSALPHA,)


def test_separate_colour_planes_are_kept(tmp_path):
    image = ImageFile(pixels((3, 7, 8), "uint8"), "SYX")
    write_image(tmp_path / "a.tif", image)
    same_pixels(read_image(tmp_path / "a.tif"), image)


def test_16_bit_colour_of_imagej_stays_a_composite(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif",
        pixels((7, 8, 3)),
        imagej=True,
        photometric="minisblack",
        planarconfig="contig",
        metadata={"axes": "YXS", "mode": "composite", "unit": "micron"},
    )
    before, after = copied(tmp_path / "a.tif", tmp_path / "b.tif")
    same_pixels(before, after)
    assert after.axes == "YXS"
    assert after.metadata.flavour == "imagej"
    assert after.metadata.fields["unit"] == "micron"
    assert after.metadata.fields["mode"] == "composite"


@pytest.mark.parametrize(
    ("shape", "dtype", "axes"),
    [
        ((7, 8), "uint8", "YX"),
        ((7, 8), "uint16", "YX"),
        ((7, 8, 3), "uint8", "YXS"),
        ((7, 8, 4), "uint8", "YXS"),
    ],
    ids=["grey", "grey-16", "colour", "colour-opacity"],
)
@pytest.mark.parametrize("suffix", [".png", ".PNG"])
def test_png_is_read(shape, dtype, axes, suffix, tmp_path):
    array = pixels(shape, dtype) * (200 if dtype == "uint16" else 1)
    imageio.imwrite(tmp_path / f"a{suffix}", array, extension=".png")
    image = read_image(tmp_path / f"a{suffix}")
    same_pixels(image, ImageFile(array, axes))


def test_png_of_grey_with_opacity_is_read_as_grey(tmp_path):
    array = pixels((7, 8, 2), "uint8")
    imageio.imwrite(tmp_path / "a.png", array)
    same_pixels(read_image(tmp_path / "a.png"), ImageFile(array[..., 0], "YX"))


@pytest.mark.parametrize(
    ("shape", "axes"), [((32, 40), "YX"), ((32, 40, 3), "YXS")], ids=["grey", "colour"]
)
@pytest.mark.parametrize("suffix", [".jpg", ".jpeg"])
def test_jpeg_is_read(shape, axes, suffix, tmp_path):
    array = np.full(shape, 120, np.uint8)
    imageio.imwrite(tmp_path / f"a{suffix}", array, quality=95)
    image = read_image(tmp_path / f"a{suffix}")
    assert (image.axes, image.array.shape) == (axes, shape)
    np.testing.assert_allclose(image.array, array, atol=2)


def test_jpeg_of_inks_is_read_as_colours(tmp_path):
    red = Image.new("RGB", (16, 16), (200, 30, 30)).convert("CMYK")
    red.save(tmp_path / "a.jpg", quality=100)
    image = read_image(tmp_path / "a.jpg")
    assert (image.axes, image.array.shape) == ("YXS", (16, 16, 3))
    assert abs(int(image.array[8, 8, 0]) - 200) < 12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_stand_upright(orientation, tmp_path):
    upright = np.zeros((40, 64, 3), np.uint8)
    upright[:16, :16] = 255  # a bright corner, above on the left
    turns = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.swapaxes(0, 1), 6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].swapaxes(0, 1), 8: np.rot90(upright, -1),
    }  # fmt: skip
    exif = Image.Exif()
    exif[274] = orientation
    stored = Image.fromarray(np.ascontiguousarray(turns[orientation]))
    stored.save(tmp_path / "a.jpg", exif=exif, quality=95)
    image = read_image(tmp_path / "a.jpg")
    assert image.array.shape == upright.shape
    assert np.abs(image.array.astype(int) - upright).mean() < 5
    assert bool(image.notes) is (orientation > 1)


@pytest.mark.parametrize("samples", [3, 4])
def test_colours_of_16_bits_keep_them(samples, tmp_path, rng):
    array = rng.integers(0, 65536, (12, 16, samples)).astype(np.uint16)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(array))
    image = read_image(tmp_path / "a.png")
    assert (image.axes, image.array.dtype) == ("YXS", np.uint16)
    np.testing.assert_array_equal(image.array, array)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_opacity_of_grey_is_left_out_with_a_word(dtype, tmp_path, rng):
    array = rng.integers(0, 255, (12, 16, 2)).astype(dtype)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(array))
    image = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(image.array, array[..., 0])
    assert "opacity" in image.notes[0]


def test_an_animation_is_a_time_series(tmp_path, rng):
    frames = rng.integers(0, 255, (4, 12, 16)).astype(np.uint8)
    first, *others = (Image.fromarray(frame) for frame in frames)
    first.save(tmp_path / "a.png", save_all=True, append_images=others, duration=40)
    image = read_image(tmp_path / "a.png")
    assert image.axes == "TYX"
    assert image.calibration.steps["T"] == (40.0, "ms")
    np.testing.assert_array_equal(image.array, frames)


@pytest.mark.parametrize(("mode", "said"), [("P", "palette"), ("CMYK", "inks")])
def test_palettes_and_inks_become_colours_with_a_word(mode, said, tmp_path, rng):
    colours = rng.integers(0, 255, (12, 16, 3)).astype(np.uint8)
    picture = Image.fromarray(colours).convert(mode)
    path = tmp_path / ("a.png" if mode == "P" else "a.jpg")
    picture.save(path)
    image = read_image(path)
    assert image.axes == "YXS"
    assert said in image.notes[0]


def test_pictures_larger_than_strangers_may_send_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").array.shape == (40, 40)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_a_picture_beyond_the_memory_is_told(tmp_path, monkeypatch):
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(tmp_path / "a.png")
    free = psutil.virtual_memory()._replace(available=1000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    with pytest.raises(ImageFileError, match="too large: it takes"):
        read_image(tmp_path / "a.png")
