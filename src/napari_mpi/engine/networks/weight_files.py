"""Weights files: the paper authors' checkpoints and our own, checked before use."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from napari_mpi.engine.networks.checkpoints import read_authors_checkpoint
from napari_mpi.engine.networks.weights import Weights, require_fit
from napari_mpi.engine.runtime.errors import ConfigError, WeightsError, first_line
from napari_mpi.engine.runtime.leftovers import sweep
from napari_mpi.engine.runtime.whole_files import sha256_of, whole_file
from napari_mpi.engine.settings.network import NetworkConfig

_FORMAT = "napari-mpi weights 1"


def save_weights(weights: Weights, path: Path, *, half: bool = False) -> None:
    """Write weights to a ``.safetensors`` file with a JSON header, whole or not at all.

    Parameters
    ----------
    weights : Weights
        What to write.
    path : Path
        Where to.
    half : bool
        Whether to round the numbers to float16, for a file of half the size; it is
        read as float32 again.

    Raises
    ------
    WeightsError
        If the file cannot be written, or a number is beyond float16.
    """
    stored = _halved(weights.state) if half else weights.state
    header = {
        "network": dataclasses.asdict(weights.network),
        "provenance": dict(weights.provenance),
    }
    write_tensors(path, stored, _FORMAT, header)


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], kind: str, header: Mapping[str, Any]
) -> None:
    """Write a ``.safetensors`` file with a JSON header, whole or not at all.

    Parameters
    ----------
    path : Path
        Where to.
    tensors : mapping of str to Tensor
        On the CPU.
    kind : str
        What the file calls itself, see `read_tensors`.
    header : mapping
        JSON values.

    Raises
    ------
    WeightsError
        If the file cannot be written.
    """
    told = {**header, "tensors_sha256": _tensors_sha256(tensors)}
    metadata = {"format": kind, "header": json.dumps(told)}
    stored = {name: value.contiguous() for name, value in tensors.items()}
    # Not by `save_file`, whose files none but their owner may read.
    content = _in_one_order(save(stored, metadata))
    write_weights_file(path, lambda target: target.write_bytes(content))


def _halved(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Round every fraction to float16; counters stay whole."""
    halved = {
        name: value.half() if value.is_floating_point() else value
        for name, value in state.items()
    }
    for name, value in halved.items():
        if not torch.isfinite(value).all():
            raise WeightsError(
                f"entry {name!r} holds numbers beyond float16: write it in full"
            )
    return halved


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
        sweep(path.parent)
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
    reader = (
        read_authors_checkpoint
        if path.suffix.lower() in (".pth", ".pt")
        else _read_ours
    )
    return reader(path)


def read_tensors(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a file of `write_tensors`.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        What it calls itself.

    Returns
    -------
    tuple of dict and dict
        The tensors, and the header.

    Raises
    ------
    WeightsError
        If it is of another kind, or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            names = list(file.keys())
            stored = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path} is no safetensors file, or is damaged: {first_line(error)}"
        ) from error
    if metadata.get("format") != kind:
        raise WeightsError(
            f"{path} is a safetensors file, but not one of napari-mpi: its header lacks"
            f" {kind!r}"
        )
    try:
        header = dict(json.loads(metadata["header"]))
        digest = header["tensors_sha256"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise unreadable_header(path, error) from error
    if _tensors_sha256(stored) != digest:
        raise WeightsError(
            f"{path} is damaged: its numbers do not have the sha256 in its header; copy"
            " it again"
        )
    return stored, header


def unreadable_header(path: Path, error: Exception) -> WeightsError:
    """Return what is said of a file whose header lacks something."""
    return WeightsError(f"the header of {path} cannot be read: {first_line(error)}")


def _read_ours(path: Path) -> Weights:
    """Read a file of `save_weights`."""
    stored, header = read_tensors(path, _FORMAT)
    try:
        network = NetworkConfig(**header["network"])
        provenance = dict(header["provenance"])
    except (KeyError, TypeError, ValueError, ConfigError) as error:
        raise unreadable_header(path, error) from error
    state = {
        name: value.float() if value.dtype == torch.float16 else value
        for name, value in stored.items()
    }
    require_fit(path, network, state)
    return Weights(path.stem, network, state, provenance, sha256_of(path))


def _tensors_sha256(state: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(f"{name} {state[name].dtype} {tuple(state[name].shape)}".encode())
        digest.update(state[name].contiguous().numpy().tobytes())
    return digest.hexdigest()
