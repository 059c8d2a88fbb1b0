"""Devices: the one that was asked for, its name, and what to say when it is not."""

import os

import pytest
import torch

from napari_mpi.engine.runtime.devices import (
    available_devices,
    describe_device,
    fallback_notice,
    resolve_device,
)
from napari_mpi.engine.runtime.errors import DeviceError

without_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is here")


@pytest.fixture
def two_gpus(monkeypatch):
    """Let torch believe in two CUDA devices; nothing may be put on them."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def test_cpu_is_always_there():
    assert resolve_device("cpu") == torch.device("cpu")
    assert available_devices()[-1] == "cpu"


def test_auto_takes_the_fastest_there_is():
    assert resolve_device("auto") == torch.device(available_devices()[0])
    assert resolve_device() == resolve_device("auto")


def test_auto_prefers_the_first_gpu(two_gpus):
    assert resolve_device("auto") == torch.device("cuda:0")


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:1", "cpu"])
def test_gpu_is_taken_by_its_name(name, two_gpus):
    assert resolve_device(name) == torch.device(name)


def test_gpu_that_is_one_too_many_lists_the_choices(two_gpus):
    with pytest.raises(DeviceError) as caught:
        resolve_device("cuda:2")
    message = str(caught.value)
    assert "'cuda:2'" in message
    assert all(name in message for name in ("auto", "cuda:0", "cuda:1", "cpu"))


@without_cuda
@pytest.mark.parametrize("name", ["cuda", "cuda:0"])
def test_missing_gpu_lists_the_choices(name):
    with pytest.raises(DeviceError) as caught:
        resolve_device(name)
    message = str(caught.value)
    assert f"'{name}'" in message
    assert "choose auto or" in message
    assert "cpu" in message


@pytest.mark.skipif(torch.version.cuda is not None, reason="PyTorch knows CUDA")
def test_pytorch_without_cuda_is_told_as_the_cause():
    with pytest.raises(DeviceError, match="is built without CUDA"):
        resolve_device("cuda")


@pytest.mark.parametrize("name", ["", "gpu", "tpu:0", "CPU", "cuda:x"])
def test_unknown_name_lists_the_choices(name):
    with pytest.raises(DeviceError) as caught:
        resolve_device(name)
    assert repr(name) in str(caught.value)
    assert "cpu" in str(caught.value)


def test_description_of_the_cpu_tells_its_name_and_cores():
    described = describe_device(torch.device("cpu"))
    name, _, rest = described.partition(" (cpu, ")
    assert name.strip()
    assert rest.startswith(f"{os.cpu_count()} core")


@pytest.mark.gpu
def test_description_of_a_gpu_tells_its_real_name():
    described = describe_device(torch.device("cuda:0"))
    assert torch.cuda.get_device_name(0) in described
    assert "cuda:0" in described


def test_auto_that_found_no_gpu_is_told():
    notice = fallback_notice("auto", torch.device("cpu"))
    assert notice is not None
    assert "no GPU found" in notice
    assert "CPU" in notice


@pytest.mark.parametrize(
    ("name", "device"), [("cpu", "cpu"), ("auto", "cuda:0"), ("cuda", "cuda:0")]
)
def test_nothing_is_told_where_the_device_is_as_asked(name, device):
    assert fallback_notice(name, torch.device(device)) is None
