"""What is read of an image before its first plane is filled: never too much of it."""

import numpy as np
import pytest

from napari_mpi.engine.denoising.sampling import take
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.runtime.jobs import run


class Endless:
    """An image as large as one says, which notes how much is read of it."""

    dtype = np.dtype("u2")

    def __init__(self, shape):
        self.shape, self.read = shape, 0
        self._rng = np.random.default_rng(0)

    def __getitem__(self, index):
        sides = [part.stop - part.start for part in index if isinstance(part, slice)]
        self.read += 1
        return self._rng.poisson(100, sides).astype(self.dtype)


@pytest.mark.parametrize("shape", [(400, 2500, 1900), (100_000, 128, 128)])
def test_of_a_huge_volume_some_blocks_are_read_from_all_over(shape, monkeypatch):
    monkeypatch.setattr(take, "_BLOCK", 64)
    image = Endless(shape)
    layout = ImageAxes("ZYX", shape)
    sample = run(take.take_sample(image, layout, layout.planes(), side=48, seed=0))
    assert image.read <= 512
    assert sample.intensities.is_sampled
    planes = {cut.plane for cut in sample.windows}
    assert len(planes) > 4
