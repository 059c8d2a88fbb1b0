"""Denoising of n-D images: planes, types, photometry, errors, memory."""

import dataclasses
import gc
import json
import weakref

import numpy as np
import pytest
import torch

from napari_mpi.engine.denoising import plane_by_plane
from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.state import DenoisingState
from napari_mpi.engine.denoising.task import effective_config, prepare
from napari_mpi.engine.filling import state as filling_state
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.networks.filling_network import FillingNetwork
from napari_mpi.engine.networks.loading import load_weights
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
from napari_mpi.engine.settings.presets import preset

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


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ("YX", (24, 20)),
        ("XY", (24, 20)),
        ("ZYX", (2, 24, 20)),
        ("YXS", (24, 20, 3)),
        ("SYX", (3, 24, 20)),
        ("CYX", (2, 24, 20)),
        ("TCYXS", (1, 2, 24, 20, 3)),
        ("YX", (1, 20)),
    ],
)
def test_shape_and_type_survive_and_every_plane_changes(
    axes, shape, dtype, rng, small_weights
):
    image = (rng.random(shape) * 200).astype(dtype)
    result = result_of(image, axes, small_weights)
    assert (result.shape, result.dtype) == (image.shape, image.dtype)
    layout = ImageAxes(axes, shape)
    assert all((result[plane] != image[plane]).any() for plane in layout.planes())


def test_the_source_is_left_alone(rng, small_weights):
    image = rng.integers(0, 200, (24, 20)).astype(np.uint8)
    before = image.copy()
    result_of(image, "YX", small_weights)
    np.testing.assert_array_equal(image, before)


def test_swapped_axes_give_the_same_image_swapped(rng, small_weights):
    image = rng.random((24, 20, 3)).astype(np.float32)
    upright = result_of(image, "YXS", small_weights)
    planar = result_of(image.transpose(2, 0, 1), "SYX", small_weights)
    np.testing.assert_array_equal(planar.transpose(1, 2, 0), upright)


def test_opacity_is_left_alone(rng, small_weights):
    image = rng.integers(0, 255, (24, 20, 4)).astype(np.uint8)
    result = result_of(image, "YXS", small_weights)
    np.testing.assert_array_equal(result[..., 3], image[..., 3])
    assert (result[..., :3] != image[..., :3]).any()


def test_planes_of_one_channel_share_one_map_of_intensities(rng, small_weights):
    # Were each plane mapped by itself, the dim one would be blown up to full range.
    bright = rng.normal(1000, 100, (24, 20))
    stack = np.stack([bright, bright * 0 + rng.normal(10, 1, (24, 20))])
    swapped = result_of(stack[::-1], "ZYX", small_weights)[::-1]
    both = result_of(stack, "ZYX", small_weights)
    alone = result_of(stack[1:], "ZYX", small_weights)
    np.testing.assert_array_equal(both, swapped)
    assert not np.allclose(both[1], alone[0])


def test_channels_are_mapped_each_by_itself(rng, small_weights):
    image = rng.normal(100, 10, (24, 20))
    both = result_of(np.stack([image, image * 1000]), "CYX", small_weights)
    alone = result_of(image, "YX", small_weights)
    np.testing.assert_allclose(both[0], alone, rtol=1e-6)
    np.testing.assert_allclose(both[1], alone * 1000, rtol=1e-5)


def test_scaling_and_shifting_the_image_scales_and_shifts_the_result(
    rng, small_weights
):
    image = rng.normal(100, 10, (24, 20))
    plain = result_of(image, "YX", small_weights)
    moved = result_of(image * 7 - 3000, "YX", small_weights)
    np.testing.assert_allclose(moved, plain * 7 - 3000, rtol=0, atol=0.05)


def test_constant_images_and_channels_come_back_as_they_are(rng, small_weights):
    empty = np.full((24, 20), 7, dtype=np.uint16)
    np.testing.assert_array_equal(result_of(empty, "YX", small_weights), empty)
    both = np.stack([empty, rng.integers(0, 99, (24, 20)).astype(np.uint16)])
    result = result_of(both, "CYX", small_weights)
    np.testing.assert_array_equal(result[0], empty)
    assert (result[1] != both[1]).any()


def test_a_flat_noisy_region_keeps_its_mean(shared_data, authors_weights, rng):
    image = np.full((48, 48), 400.0)
    image[12:36, 12:36] = 1200
    noisy = np.rint(rng.normal(image, 60)).astype(np.uint16)
    weights = load_weights(authors_weights["mpi-pixelwise-30"])
    config = preset("independent-fast")
    result = result_of(noisy, "YX", weights, config)
    for region in (np.s_[18:30, 18:30], np.s_[:, :6]):
        assert result[region].mean() == pytest.approx(noisy[region].mean(), rel=0.005)
    assert result[18:30, 18:30].std() < 0.5 * noisy[18:30, 18:30].std()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_integers_are_clipped_to_their_type_and_never_wrapped(
    dtype, rng, small_weights
):
    limits = np.iinfo(dtype)
    low, high = limits.min, limits.max
    image = np.where(rng.random((24, 20)) < 0.5, low, high).astype(dtype)
    config = dataclasses.replace(CONFIG, ema_decay=0.99)
    result = result_of(image, "YX", small_weights, config)
    # Three fills at decay 0.99 move a pixel by 3 % of the range at the most.
    distance = np.abs(result.astype(float) - image.astype(float))
    assert distance.max() < 0.04 * (float(high) - float(low))


def test_grey_images_get_one_shared_mask_whatever_the_settings(small_weights):
    per_channel = FillingConfig(shared_mask=False)
    grey, colour = ImageAxes("ZYX", (2, 9, 9)), ImageAxes("YXS", (9, 9, 3))
    cpu = torch.device("cpu")
    assert effective_config(per_channel, grey, small_weights, cpu).shared_mask
    assert not effective_config(per_channel, colour, small_weights, cpu).shared_mask
    one_plane = random_weights(NetworkConfig(width=8, scales=2, mask_channels=1))
    assert effective_config(per_channel, colour, one_plane, cpu).shared_mask


@pytest.mark.parametrize(
    ("axes", "shape", "shared"),
    [("YXS", (24, 20, 3), False), ("YXS", (24, 20, 3), True), ("YX", (24, 20), False)],
    ids=["colour, mask per channel", "colour, shared mask", "grey"],
)
def test_the_blind_spot_holds_for_whole_images(
    axes, shape, shared, rng, small_weights, monkeypatch
):
    # One iteration with the ensemble taking the fill as it is: where a pixel was
    # hidden, the result must not depend on its value.
    hidden = []
    true_mask = torch.rand

    def remember(*arguments, **options):
        drawn = true_mask(*arguments, **options)
        hidden.append(drawn)
        return drawn

    monkeypatch.setattr("napari_mpi.engine.filling.masks.torch.rand", remember)
    config = FillingConfig(iterations=1, ema_decay=0.0, shared_mask=shared)
    image = rng.random(shape)
    image.flat[:2] = 0, 1  # fixes the range of intensities, whatever else changes
    first = result_of(image, axes, small_weights, config)
    planes = (hidden[-1][0] < config.mask_ratio).numpy()
    masked = planes.transpose(1, 2, 0) if axes == "YXS" else planes[0]
    masked = np.broadcast_to(masked, shape).copy()
    masked.flat[:2] = False
    changed = np.where(masked, rng.random(shape), image)
    second = result_of(changed, axes, small_weights, config)
    assert masked.any()
    assert (first[masked] != image[masked]).any()
    np.testing.assert_allclose(second[masked], first[masked], rtol=0, atol=1e-6)


def test_the_same_seed_gives_the_same_image_bit_for_bit(rng, small_weights):
    image = rng.normal(100, 10, (24, 20)).astype(np.float32)
    first, again = (result_of(image, "YX", small_weights) for _ in range(2))
    other = result_of(image, "YX", small_weights, dataclasses.replace(CONFIG, seed=1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.gpu
def test_cuda_repeats_its_image_and_comes_close_to_the_cpu_s_noise_reduction(rng):
    image = rng.normal(100, 10, (64, 64)).astype(np.float32)
    weights = load_weights("none")
    config = FillingConfig(iterations=50)
    options = {"weights": weights, "config": config}
    first, again = (
        run(denoise(prepare(image, "YX", device="cuda", **options))) for _ in "ab"
    )
    on_cpu = run(denoise(prepare(image, "YX", device="cpu", **options)))
    np.testing.assert_allclose(first, again, rtol=0, atol=1e-3 * np.ptp(image))
    assert first.std() == pytest.approx(on_cpu.std(), rel=0.3)


def test_snapshots_tell_where_their_plane_belongs(rng, small_weights):
    image = rng.integers(0, 99, (2, 24, 20)).astype(np.uint16)
    state = DenoisingState()
    job = denoise(
        prepare(image, "ZYX", weights=small_weights, config=CONFIG, device="cpu"),
        state=state,
        snapshot_interval=0,
    )
    seen = np.zeros_like(image)
    fractions = []
    for snapshot in job:
        seen[snapshot.index] = snapshot.image
        fractions.append(snapshot.fraction)
        assert not snapshot.image.flags.writeable
    np.testing.assert_array_equal(seen, state.result)
    assert fractions == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1])


@pytest.mark.parametrize("steps", [1, 2, 4, 5])
def test_a_closed_job_goes_on_exactly_where_it_stood(steps, rng, small_weights):
    image = rng.integers(0, 99, (2, 24, 20)).astype(np.uint16)
    state = DenoisingState()
    options = {"weights": small_weights, "config": CONFIG, "device": "cpu"}
    job = denoise(prepare(image, "ZYX", **options), state=state, snapshot_interval=0)
    for _ in range(steps):
        next(job)
    job.close()
    resumed = run(denoise(prepare(image, "ZYX", **options), state=state))
    np.testing.assert_array_equal(
        resumed, run(denoise(prepare(image, "ZYX", **options)))
    )


def test_more_iterations_can_be_asked_for_afterwards(rng, small_weights):
    image = rng.integers(0, 99, (24, 20)).astype(np.uint16)
    longer = dataclasses.replace(CONFIG, iterations=7)
    state = DenoisingState()
    result_of(image, "YX", small_weights, state=state)
    further = result_of(image, "YX", small_weights, longer, state=state)
    np.testing.assert_array_equal(
        further, result_of(image, "YX", small_weights, longer)
    )


def test_one_hot_pixel_changes_the_image_around_it_only(rng, small_weights):
    config = dataclasses.replace(CONFIG, iterations=20)
    image = rng.normal(1000, 100, (48, 48)).astype(np.float32)
    spoilt = image.copy()
    spoilt[24, 24] = 1e6
    plain = result_of(image, "YX", small_weights, config)
    result = result_of(spoilt, "YX", small_weights, config)
    far = np.ones_like(image, bool)
    far[16:33, 16:33] = False
    assert np.abs(result - plain)[far].max() < 2 * image.std()
    assert result.max() < 2 * image.max()


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
def test_values_that_are_not_finite_are_refused(value, small_weights):
    image = np.zeros((24, 20))
    image[3, 4] = value
    with pytest.raises(ImageError, match="1 values that are NaN or infinite"):
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


def test_a_cancelled_job_leaves_no_network(rng, small_weights, monkeypatch):
    networks = []
    true_init = filling_state.FillingState.__init__

    def remember(self, noisy, network, config, **options):
        networks.append(weakref.ref(network))
        true_init(self, noisy, network, config)

    monkeypatch.setattr(filling_state.FillingState, "__init__", remember)
    image = rng.random((24, 20))
    job = denoise(
        prepare(image, "YX", weights=small_weights, config=CONFIG, device="cpu")
    )
    next(job)
    assert networks[0]() is not None
    job.close()
    del job
    gc.collect()
    assert networks[0]() is None


def test_provenance_is_json_and_says_what_is_needed_to_repeat(small_weights):
    image = np.zeros((8, 8), np.uint8)
    task = prepare(image, "YX", weights=small_weights, config=CONFIG, device="cpu")
    read = json.loads(json.dumps(task.provenance()))
    assert read["settings"] == dataclasses.asdict(task.config)
    assert read["weights"]["name"] == "none"
    assert read["weights"]["seed"] == 0
    assert read["axes"] == "YX"
    assert {"version", "device", "torch"} <= read.keys()


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


def test_the_state_tells_whether_the_network_was_adapted(rng, small_weights):
    image = rng.random((32, 32)).astype(np.float32)
    smooth = np.add.outer(np.arange(32.0), np.arange(32.0)) / 64
    for picture, adapted in ((smooth, False), (image, True)):
        state = DenoisingState()
        config = dataclasses.replace(CONFIG, guard=True)
        result_of(picture, "YX", small_weights, config, state=state)
        assert state.reached()["adapted"] is adapted
