"""Samples: noisy and clean partners that fit each other."""

import numpy as np
import pytest

from napari_mpi import samples
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.images.quality import quality


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_a_sample_is_noisy_and_repeats_with_its_seed(name):
    sample = samples.SAMPLES[name]()
    axes = ImageAxes(sample.axes, sample.clean.shape)
    assert sample.noisy.dtype == sample.clean.dtype
    assert 15 < quality(sample.noisy, sample.clean, axes).psnr < 30
    np.testing.assert_array_equal(sample.noisy, samples.SAMPLES[name]().noisy)
    assert (sample.noisy != samples.SAMPLES[name](seed=1).noisy).any()


@pytest.mark.parametrize("layers", [samples.noisy_retina, samples.noisy_tissue])
def test_samples_open_as_layers(layers):
    image_layer = pytest.importorskip("napari.layers").Image
    opened = [image_layer(data, **options) for data, options, _ in layers()]
    assert ["clean" in layer.name for layer in opened] == [True, False]
    assert opened[0].data.shape == opened[1].data.shape
