"""Weights files: the paper authors' checkpoints and our own, checked before use."""

import dataclasses
import hashlib
import json
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from napari_mpi.engine.config import NetworkConfig
from napari_mpi.engine.errors import ConfigError, WeightsError
from napari_mpi.engine.networks import FillingNetwork, initialise
from napari_mpi.engine.registry import RANDOM_START
from napari_mpi.engine.whole_files import whole_file

_FORMAT = "napari-mpi weights 1"


@dataclass(frozen=True, slots=True)
class Weights:
    """A network's weights with all that is needed to use and to cite them.

    Parameters
    ----------
    name : str
        What menus and provenance call them.
    network : NetworkConfig
        The network that they belong to.
    state : mapping of str to Tensor
        The network's state dict, on the CPU.
    provenance : mapping
        JSON values: masks seen, pre-training, source, licence.
    sha256 : str
        Of the file they came from; empty for a random start.
    """

    name: str
    network: NetworkConfig
    state: Mapping[str, Tensor] = field(repr=False)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""

    def to_network(self, device: torch.device | str = "cpu") -> FillingNetwork:
        """Build a network of its own from copies of the weights, on the device."""
        network = _skeleton(self.network)
        copies = {name: value.clone() for name, value in self.state.items()}
        network.load_state_dict(copies, assign=True)
        return network.requires_grad_(True).to(device)


def random_weights(network: NetworkConfig | None = None, *, seed: int = 0) -> Weights:
    """Return weights that know nothing, drawn from the seed; slower, and less sharp."""
    network = network or NetworkConfig()
    blank = _skeleton(network).to_empty(device="cpu")
    initialise(blank, rng=torch.Generator().manual_seed(seed))
    return Weights(
        RANDOM_START, network, blank.state_dict(), {"pretraining": "none", "seed": seed}
    )


def save_weights(weights: Weights, path: Path) -> None:
    """Write weights to a ``.safetensors`` file with a JSON header, whole or not at all.

    Raises
    ------
    WeightsError
        If the file cannot be written.
    """
    header = {
        "network": dataclasses.asdict(weights.network),
        "provenance": dict(weights.provenance),
        "tensors_sha256": _tensors_sha256(weights.state),
    }
    metadata = {"format": _FORMAT, "header": json.dumps(header)}
    tensors = {name: value.contiguous() for name, value in weights.state.items()}
    # Not by `save_file`, whose files none but their owner may read.
    content = _in_one_order(save(tensors, metadata))
    write_weights_file(path, lambda target: target.write_bytes(content))


def _in_one_order(content: bytes) -> bytes:
    """Sort the header of a safetensors file, whose order is drawn anew each time.

    So that equal weights give equal files, of equal sha256.
    """
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the numbers that follow stay in line
    return len(text).to_bytes(8, "little") + text + content[start:]


def write_weights_file(path: Path, writer: Callable[[Path], object]) -> None:
    """Let ``writer`` make a file, whole or not at all; or raise WeightsError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as target:
            writer(target)
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"weights cannot be written to {path}: {first_line(error)}"
        ) from error


def read_weights(path: Path) -> Weights:
    """Read a weights file of either kind; raise WeightsError if it is unfit."""
    if not path.is_file():
        raise WeightsError(f"there is no weights file {path}: check the path")
    reader = _read_checkpoint if path.suffix.lower() in (".pth", ".pt") else _read_ours
    return reader(path)


def _read_ours(path: Path) -> Weights:
    """Read a file of `save_weights`."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            names = list(file.keys())
            state = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path} is no safetensors file, or is damaged: {first_line(error)}"
        ) from error
    if metadata.get("format") != _FORMAT:
        raise WeightsError(
            f"{path} is a safetensors file, but not one of napari-mpi: its header lacks"
            f" {_FORMAT!r}"
        )
    try:
        header = json.loads(metadata["header"])
        network = NetworkConfig(**header["network"])
        provenance, digest = dict(header["provenance"]), header["tensors_sha256"]
    except (KeyError, TypeError, ValueError, ConfigError) as error:
        raise WeightsError(
            f"the header of {path} cannot be read: {first_line(error)}"
        ) from error
    _require_fit(path, network, state)
    if _tensors_sha256(state) != digest:
        raise WeightsError(
            f"{path} is damaged: its numbers do not have the sha256 in its header; copy"
            " it again"
        )
    return Weights(path.stem, network, state, provenance, sha256_of(path))


def _read_checkpoint(path: Path) -> Weights:
    """Read a checkpoint in the layout of the paper's authors, as numbers only."""
    with path.open("rb") as file:
        if file.read(1) not in (b"P", b"\x80"):  # of a zip archive, of a pickle
            raise WeightsError(f"{path} is no PyTorch checkpoint: choose another file")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} is refused: it holds something other than numbers, which could run"
            " as code"
        ) from error
    except Exception as error:  # whatever a damaged archive provokes
        raise WeightsError(
            f"{path} is no PyTorch checkpoint, or is damaged: {first_line(error)}"
        ) from error
    params = content.get("params") if isinstance(content, dict) else None
    if not isinstance(params, dict) or not all(
        isinstance(v, Tensor) for v in params.values()
    ):
        raise WeightsError(
            f"{path} is a checkpoint, but not one of MPI: it has no table of tensors"
            " 'params'"
        )
    first = params.get("net.1.0.1.1.weight")
    planes = first.shape[1] - 3 if first is not None and first.ndim == 4 else 0
    if planes not in (1, 3):
        raise WeightsError(
            f"{path} is not a checkpoint of the paper's network 'skip': its first layer"
            " does not fit"
        )
    network = NetworkConfig(mask_channels=planes)
    ours = _authors_names(network)
    state = {ours.get(str(name), str(name)): params[name] for name in params}
    _require_fit(path, network, state)
    return Weights(path.stem, network, state, {"source": path.name}, sha256_of(path))


def _authors_names(network: NetworkConfig) -> dict[str, str]:
    """Map the authors' nested numbering of layers to our names."""
    layers = {
        "1.0.1.1": "skip.0", "1.0.2": "skip.1",
        "1.1.1.1": "down.0", "1.1.2": "down.1",
        "1.1.4.1": "refine.0", "1.1.5": "refine.1",
        "2": "merge_norm", "3.1": "merge.0", "4": "merge.1",
        "6.1": "mix.0", "7": "mix.1",
    }  # fmt: skip
    theirs = {
        f"net.{'1.1.7.' * scale}{number}": f"trunk.{'deeper.' * scale}{name}"
        for scale in range(network.scales)
        for number, name in layers.items()
    }
    theirs["net.9.1"] = "head"
    entries = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    return {f"{t}.{e}": f"{ours}.{e}" for t, ours in theirs.items() for e in entries}


def _require_fit(
    path: Path, network: NetworkConfig, state: Mapping[str, Tensor]
) -> None:
    """Raise unless names, shapes, types and values are those of the network."""
    expected = _skeleton(network).state_dict()
    odd = sorted(expected.keys() ^ state.keys())
    if odd:
        where = "lacks" if odd[0] in expected else "has an unknown"
        raise WeightsError(
            f"{path} does not fit the network: it {where} entry {odd[0]!r}"
        )
    for name, blank in expected.items():
        value = state[name]
        if value.shape != blank.shape or value.dtype != blank.dtype:
            raise WeightsError(
                f"{path} does not fit the network: entry {name!r} is {value.dtype}"
                f" {tuple(value.shape)}, expected {blank.dtype} {tuple(blank.shape)}"
            )
        if not torch.isfinite(value).all():
            raise WeightsError(
                f"{path} is unusable: entry {name!r} holds values that are not finite"
            )


def _skeleton(network: NetworkConfig) -> FillingNetwork:
    """Build the network without memory, and without touching the global generator."""
    with torch.device("meta"):
        return FillingNetwork(network)


def _tensors_sha256(state: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(f"{name} {state[name].dtype} {tuple(state[name].shape)}".encode())
        digest.update(state[name].contiguous().numpy().tobytes())
    return digest.hexdigest()


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def first_line(error: BaseException) -> str:
    """Return what an error says, cut to one line of at most 200 letters."""
    return (
        str(error).strip().splitlines()[0][:200]
        if str(error).strip()
        else type(error).__name__
    )
