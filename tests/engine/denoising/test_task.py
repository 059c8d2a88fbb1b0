"""What can be denoised, and what is told of all else before the work."""

import weakref

import numpy as np
import pytest
import torch

from napari_mpi.engine.denoising import plane_by_plane
from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.task import prepare
from napari_mpi.engine.networks.filling_network import FillingNetwork
from napari_mpi.engine.networks.weights import random_weights
from napari_mpi.engine.runtime.errors import (
    AxesError,
    ConfigError,
    DeviceError,
    EngineError,
    ImageError,
    OutOfMemory,
)
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.filling import FillingConfig
from napari_mpi.engine.settings.network import NetworkConfig

CONFIG = FillingConfig(iterations=3)


def result_of(image, axes, weights, config=CONFIG, *, tile=None, **options):
    return run(
        denoise(
            prepare(
                image, axes, weights=weights, config=config, device="cpu", tile=tile
            ),
            **options,
        )
    )


def test_whatever_numpy_takes_for_an_array_is_denoised(rng, small_weights):
    image = rng.normal(100, 10, (24, 20))
    expected = result_of(image, "YX", small_weights)
    read_only = image.copy()
    read_only.flags.writeable = False
    for same in (image.tolist(), np.asfortranarray(image), read_only):
        np.testing.assert_array_equal(result_of(same, "YX", small_weights), expected)


def test_masked_arrays_are_refused(small_weights):
    image = np.ma.masked_greater(np.arange(480).reshape(24, 20), 400)
    with pytest.raises(ImageError, match="fill its masked values first"):
        result_of(image, "YX", small_weights)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_image_without_one_finite_value_is_refused(value, small_weights):
    with pytest.raises(ImageError, match="all values of the image are NaN or infinite"):
        result_of(np.full((24, 20), value), "YX", small_weights)


@pytest.mark.parametrize("value", [2**53 + 2, -(2**60)])
def test_whole_numbers_that_no_float_tells_apart_are_refused(value, small_weights):
    image = np.zeros((24, 20), np.int64)
    image[3, 4] = value
    with pytest.raises(ImageError, match=f"up to {abs(value)}.*subtract an offset"):
        result_of(image, "YX", small_weights)


@pytest.mark.parametrize("dtype", [complex, bool])
def test_images_that_hold_no_intensities_are_refused(dtype, small_weights):
    with pytest.raises(ImageError, match="give integers or real numbers"):
        result_of(np.zeros((24, 20), dtype), "YX", small_weights)


def test_what_does_not_fit_is_told_before_any_work(small_weights, monkeypatch):
    monkeypatch.setattr(
        plane_by_plane, "FillingState", None
    )  # any work would fail on it
    image = np.arange(480.0).reshape(24, 20)
    with pytest.raises(AxesError, match="have 3 letters but the image has shape"):
        result_of(image, "ZYX", small_weights)
    with pytest.raises(AxesError, match="holds no pixel"):
        result_of(np.zeros((0, 20)), "YX", small_weights)
    two_channels = random_weights(
        NetworkConfig(channels=2, mask_channels=1, width=8, scales=2)
    )
    with pytest.raises(ConfigError, match=r"give weights that fill 1 .* or 3"):
        result_of(image, "YX", two_channels)
    with pytest.raises(DeviceError, match="choose auto or"):
        run(
            denoise(
                prepare(image, "YX", weights=small_weights, config=CONFIG, device="tpu")
            )
        )


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to"),
        MemoryError(),
    ],
)
def test_a_full_memory_is_told_with_the_way_out(error, small_weights, monkeypatch):
    held = []

    def forward(self, image, masked):
        features = torch.zeros(8)
        held.append(weakref.ref(features))
        raise error

    monkeypatch.setattr(FillingNetwork, "forward", forward)
    with pytest.raises(OutOfMemory, match="denoise a smaller part") as told:
        result_of(np.arange(480.0).reshape(24, 20), "YX", small_weights)
    # The frames of the first error would keep the memory that is missing.
    assert held
    assert all(tensor() is None for tensor in held)
    assert told.value.__suppress_context__


def test_no_error_of_the_engine_is_a_runtime_error():
    def kinds(base):
        return {base, *(kind for sub in base.__subclasses__() for kind in kinds(sub))}

    assert OutOfMemory in kinds(EngineError)
    assert not any(issubclass(kind, RuntimeError) for kind in kinds(EngineError))


@pytest.mark.parametrize(("axes", "shape"), [("YX", (24, 20)), ("YXS", (24, 20, 3))])
def test_one_channel_weights_take_grey_and_colours(axes, shape, rng):
    one_channel = random_weights(
        NetworkConfig(channels=1, mask_channels=1, width=8, scales=2)
    )
    image = rng.random(shape).astype(np.float32)
    result = result_of(image, axes, one_channel)
    assert result.shape == shape
    if axes == "YXS":
        assert not np.allclose(result[..., 0], result[..., 1])
