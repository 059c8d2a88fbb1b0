"""Precision of the convolutions, chosen by measuring the device, not by its name.

Measured once per machine and kept in the cache: were it measured anew each time, a busy
moment could change the choice, and with it, in the last digits, the image.
"""

import functools
import json
import time
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Literal

import torch
from filelock import FileLock
from torch import nn

from napari_mpi.engine.runtime.devices import describe_device
from napari_mpi.engine.runtime.folders import cache_folder
from napari_mpi.engine.runtime.whole_files import whole_file

_WORTH = 0.8  # bfloat16 must take less than this share of float32's time
_ROUNDS = 3


def resolve_precision(
    precision: Literal["auto", "float32", "bfloat16"], device: torch.device
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
    if device.type == "cpu" and _kept_choice():
        return "bfloat16"
    return "float32"


@functools.cache
def _kept_choice() -> bool:
    """Return whether bfloat16 is faster on this processor, measured if not known."""
    machine = f"{describe_device(torch.device('cpu'))}, torch {torch.__version__}"
    machine += f", {torch.get_num_threads()} threads"
    path = cache_folder() / "precision.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Of processes that start at once, one measures, and all take its word.
        with FileLock(path.with_suffix(".lock")):
            return _kept_in(path, machine)
    except OSError:  # without a cache it is measured again next time
        return _bfloat16_is_faster()


def _kept_in(path: Path, machine: str) -> bool:
    known: dict[str, bool] = {}
    with suppress(OSError, ValueError, TypeError):
        known = dict(json.loads(path.read_text()))
    if machine not in known:
        known[machine] = _bfloat16_is_faster()
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps(known))
    return known[machine]


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
