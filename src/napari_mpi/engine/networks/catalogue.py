"""Names of weights and where they lie; torch-free, so that menus open at once."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from safetensors import SafetensorError, safe_open

from napari_mpi.engine.runtime.errors import WeightsError
from napari_mpi.engine.runtime.folders import cache_folder, data_folder
from napari_mpi.engine.settings.presets import DEFAULT_PRESET

RANDOM_START = "none"
"""Name of the weights that know nothing: a random start."""

SUFFIXES = (".safetensors", ".pth", ".pt")
"""Of the files that weights can be read from: ours, and checkpoints of the authors."""

CHECKPOINT_SUFFIX = ".checkpoint"
"""Of what a run of pre-training keeps to go on from."""

DEFAULT_WEIGHTS = "auto"
"""Name of the weights that are taken where none are named: ours."""

OURS = "grey"
"""Name of the weights that 'auto' stands for."""

SHIPPED = {OURS: "ours, for grey and colour images; ships with napari-mpi"}
"""The weights that ship, with a line on each."""


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


def own_weights_path(name: str) -> Path:
    """Return where the user's own weights of a name are, or are to be put.

    Parameters
    ----------
    name : str
        A name for menus, or a path that ends in ``.safetensors``.

    Raises
    ------
    WeightsError
        If the name is taken by weights that are not the user's, or is no file name.
    """
    if name.endswith(".safetensors"):
        return Path(name)
    if name in (DEFAULT_WEIGHTS, RANDOM_START, *SHIPPED, *PUBLISHED):
        raise WeightsError(f"the name {name!r} is taken: choose another")
    if not fits_a_file(name):
        raise WeightsError(
            f"{name!r} cannot be the name of weights: use letters, digits, '-' and '_'"
        )
    return data_folder() / f"{name}.safetensors"


def fits_a_file(name: str) -> bool:
    """Whether a name can be a file's, and is not taken for a path when loaded."""
    plain = bool(name) and not name.startswith(".") and "\0" not in name
    return plain and Path(name).name == name and Path(name).suffix not in SUFFIXES


def checkpoint_path(weights_path: Path) -> Path:
    """Return where a run that makes these weights keeps its checkpoint."""
    return weights_path.with_suffix(CHECKPOINT_SUFFIX)


def require_new(weights_path: Path) -> None:
    """Raise WeightsError before hours of work would replace other hours of work."""
    for path, advice in (
        (checkpoint_path(weights_path), "resume it, choose another name"),
        (weights_path, "choose another name"),
    ):
        if path.exists():
            raise WeightsError(f"{path} is there already: {advice}, or delete it")


def shipped_path(name: str) -> Path:
    """Return the file of weights that ship."""
    return Path(__file__).with_name("shipped") / f"{name}.safetensors"


def weights_names() -> list[str]:
    """Return all names that `load_weights` knows; the user's own come last."""
    known = [DEFAULT_WEIGHTS, *SHIPPED, RANDOM_START, *PUBLISHED]
    own = sorted(path.stem for path in data_folder().glob("*.safetensors"))
    return [*known, *(name for name in own if name not in known)]


def training_in_words(name: str) -> str:
    """Return how long the user's own weights were trained; nothing for others.

    Only the file's header is read, since lists of names are made without torch.
    """
    made = _header_of(data_folder() / f"{name}.safetensors").get("provenance")
    count = made.get("iterations") if isinstance(made, dict) else None
    return f"{count:,} iterations" if isinstance(count, int) else ""


def suggested_preset(source: str | Path) -> str:
    """Return the preset that weights are meant for, without loading them.

    Weights of our own network know every noise they were trained on; those of the
    paper's were trained for one of its kinds, which the sharing of the mask tells.
    """
    name = str(source)
    if name == RANDOM_START:
        return "independent-fast"
    if name in PUBLISHED:
        shared = PUBLISHED[name].provenance["mask"]["shared"]
        return "real-fast" if shared else "independent-fast"
    path = Path(name)
    if path.suffix.lower() == ".safetensors" or name not in (DEFAULT_WEIGHTS, *SHIPPED):
        own = path if path.is_file() else data_folder() / f"{name}.safetensors"
        network = _header_of(own).get("network")
        network = network if isinstance(network, dict) else {}
        if network.get("architecture") == "skip":
            shared = network.get("mask_channels") == 1
            return "real-fast" if shared else "independent-fast"
    return DEFAULT_PRESET


def _header_of(path: Path) -> dict[str, Any]:
    """Read what a weights file says of itself; empty if it has no header of ours."""
    try:
        with safe_open(path, framework="numpy") as file:
            return dict(json.loads((file.metadata() or {})["header"]))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return {}  # loading it will say what is wrong
