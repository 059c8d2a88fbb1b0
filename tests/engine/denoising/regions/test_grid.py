"""How volumes are cut: whole chunks, nothing twice, and little that is read twice."""

import itertools
import math

import numpy as np
import pytest

from napari_mpi.engine.denoising.regions.grid import (
    READ_TWICE,
    Extents,
    grid_of,
    needed,
    planes_in,
)
from napari_mpi.engine.runtime.errors import ConfigError

HALO = {"Y": 128, "X": 128, "Z": 2}
PETABYTE = 80_000, 80_000, 80_000


def extents(shape, unit, chunk=None, axes="ZYX", halo=HALO):
    return Extents(axes, shape, unit, chunk or unit, halo, 2)


@pytest.mark.parametrize(
    ("shape", "unit", "axes"),
    [
        ((9, 50, 70), (1, 16, 32), "ZYX"),
        ((2, 9, 50, 70), (1, 4, 16, 32), "CZYX"),
        ((3, 2, 50, 70, 3), (1, 1, 50, 70, 3), "TZYXS"),
        ((40, 30), (16, 16), "YX"),
    ],
)
def test_slabs_are_whole_units_and_hold_every_pixel_once(shape, unit, axes):
    seen = np.zeros(shape, int)
    grid = grid_of(extents(shape, unit, axes=axes))
    for region in grid:
        assert region.slab_count == len(region.slabs())
        for slab in region.slabs():
            seen[slab] += 1
            for part, one, length in zip(slab, unit, shape, strict=True):
                assert part.start % one == 0
                assert part.stop % one == 0 or part.stop == length
    assert (seen == 1).all()


@pytest.mark.parametrize("parts", [1, 2, 3, 7, 200])
def test_parts_hold_every_slab_once(parts):
    grid = grid_of(extents((9, 3000, 70), (1, 16, 32)))
    found = [
        (region.number, slab)
        for part in range(1, parts + 1)
        for region, slabs in grid.of_part(part, parts)
        for slab in slabs
    ]
    assert found == [(r.number, n) for r in grid for n in range(r.slab_count)]
    sizes = [
        sum(len(slabs) for _, slabs in grid.of_part(part, parts))
        for part in range(1, parts + 1)
    ]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(("part", "parts"), [(0, 4), (5, 4), (1, 0)])
def test_a_part_that_there_is_not_is_refused(part, parts):
    with pytest.raises(ConfigError, match="numbered from 1 to"):
        grid_of(extents((9, 50, 70), (1, 16, 32))).of_part(part, parts)


@pytest.mark.parametrize(
    ("shape", "unit", "chunk"),
    [
        ((64, 2048, 2048), (1, 1024, 1024), None),
        ((64, 2048, 2048), (64, 64, 64), None),
        ((1000, 80_000, 80_000), (1, 256, 256), None),
        ((4096, 40_000, 40_000), (1, 512, 512), None),
        (PETABYTE, (64, 64, 64), None),
        (PETABYTE, (1, 512, 512), None),
    ],
)
def test_little_is_read_twice_and_little_kept(shape, unit, chunk):
    grid = grid_of(extents(shape, unit, chunk))
    assert grid.read <= READ_TWICE
    assert needed(grid.extents, list(grid.steps)) < 2.2e9


def test_where_chunks_are_too_large_for_that_the_memory_counts_first():
    grid = grid_of(extents(PETABYTE, (1024, 1024, 1024), (256, 256, 256)))
    assert grid.read > READ_TWICE
    assert needed(grid.extents, list(grid.steps)) < 2.5e9
    assert len(grid) > 100


def test_what_is_told_of_reading_is_what_is_read():
    """Count chunks for the regions of an image of 20 x 20 chunks."""
    known = extents((30, 640, 640), (1, 32, 32), halo={"Y": 40, "X": 40, "Z": 1})
    grid = grid_of(known)
    reads = 0
    for region in grid:
        ranges = []
        for letter, part, length in zip("ZYX", region.index, known.shape, strict=True):
            halo, chunk = known.halo[letter], 1 if letter == "Z" else 32
            first = max(0, part.start - halo) // chunk
            last = -(-min(length, part.stop + halo) // chunk)
            ranges.append(last - first)
        reads += math.prod(ranges)
    assert len(grid) > 1
    assert reads / (30 * 20 * 20) == pytest.approx(grid.read)


def test_planes_of_a_slab_are_those_that_it_holds():
    slab = (slice(1, 3), slice(2, 4), slice(0, 5), slice(0, 7))
    assert list(planes_in(slab, "TCYX")) == list(itertools.product((1, 2), (2, 3)))
    assert list(planes_in(slab[2:], "YX")) == [()]
