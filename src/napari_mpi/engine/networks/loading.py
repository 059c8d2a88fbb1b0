"""Weights by name: random, published by the paper's authors, or the user's own."""

import dataclasses
import os
from pathlib import Path

from napari_mpi.engine.networks.catalogue import (
    DEFAULT_WEIGHTS,
    OURS,
    PUBLISHED,
    RANDOM_START,
    SHIPPED,
    SUFFIXES,
    PublishedWeights,
    fits_a_file,
    shipped_path,
    weights_names,
)
from napari_mpi.engine.networks.weight_files import (
    read_weights,
    save_weights,
    write_weights_file,
)
from napari_mpi.engine.networks.weights import Weights, random_weights
from napari_mpi.engine.runtime.errors import WeightsError, first_line
from napari_mpi.engine.runtime.folders import data_folder
from napari_mpi.engine.runtime.whole_files import sha256_of


def load_weights(source: str | Path, *, seed: int = 0) -> Weights:
    """Load weights by name or from a file.

    Parameters
    ----------
    source : str or Path
        'auto' or 'grey' for the shipped weights, 'none' for a random start, a
        published name (fetched when it is not in the cache yet), a name in the user's
        data folder, or the path of a ``.safetensors`` file of ours or of a checkpoint
        of the paper's authors.
    seed : int
        Seed of the random start.

    Raises
    ------
    WeightsError
        If there are no such weights, or the file is not what it should be. Files
        are checked against the network before anything is built from them, and
        never run as code.
    """
    name = OURS if source == DEFAULT_WEIGHTS else str(source)
    if name == RANDOM_START:
        return random_weights(seed=seed)
    if name in SHIPPED:
        return read_weights(shipped_path(name))
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
    except requests.ConnectionError as error:
        raise _not_fetched(entry, "there is no connection") from error
    except (requests.RequestException, OSError, ValueError) as error:
        raise _not_fetched(entry, first_line(error)) from error
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
    if kept.name in weights_names() or not fits_a_file(kept.name):
        raise WeightsError(
            f"the name {kept.name!r} is taken or unusable: choose another with --name"
        )
    save_weights(kept, target)
    return dataclasses.replace(kept, sha256=sha256_of(target))


def _not_fetched(entry: PublishedWeights, reason: str) -> WeightsError:
    return WeightsError(
        f"weights {entry.name!r} could not be fetched, {reason}: download {entry.url}"
        f" elsewhere and put it at {entry.path}, or run 'napari-mpi weights import"
        " FILE'"
    )
