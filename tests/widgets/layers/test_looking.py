"""Which plane a person looks at, as the worker's thread is told."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_mpi.widgets.layers.looking import Looking
from napari_mpi.widgets.layers.selection import Scope, select


@pytest.fixture
def viewer():
    return ViewerModel()


def test_moving_a_slider_changes_what_is_told(viewer):
    layer = viewer.add_image(np.zeros((3, 5, 8, 8)))
    looking = Looking(viewer, layer, select(layer, axes="TZYX"))
    viewer.dims.set_current_step(0, 2)
    viewer.dims.set_current_step(1, 4)
    assert looking() == {"T": 2, "Z": 4}
    viewer.dims.set_current_step(0, 0)
    assert looking() == {"T": 0, "Z": 4}


def test_it_is_told_in_planes_whatever_the_scale_and_the_units(viewer):
    options = {"scale": (3, 0.1, 0.1), "translate": (30, 0, 0)}
    layer = viewer.add_image(np.zeros((6, 8, 8)), units=("um",) * 3, **options)
    viewer.add_image(np.zeros((6, 8, 8)), scale=(3000, 100, 100), units=("nm",) * 3)
    looking = Looking(viewer, layer, select(layer))
    for plane in (4, 1):
        per_unit = 1 if str(viewer.dims.units[0]) == "micrometer" else 1000
        viewer.dims.set_point(0, (30 + 3 * plane) * per_unit)
        assert looking() == {"Z": plane}


def test_numbers_are_those_within_the_part(viewer):
    layer = viewer.add_image(np.zeros((2, 5, 8, 8)))
    viewer.dims.set_current_step((0, 1), (1, 3))
    part = select(layer, Scope.CHANNEL, axes="CZYX", step=(1, 3, 0, 0))
    looking = Looking(viewer, layer, part)
    assert looking() == {"C": 0, "Z": 3}
    viewer.dims.set_current_step(0, 0)
    assert looking() is None


def test_beside_the_layer_no_plane_is_looked_at(viewer):
    layer = viewer.add_image(np.zeros((4, 8, 8)))
    viewer.add_image(np.zeros((9, 8, 8)))
    looking = Looking(viewer, layer, select(layer))
    viewer.dims.set_current_step(0, 3)
    assert looking() == {"Z": 3}
    viewer.dims.set_current_step(0, 7)
    assert looking() is None


def test_a_single_plane_has_no_numbers(viewer):
    layer = viewer.add_image(np.zeros((8, 8, 3), np.uint8), rgb=True)
    assert Looking(viewer, layer, select(layer))() == {}


def test_a_layer_that_left_the_viewer_is_not_looked_at(viewer):
    layer = viewer.add_image(np.zeros((4, 8, 8)))
    looking = Looking(viewer, layer, select(layer))
    viewer.layers.clear()
    viewer.add_image(np.zeros((9, 8, 8)), units=("s", "um", "um"))
    viewer.dims.set_current_step(0, 1)
    assert looking() is None


def test_a_closed_one_follows_no_longer(viewer):
    layer = viewer.add_image(np.zeros((4, 8, 8)))
    viewer.dims.set_current_step(0, 1)
    looking = Looking(viewer, layer, select(layer))
    looking.close()
    viewer.dims.set_current_step(0, 3)
    assert looking() == {"Z": 1}
