"""Devices: which there are, what they are called, and what to say when one is not."""

import os
import platform
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from napari_mpi.engine.runtime import memory
from napari_mpi.engine.runtime.errors import DeviceError, OutOfMemory


def available_devices() -> list[str]:
    """Return the names that `resolve_device` takes here, the fastest first."""
    cuda = (
        [f"cuda:{n}" for n in range(torch.cuda.device_count())]
        if torch.cuda.is_available()
        else []
    )
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return [*cuda, *mps, "cpu"]


def resolve_device(name: str = "auto") -> torch.device:
    """Return the device of a name.

    Parameters
    ----------
    name : str
        'auto' for the fastest there is, 'cpu', 'cuda', 'cuda:1', 'mps', ...

    Raises
    ------
    DeviceError
        If there is no such device on this machine.
    """
    here = available_devices()
    if name == "auto":
        return torch.device(here[0])
    if name in here or (name == "cuda" and "cuda:0" in here):
        return torch.device(name)
    raise DeviceError(
        f"device {name!r} is not there: choose auto or"
        f" {' or '.join(here)}{_why_not(name)}"
    )


def describe_device(device: torch.device) -> str:
    """Return the device's real name, such as 'NVIDIA H200 (cuda:0, 140 GB)'."""
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        return f"{properties.name} ({device}, {properties.total_memory / 1e9:.0f} GB)"
    if device.type == "mps":
        return f"Apple GPU (mps, {platform.machine()})"
    cores = os.cpu_count() or 1
    return f"{_processor()} (cpu, {cores} core{'s' if cores > 1 else ''})"


def fallback_notice(name: str, device: torch.device) -> str | None:
    """Return what to tell a person whose 'auto' found no GPU, or None."""
    if name == "auto" and device.type == "cpu":
        return f"no GPU found, so the CPU is used; this takes longer{_why_not('cuda')}"
    return None


def notices(name: str, device: torch.device) -> list[str]:
    """Return what to tell a person about the device that a name has led to."""
    told = (fallback_notice(name, device), limits_notice(device))
    return [notice for notice in told if notice is not None]


def limits_notice(device: torch.device) -> str | None:
    """Return what a device lacks that makes CUDA faster, or None."""
    if device.type == "mps":
        return (
            "Apple's GPU works in float32 and step by step: what makes CUDA faster"
            " (bfloat16, recorded steps) is not there"
        )
    return None


def free_memory(device: torch.device) -> int:
    """Return how many bytes of a device's memory are free; of the machine's for MPS."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        # What torch holds in reserve is free for its own tensors.
        reserved = torch.cuda.memory_reserved(device)
        return int(free + reserved - torch.cuda.memory_allocated(device))
    return memory.free_memory()


def is_full_memory(error: BaseException) -> bool:
    """Whether an error says that a device's memory, or the machine's, is full."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    # What torch says when the CPU's is full.
    return isinstance(error, RuntimeError) and "allocate" in str(error)


@contextmanager
def memory_told(device: torch.device, advice: str) -> Iterator[None]:
    """Raise OutOfMemory, which says what to do, where a memory is full inside.

    Parameters
    ----------
    device : torch.device
        Where the work is done.
    advice : str
        How the sentence goes on after '... has not enough memory'.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_full_memory(error):
            raise
        # The error would keep the frames, and they the memory.
        traceback.clear_frames(error.__traceback__)
        told = f"{describe_device(device)} has not enough memory {advice}"
        raise OutOfMemory(told) from None


def is_device_failure(error: BaseException) -> bool:
    """Whether an error may be gone once memory is freed and less of it is needed."""
    if isinstance(error, OutOfMemory) or is_full_memory(error):
        return True
    return isinstance(error, RuntimeError) and "CUDA" in str(error)


def _why_not(name: str) -> str:
    if name.startswith("cuda") and torch.version.cuda is None:
        return f" (this PyTorch, {torch.__version__}, is built without CUDA)"
    return ""


def _processor() -> str:
    """Return the processor's name; Linux tells it only in /proc."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
