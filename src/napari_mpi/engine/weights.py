"""Weights: named, checked before use, from the authors' checkpoints or our own files."""

import dataclasses
import hashlib
import json
import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import platformdirs
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from napari_mpi.engine.config import NetworkConfig
from napari_mpi.engine.errors import ConfigError, WeightsError
from napari_mpi.engine.networks import FillingNetwork, initialise
from napari_mpi.engine.whole_files import whole_file

RANDOM_START = "none"
"""Name of the weights that know nothing: a random start."""

DEFAULT_WEIGHTS = RANDOM_START
_CHECKPOINT_SUFFIXES = (".pth", ".pt")
_SUFFIXES = (".safetensors", *_CHECKPOINT_SUFFIXES)
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


@dataclass(frozen=True, slots=True)
class PublishedWeights:
    """Weights that others published, to be fetched by whoever asks for them."""

    name: str
    url: str
    sha256: str
    summary: str
    provenance: Mapping[str, Any]

    @property
    def path(self) -> Path:
        """Where the file is kept, or where to put it by hand."""
        return cache_folder() / self.url.rpartition("/")[2]


def _published(
    name: str, file: str, sha256: str, summary: str, mask: dict[str, Any]
) -> PublishedWeights:
    provenance = {
        "mask": mask,
        "pretraining": "48,627 natural images, 80,000 iterations (Ma et al. 2024)",
        "source": "https://github.com/krennic999/MPI",
        "licence": "none stated by its authors",
    }
    # Pinned to the commit that added the files, so that the address keeps its meaning.
    commit = "071bc1e490180e0bb4046f64795484919dbe89e3"
    url = f"https://raw.githubusercontent.com/krennic999/MPI/{commit}/ckpts/{file}"
    return PublishedWeights(name, url, sha256, summary, MappingProxyType(provenance))


PUBLISHED = {
    weights.name: weights
    for weights in (
        _published(
            "mpi-pixelwise-30",
            "imgnet_30_multchannel_skip.pth",
            "f9c2eb87bdd32f17fd4800a8624bb89d8315a906ffdc63f89adc1d5e4961265e",
            "the paper's, for independent noise (a mask per channel, 30 %)",
            {"mask_ratio": [0.30, 0.30], "shared": False},
        ),
        _published(
            "mpi-shared-80-95",
            "imgnet_80_95_singlechannel_skip.pth",
            "69d3f84dc9ed915e39f00d1d7f8610b6ab436548f33d35b93156169812e9cf0c",
            "the paper's, for real and correlated noise (one mask, 80-95 %)",
            {"mask_ratio": [0.80, 0.95], "shared": True},
        ),
    )
}
"""The authors' checkpoints by name."""


def data_folder() -> Path:
    """Return the folder of the user's own weights (NAPARI_MPI_HOME/weights if set)."""
    home = os.environ.get("NAPARI_MPI_HOME") or platformdirs.user_data_dir(
        "napari-mpi", False
    )
    return Path(home) / "weights"


def cache_folder() -> Path:
    """Return the folder of fetched weights (NAPARI_MPI_HOME/cache if set)."""
    home = os.environ.get("NAPARI_MPI_HOME")
    return (
        Path(home) / "cache"
        if home
        else Path(platformdirs.user_cache_dir("napari-mpi", False))
    )


def weights_names() -> list[str]:
    """Return the names that `load_weights` knows: random, published, the user's own."""
    own = sorted(path.stem for path in data_folder().glob("*.safetensors"))
    return [RANDOM_START, *PUBLISHED, *(name for name in own if name not in PUBLISHED)]


def load_weights(source: str | Path, *, seed: int = 0) -> Weights:
    """Load weights by name or from a file.

    Parameters
    ----------
    source : str or Path
        'none' for a random start, a published name (fetched when it is not in the
        cache yet), a name in the user's data folder, or the path of a
        ``.safetensors`` file of ours or of a checkpoint of the paper's authors.
    seed : int
        Seed of the random start.

    Raises
    ------
    WeightsError
        If there are no such weights, or the file is not what it should be. Files
        are checked against the network before anything is built from them, and
        never run as code.
    """
    name = str(source)
    if name == RANDOM_START:
        return random_weights(seed=seed)
    if name in PUBLISHED:
        return dataclasses.replace(
            _read(fetch_weights(name)), name=name, provenance=PUBLISHED[name].provenance
        )
    if Path(name).suffix.lower() in _SUFFIXES or os.sep in name:
        return _read(Path(name))
    own = data_folder() / f"{name}.safetensors"
    if own.is_file():
        return _read(own)
    raise WeightsError(
        f"there are no weights {name!r}: choose one of {', '.join(weights_names())}, or give a file"
    )


def random_weights(network: NetworkConfig | None = None, *, seed: int = 0) -> Weights:
    """Return weights that know nothing, drawn from the seed; slower, and less sharp."""
    network = network or NetworkConfig()
    blank = _skeleton(network).to_empty(device="cpu")
    initialise(blank, rng=torch.Generator().manual_seed(seed))
    return Weights(
        RANDOM_START, network, blank.state_dict(), {"pretraining": "none", "seed": seed}
    )


def fetch_weights(name: str) -> Path:
    """Return the file of published weights, downloaded if it is not in the cache.

    Raises
    ------
    WeightsError
        If the name is unknown, or the download fails; it says where to put the file
        by hand.
    """
    import pooch  # slow to import, and only needed here
    import requests

    if name not in PUBLISHED:
        raise WeightsError(
            f"{name!r} cannot be fetched: choose one of {', '.join(PUBLISHED)}"
        )
    entry = PUBLISHED[name]
    if entry.path.is_file() and _sha256(entry.path) == entry.sha256:
        return entry.path
    try:
        pooch.retrieve(
            entry.url, f"sha256:{entry.sha256}", entry.path.name, entry.path.parent
        )
    except (requests.RequestException, OSError, ValueError) as error:
        raise WeightsError(
            f"weights {name!r} could not be fetched from {entry.url} ({_first_line(error)}):"
            f" download that file elsewhere and put it at {entry.path},"
            f" or run 'napari-mpi weights import FILE'"
        ) from error
    return entry.path


def import_weights(path: Path, *, name: str | None = None) -> Weights:
    """Check a weights file and keep a copy of it where menus and commands find it.

    Parameters
    ----------
    path : Path
        A ``.safetensors`` file of ours, or a checkpoint in the authors' layout. One
        of the two published checkpoints is recognised by its sha256.
    name : str, optional
        The name to keep it under; that of the file if None.

    Raises
    ------
    WeightsError
        If the file is unfit, or the name is taken by other weights.
    """
    weights = _read(path)
    for entry in PUBLISHED.values():
        if weights.sha256 == entry.sha256:
            _write(entry.path, lambda target: target.write_bytes(path.read_bytes()))
            return dataclasses.replace(
                weights, name=entry.name, provenance=entry.provenance
            )
    kept = dataclasses.replace(weights, name=name or path.stem)
    target = data_folder() / f"{kept.name}.safetensors"
    if kept.name in weights_names() or not _fits_a_file(kept.name):
        raise WeightsError(
            f"the name {kept.name!r} is taken or unusable: choose another with --name"
        )
    save_weights(kept, target)
    return dataclasses.replace(kept, sha256=_sha256(target))


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
    _write(path, lambda target: save_file(tensors, target, metadata))


def _write(path: Path, writer: Any) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as target:
            writer(target)
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"weights cannot be written to {path}: {_first_line(error)}"
        ) from error


def _read(path: Path) -> Weights:
    if not path.is_file():
        raise WeightsError(f"there is no weights file {path}: check the path")
    reader = (
        _read_checkpoint if path.suffix.lower() in _CHECKPOINT_SUFFIXES else _read_ours
    )
    return reader(path)


def _read_ours(path: Path) -> Weights:
    """Read a file of `save_weights`."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path} is no safetensors file, or is damaged: {_first_line(error)}"
        ) from error
    if metadata.get("format") != _FORMAT:
        raise WeightsError(
            f"{path} is a safetensors file, but not one of napari-mpi: its header lacks {_FORMAT!r}"
        )
    try:
        header = json.loads(metadata["header"])
        network = NetworkConfig(**header["network"])
        provenance, digest = dict(header["provenance"]), header["tensors_sha256"]
    except (KeyError, TypeError, ValueError, ConfigError) as error:
        raise WeightsError(
            f"the header of {path} cannot be read: {_first_line(error)}"
        ) from error
    _require_fit(path, network, state)
    if _tensors_sha256(state) != digest:
        raise WeightsError(
            f"{path} is damaged: its numbers do not have the sha256 in its header; copy it again"
        )
    return Weights(path.stem, network, state, provenance, _sha256(path))


def _read_checkpoint(path: Path) -> Weights:
    """Read a checkpoint in the layout of the paper's authors, as numbers only."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} is refused: it holds something other than numbers, which could run as code"
        ) from error
    except Exception as error:  # whatever a damaged archive provokes
        raise WeightsError(
            f"{path} is no PyTorch checkpoint, or is damaged: {_first_line(error)}"
        ) from error
    params = content.get("params") if isinstance(content, dict) else None
    if not isinstance(params, dict) or not all(
        isinstance(v, Tensor) for v in params.values()
    ):
        raise WeightsError(
            f"{path} is a checkpoint, but not one of MPI: it has no table of tensors 'params'"
        )
    first = params.get("net.1.0.1.1.weight")
    planes = first.shape[1] - 3 if first is not None and first.ndim == 4 else 0
    if planes not in (1, 3):
        raise WeightsError(
            f"{path} is not a checkpoint of the paper's network 'skip': its first layer does not fit"
        )
    network = NetworkConfig(mask_channels=planes)
    names = _authors_names(network)
    state = {names.get(name, name): value for name, value in params.items()}
    _require_fit(path, network, state)
    return Weights(path.stem, network, state, {"source": path.name}, _sha256(path))


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
                f"{path} does not fit the network: entry {name!r} is {value.dtype} {tuple(value.shape)},"
                f" expected {blank.dtype} {tuple(blank.shape)}"
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


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fits_a_file(name: str) -> bool:
    return bool(name) and not name.startswith(".") and Path(name).name == name


def _first_line(error: BaseException) -> str:
    return (
        str(error).strip().splitlines()[0][:200]
        if str(error).strip()
        else type(error).__name__
    )
