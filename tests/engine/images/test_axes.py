"""Axes: clear errors, planes that cover an image once, guesses."""

import numpy as np
import pytest

from napari_mpi.engine.images.axes import ImageAxes, guess_axes
from napari_mpi.engine.runtime.errors import AxesError

CASES = [
    ("YX", (5, 6)),
    ("XY", (6, 5)),
    ("ZYX", (3, 5, 6)),
    ("CYX", (2, 5, 6)),
    ("YXC", (5, 6, 2)),
    ("TZCYX", (2, 3, 4, 5, 6)),
    ("SYX", (3, 5, 6)),
    ("YXS", (5, 6, 3)),
    ("YSX", (5, 3, 6)),
    ("XYS", (6, 5, 3)),
    ("YXS", (5, 6, 2)),
    ("YXS", (5, 6, 4)),
    ("TYXS", (2, 5, 6, 4)),
    ("CSYX", (2, 3, 5, 6)),
    ("ZYX", (1, 1, 1)),
]
IDS = [f"{letters}{shape}" for letters, shape in CASES]


@pytest.mark.parametrize(
    ("letters", "shape", "said"),
    [
        ("ZYX", (4, 5), ["'ZYX'", "3 letters", "(4, 5)", "one letter per dimension"]),
        ("YX", (3, 4, 5), ["'YX'", "2 letters", "one letter per dimension"]),
        ("", (4, 5), ["''", "one letter per dimension"]),
        ("KYX", (3, 4, 5), ["'KYX'", "XYZTCS", "at most once"]),
        ("yx", (4, 5), ["'yx'", "XYZTCS", "at most once"]),
        ("ZZYX", (2, 3, 4, 5), ["'ZZYX'", "at most once"]),
        ("ZX", (4, 5), ["'ZX'", "lack Y", "such as 'YX'"]),
        ("TY", (4, 5), ["'TY'", "lack X", "such as 'YX'"]),
        ("ZYX", (0, 4, 5), ["(0, 4, 5)", "holds no pixel", "check the file"]),
    ],
)
def test_axes_that_do_not_fit_are_told_with_the_way_out(letters, shape, said):
    with pytest.raises(AxesError) as caught:
        ImageAxes(letters, shape)
    message = str(caught.value)
    assert all(part in message for part in said), message


@pytest.mark.parametrize(("letters", "shape"), CASES, ids=IDS)
def test_planes_cover_every_voxel_once_but_opacity(letters, shape):
    axes = ImageAxes(letters, shape)
    covered = np.zeros(shape, int)
    for plane in axes.planes():
        covered[plane] += 1
    expected = np.ones(shape, int)
    if "S" in letters and shape[letters.index("S")] == 4:
        np.moveaxis(expected, letters.index("S"), 0)[3] = 0
    np.testing.assert_array_equal(covered, expected)


@pytest.mark.parametrize(("letters", "shape"), CASES, ids=IDS)
def test_items_are_the_channels_and_hold_all_planes(letters, shape):
    axes = ImageAxes(letters, shape)
    channel_of = np.zeros(shape, int)
    if "C" in letters:
        place = letters.index("C")
        channel_of += np.arange(shape[place]).reshape(
            [-1 if axis == place else 1 for axis in range(len(shape))]
        )
    items = axes.items()
    assert len(items) == channel_of.max() + 1
    for number, item in enumerate(items):
        assert all((channel_of[plane] == number).all() for plane in item)
    assert [plane for item in items for plane in item] == axes.planes()


@pytest.mark.parametrize(("letters", "shape"), CASES, ids=IDS)
def test_plane_is_arranged_as_channels_rows_columns_and_back(letters, shape):
    axes = ImageAxes(letters, shape)
    image = np.arange(np.prod(shape)).reshape(shape)
    sizes = dict(zip(letters, shape, strict=True))
    for index in axes.planes():
        plane = image[index]
        arranged = axes.channels_first(plane)
        colours = 3 if axes.is_colour else 1
        assert arranged.shape == (colours, sizes["Y"], sizes["X"])
        np.testing.assert_array_equal(axes.from_channels_first(arranged), plane)


@pytest.mark.parametrize(
    ("letters", "moved"), [("YXS", (2, 0, 1)), ("XYS", (2, 1, 0)), ("YSX", (1, 0, 2))]
)
def test_colours_become_channels_in_their_order(letters, moved):
    image = np.arange(3 * 3 * 3).reshape(3, 3, 3)
    axes = ImageAxes(letters, image.shape)
    (plane,) = axes.planes()
    arranged = axes.channels_first(image[plane])
    np.testing.assert_array_equal(arranged, image.transpose(moved))


def test_columns_before_rows_are_turned():
    image = np.arange(30).reshape(6, 5)  # X, Y
    arranged = ImageAxes("XY", image.shape).channels_first(image)
    np.testing.assert_array_equal(arranged, image.T[None])


@pytest.mark.parametrize(
    ("letters", "shape", "colour"),
    [
        ("YXS", (5, 6, 3), True),
        ("YXS", (5, 6, 4), True),
        ("YXS", (5, 6, 2), False),
        ("YXS", (5, 6, 5), False),
        ("YXC", (5, 6, 3), False),
        ("ZYX", (3, 5, 6), False),
    ],
)
def test_only_three_or_four_samples_are_colour(letters, shape, colour):
    assert ImageAxes(letters, shape).is_colour is colour


@pytest.mark.parametrize(
    ("shape", "letters"),
    [
        ((8, 9), "YX"),
        ((3, 3), "YX"),
        ((8, 9, 3), "YXS"),
        ((3, 8, 9), "ZYX"),
        ((5, 8, 9), "ZYX"),
        ((5, 8, 9, 3), "ZYXS"),
        ((2, 5, 8, 9), "TZYX"),
        ((2, 5, 8, 9, 3), "TZYXS"),
        ((2, 5, 4, 8, 9), "TZCYX"),
        ((2, 5, 4, 8, 9, 3), "TZCYXS"),
    ],
)
def test_axes_are_guessed_from_the_shape(shape, letters):
    assert guess_axes(shape) == letters


@pytest.mark.parametrize("shape", [(), (8,), (1, 2, 3, 4, 5, 6)])
def test_axes_that_cannot_be_guessed_are_asked_for(shape):
    with pytest.raises(AxesError) as caught:
        guess_axes(shape)
    assert str(shape) in str(caught.value)
    assert "name them, such as 'YX'" in str(caught.value)
