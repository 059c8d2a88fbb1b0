"""What masked pre-training carries from step to step, and its checkpoints."""

import copy
import dataclasses
import io
import math
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

from napari_mpi.engine.networks.filling_network import FillingNetwork
from napari_mpi.engine.networks.weight_files import write_weights_file
from napari_mpi.engine.networks.weights import Weights, random_weights
from napari_mpi.engine.runtime.errors import ConfigError, WeightsError, first_line
from napari_mpi.engine.runtime.whole_files import sha256_of
from napari_mpi.engine.settings.network import NetworkConfig
from napari_mpi.engine.settings.pretraining import PretrainingConfig

_FORMAT = "napari-mpi checkpoint 1"


@dataclass(slots=True)
class PretrainingState:
    """What pre-training has reached; given to `pretrain` again, it goes on from there.

    Parameters
    ----------
    network_config : NetworkConfig
        The network.
    config : PretrainingConfig
        Its pre-training.
    network, averaged : FillingNetwork
        The weights being trained, and their running average: the result.
    optimizer : torch.optim.AdamW
        With its moments.
    step : int
        Steps done.
    losses : list of float
        Of every step, in dB.
    held_out : list of (int, float)
        Step and PSNR in dB on images that are not trained on.
    fingerprint : str
        Of the images; empty before the first step.
    precision : str
        As resolved on the device that the run began on; empty before.
    device : str
        Real name of the device that it ran on last.
    seconds : float
        Time spent.
    start : str
        Where the weights came from.
    """

    network_config: NetworkConfig
    config: PretrainingConfig
    network: FillingNetwork = field(repr=False)
    averaged: FillingNetwork = field(repr=False)
    optimizer: torch.optim.AdamW = field(repr=False)
    step: int = 0
    losses: list[float] = field(default_factory=list, repr=False)
    held_out: list[tuple[int, float]] = field(default_factory=list, repr=False)
    fingerprint: str = ""
    precision: Literal["", "float32", "bfloat16"] = ""
    device: str = ""
    seconds: float = 0.0
    start: str = "random"
    _good: bytes = field(default=b"", repr=False)

    def take_on(self, config: PretrainingConfig) -> None:
        """Go on with these settings: a constant run may be prolonged, or cooled down.

        Raises
        ------
        ConfigError
            If anything else differs from what the run began with.
        """
        require_same(self.config, config, but=self.config.can_change)
        self.config = config

    @property
    def is_complete(self) -> bool:
        """Whether all steps are done."""
        return self.step >= self.config.iterations

    def to(self, device: torch.device | str) -> None:
        """Move networks and optimiser to a device."""
        self.network.to(device)
        self.averaged.to(device)
        for moments in self.optimizer.state.values():
            for name, value in moments.items():
                if isinstance(value, Tensor) and value.ndim:
                    moments[name] = value.to(device)

    def averaged_tensors(self) -> dict[str, Tensor]:
        """Return copies of the averaged weights, on the CPU."""
        return {
            key: value.detach().to("cpu", copy=True).contiguous()
            for key, value in self.averaged.state_dict().items()
        }

    def remember(self) -> None:
        """Take what there is now for good, see `recall`."""
        buffer = io.BytesIO()
        torch.save(self._content(), buffer)
        self._good = buffer.getvalue()

    def recall(self) -> None:
        """Go back to the last good state."""
        content = torch.load(io.BytesIO(self._good), weights_only=True)
        self.restore(content)

    def write(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all.

        Raises
        ------
        WeightsError
            If it cannot be written; a checkpoint of that name is as it was.
        """
        content = self._content()
        write_weights_file(path, lambda target: _save(content, target))

    def _content(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "network_config": dataclasses.asdict(self.network_config),
            "config": dataclasses.asdict(self.config),
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            **{name: getattr(self, name) for name in _PLAIN},
        }

    def restore(self, content: dict[str, Any]) -> None:
        """Take over what a checkpoint holds."""
        self.network.load_state_dict(content["network"])
        self.averaged.load_state_dict(content["averaged"])
        self.optimizer.load_state_dict(content["optimizer"])
        for name in _PLAIN:
            setattr(self, name, content.get(name, getattr(self, name)))


_PLAIN = (
    "step", "losses", "held_out", "fingerprint", "precision", "device",
    "seconds", "start",
)  # fmt: skip


def _save(content: dict[str, Any], target: Path) -> None:
    """Save to a file; torch tells of a full disk by a RuntimeError."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    target.write_bytes(buffer.getbuffer())


def start_pretraining(
    network: NetworkConfig, config: PretrainingConfig, *, start: Weights | None = None
) -> PretrainingState:
    """Return the state before the first step.

    Parameters
    ----------
    network : NetworkConfig
        The network.
    config : PretrainingConfig
        Its pre-training.
    start : Weights, optional
        Where to start from, random weights drawn from the seed if None. Of a network
        that differs in its channels alone, all layers but the outermost are taken; one
        that sees no neighbours can grow into one that does.

    Raises
    ------
    ConfigError
        If the weights are of another network.
    """
    fresh = random_weights(network, seed=config.seed)
    trained = (fresh if start is None else _fitted(start, fresh)).to_network()
    trained.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = copy.deepcopy(trained).requires_grad_(False)
    optimizer = torch.optim.AdamW(
        trained.parameters(),
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        weight_decay=0.0,
    )
    name = "random" if start is None else f"{start.name} ({start.sha256})"
    return PretrainingState(network, config, trained, averaged, optimizer, start=name)


def _fitted(start: Weights, fresh: Weights) -> Weights:
    """Take over every entry of ``start`` but those whose shape the channels decide."""
    ours = dataclasses.replace(
        fresh.network,
        channels=start.network.channels,
        mask_channels=1,
        neighbours=start.network.neighbours,
    )
    if ours != dataclasses.replace(start.network, mask_channels=1):
        raise ConfigError(
            f"weights {start.name!r} are of another network, {start.network}: start"
            f" from weights of {fresh.network}"
        )
    fitting = {
        name: value
        for name, value in start.state.items()
        if value.shape == fresh.state[name].shape
    }
    return dataclasses.replace(fresh, state={**fresh.state, **fitting})


def read_checkpoint(path: Path) -> PretrainingState:
    """Read what `PretrainingState.write` wrote, as numbers only.

    Raises
    ------
    WeightsError
        If there is no such file, or it is no checkpoint of ours.
    """
    if not path.is_file():
        raise WeightsError(f"there is no checkpoint {path}: start without resume")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content["format"] != _FORMAT:
            raise KeyError("format")
        network = NetworkConfig(**content["network_config"])
        config = PretrainingConfig(**content["config"])
        state = start_pretraining(network, config)
        state.restore(content)
    except (pickle.UnpicklingError, KeyError, TypeError, ValueError, OSError,
            RuntimeError, EOFError) as error:  # fmt: skip
        raise WeightsError(
            f"{path} is no checkpoint of napari-mpi, or is damaged: {first_line(error)}"
        ) from error
    return state


def checkpoint_weights(path: Path) -> Weights:
    """Return the averaged weights of a checkpoint, for another run to start from."""
    state = read_checkpoint(path)
    made = {"iterations": state.step, "start": state.start}
    tensors, digest = state.averaged_tensors(), sha256_of(path)
    return Weights(path.stem, state.network_config, tensors, made, digest)


Settings = TypeVar("Settings", NetworkConfig, PretrainingConfig)


def require_same(kept: Settings, given: Settings, *, but: Sequence[str] = ()) -> None:
    """Raise ConfigError if settings differ from those that a run began with."""
    before, now = dataclasses.asdict(kept), dataclasses.asdict(given)
    for key in before:
        if key not in but and now[key] != before[key]:
            raise ConfigError(
                f"the run to go on with has {key.replace('_', ' ')} {before[key]}, not"
                f" {now[key]}: give the same settings, or start anew"
            )


def mean_loss(losses: list[float], window: int = 100) -> float:
    """Return the mean of the last losses, NaN if there are none."""
    recent = losses[-window:]
    return math.fsum(recent) / len(recent) if recent else math.nan
