"""Small images to learn from."""

import imageio.v3 as imageio
import numpy as np
import pytest

from napari_mpi.engine.pretraining.images import read_training_images
from napari_mpi.engine.runtime.jobs import run


@pytest.fixture
def images(tmp_path, rng):
    """Return six images of blobs, read from a folder."""
    folder = tmp_path / "blobs"
    folder.mkdir()
    y, x = np.mgrid[:64, :64]
    for number in range(6):
        centres = rng.uniform(0, 64, (8, 2))
        light = sum(np.exp(-((y - a) ** 2 + (x - b) ** 2) / 40) for a, b in centres)
        picture = np.rint(255 * light / light.max()).astype(np.uint8)
        imageio.imwrite(folder / f"{number}.png", picture)
    return run(read_training_images(folder, smallest_side=32))
