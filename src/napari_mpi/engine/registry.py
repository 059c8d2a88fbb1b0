"""Names of weights and where they lie; torch-free, so that menus open at once."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import platformdirs

from napari_mpi.engine.errors import WeightsError

RANDOM_START = "none"
"""Name of the weights that know nothing: a random start."""

DEFAULT_WEIGHTS = RANDOM_START


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
    if name in (RANDOM_START, *PUBLISHED):
        raise WeightsError(f"the name {name!r} is taken: choose another")
    if not re.fullmatch(r"[\w][\w .+-]*", name):
        raise WeightsError(
            f"{name!r} cannot be the name of weights: use letters, digits, '-', '.'"
            " and '_'"
        )
    return data_folder() / f"{name}.safetensors"


def weights_names() -> list[str]:
    """Return the names that `load_weights` knows: random, published, the user's own."""
    own = sorted(path.stem for path in data_folder().glob("*.safetensors"))
    return [RANDOM_START, *PUBLISHED, *(name for name in own if name not in PUBLISHED)]
