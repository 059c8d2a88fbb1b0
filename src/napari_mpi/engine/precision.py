"""Precision of the convolutions, chosen by measuring the device, not by its name."""

import functools
import time
from statistics import median
from typing import Literal

import torch
from torch import nn

from napari_mpi.engine.recipes import Precision

_WORTH = 0.8  # bfloat16 must take less than this share of float32's time
_ROUNDS = 3


def resolve_precision(
    precision: Precision, device: torch.device
) -> Literal["float32", "bfloat16"]:
    """Return the precision to use on a device.

    'auto' is bfloat16 on CUDA cards that have it and on processors where a measured
    training step is faster with it (those without AVX-512 are far slower); float32
    elsewhere.
    """
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    if device.type == "cpu" and _bfloat16_is_faster():
        return "bfloat16"
    return "float32"


@functools.cache  # one answer for all images of a run, however busy the machine gets
def _bfloat16_is_faster() -> bool:
    """Time steps of a small network in both precisions, interleaved, once warm."""
    with torch.random.fork_rng(devices=[]):
        network = nn.Sequential(nn.Conv2d(32, 32, 3, padding=1), nn.ReLU())
        image = torch.rand(2, 32, 64, 64).contiguous(memory_format=torch.channels_last)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    seconds: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(_ROUNDS + 1):
        for bfloat16, times in seconds.items():
            started = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                output = network(image)
            output.float().mean().backward()
            times.append(time.perf_counter() - started)
            if times[0] > 1:  # hopelessly slow: no need to know how much
                return False
    return median(seconds[True][1:]) < _WORTH * median(seconds[False][1:])
