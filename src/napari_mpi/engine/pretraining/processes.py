"""Data-parallel training: the processes that ``torchrun`` started, or one alone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from napari_mpi.engine.runtime.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Processes:
    """The place of this process among those that train together.

    Parameters
    ----------
    rank, local_rank, count : int
        Number of this process from 0, over all machines and on this one, and how many
        there are.
    """

    rank: int = 0
    local_rank: int = 0
    count: int = 1

    @classmethod
    def current(cls) -> "Processes":
        """Return the place inside `joined`, or that of a process alone."""
        if not (distributed.is_available() and distributed.is_initialized()):
            return cls()
        local = int(os.environ.get("LOCAL_RANK", "0"))
        return cls(distributed.get_rank(), local, distributed.get_world_size())

    def require_divides(self, batch_size: int) -> None:
        """Raise ConfigError unless every process gets the same number of crops."""
        if batch_size % self.count:
            raise ConfigError(
                f"a batch size of {batch_size} cannot be shared by {self.count}"
                f" processes: choose a multiple of {self.count}"
            )

    def wrapped(self, network: nn.Module, device: torch.device) -> nn.Module:
        """Return the network, its gradients averaged over the processes."""
        if self.count == 1:
            return network
        devices = [device.index] if device.type == "cuda" else None
        return DistributedDataParallel(network, device_ids=devices)

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean of a number over the processes."""
        if self.count > 1:
            distributed.all_reduce(value)
            value = value / self.count
        return value

    def agreed(self, value: Any) -> Any:
        """Return what the first process has."""
        if self.count == 1:
            return value
        values = [value]
        distributed.broadcast_object_list(values, src=0)
        return values[0]


@contextmanager
def joined(device: torch.device) -> Iterator[Processes]:
    """Join the other processes that ``torchrun`` started, if it did."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Processes()
        return
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Processes.current()
    finally:
        distributed.destroy_process_group()
