"""Weights by name: random, published by the paper's authors, or the user's own."""

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import platformdirs

from napari_mpi.engine.errors import WeightsError
from napari_mpi.engine.weight_files import (
    RANDOM_START,
    SUFFIXES,
    Weights,
    first_line,
    random_weights,
    read_weights,
    save_weights,
    sha256_of,
    write_weights_file,
)

__all__ = [
    "DEFAULT_WEIGHTS",
    "PUBLISHED",
    "RANDOM_START",
    "PublishedWeights",
    "Weights",
    "fetch_weights",
    "import_weights",
    "load_weights",
    "random_weights",
    "save_weights",
    "weights_names",
]

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
            read_weights(fetch_weights(name)),
            name=name,
            provenance=PUBLISHED[name].provenance,
        )
    if Path(name).suffix.lower() in SUFFIXES or os.sep in name:
        return read_weights(Path(name))
    own = data_folder() / f"{name}.safetensors"
    if own.is_file():
        return read_weights(own)
    raise WeightsError(
        f"there are no weights {name!r}: choose one of {', '.join(weights_names())}, or"
        " give a file"
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
    if entry.path.is_file() and sha256_of(entry.path) == entry.sha256:
        return entry.path
    try:
        pooch.retrieve(
            entry.url, f"sha256:{entry.sha256}", entry.path.name, entry.path.parent
        )
    except (requests.RequestException, OSError, ValueError) as error:
        raise WeightsError(
            f"weights {name!r} could not be fetched from {entry.url}"
            f" ({first_line(error)}): download that file elsewhere and put it at"
            f" {entry.path}, or run 'napari-mpi weights import FILE'"
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
    weights = read_weights(path)
    for entry in PUBLISHED.values():
        if weights.sha256 == entry.sha256:
            write_weights_file(
                entry.path, lambda target: target.write_bytes(path.read_bytes())
            )
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
    return dataclasses.replace(kept, sha256=sha256_of(target))


def _fits_a_file(name: str) -> bool:
    return bool(name) and not name.startswith(".") and Path(name).name == name
