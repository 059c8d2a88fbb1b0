"""Checkpoints of the paper's authors, read as numbers only."""

import pickle
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from napari_mpi.engine.networks.weights import Weights, require_fit
from napari_mpi.engine.runtime.errors import WeightsError, first_line
from napari_mpi.engine.runtime.whole_files import sha256_of
from napari_mpi.engine.settings.network import NetworkConfig

_MOST = 1 << 28  # bytes that a checkpoint unpacks to


def read_authors_checkpoint(path: Path) -> Weights:
    """Read a checkpoint in the layout of the paper's authors, as numbers only."""
    with path.open("rb") as file:
        if file.read(1) not in (b"P", b"\x80"):  # of a zip archive, of a pickle
            raise WeightsError(f"{path} is no PyTorch checkpoint: choose another file")
    _require_small(path)
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
    require_fit(path, network, state)
    return Weights(path.stem, network, state, {"source": path.name}, sha256_of(path))


def _require_small(path: Path) -> None:
    """Raise WeightsError if an archive would unpack to more than networks take."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError):  # a pickle, or told below
        return
    if size > _MOST:
        raise WeightsError(
            f"{path} would take {size / 1e9:.1f} GB, and a network of this kind takes"
            f" some MB: it is damaged, or no checkpoint of the paper's"
        )


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
