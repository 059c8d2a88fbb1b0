"""The connection to a dask.distributed cluster, and whether it can do what is asked."""

import asyncio
import logging
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import metadata
from typing import Any

from napari_mpi.engine.runtime.errors import ConfigError

VERSION = metadata.version("napari-mpi")
_CONNECT, _WAIT_FOR_ANSWER = "10s", 10.0
_NOBODY = (
    "there is no scheduler at {address}: start one with 'dask scheduler' and give the"
    " address that it prints, such as tcp://10.0.0.1:8786"
)
_UNANSWERED = (
    "what listens at {address} does not answer as a scheduler within 10 s: give the"
    " address that 'dask scheduler' prints"
)


def require_ready(address: str) -> None:
    """Raise ConfigError unless a cluster is there, and can do what this one asks for.

    Parameters
    ----------
    address : str
        Of the scheduler.
    """
    with connected(address) as client:
        _require_same_version(_versions(client))


def _versions(client: Any) -> Mapping[str, Any]:
    """Return the version of this package that each worker has; None where it lacks."""

    def version() -> str | None:  # sent as it is, so that no package is needed there
        from importlib import metadata

        try:
            return metadata.version("napari-mpi")
        except metadata.PackageNotFoundError:
            return None

    asking = ThreadPoolExecutor(1, thread_name_prefix="versions")
    try:
        answers = asking.submit(client.run, version, on_error="return")
        found: Mapping[str, Any] = answers.result(_WAIT_FOR_ANSWER)
    except TimeoutError as error:
        silent = "the cluster's workers do not answer: restart them"
        raise ConfigError(silent) from error
    finally:
        asking.shutdown(wait=False)
    return found


def _require_same_version(versions: Mapping[str, Any]) -> None:
    for worker, version in versions.items():
        if version != VERSION:
            has = "no napari-mpi" if version is None else f"napari-mpi {version}"
            raise ConfigError(
                f"the worker {worker} has {has}, and here is {VERSION}: install the"
                " same version everywhere"
            )


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Give a client of the scheduler at an address.

    Raises
    ------
    ConfigError
        If distributed is not installed, or no scheduler answers within 10 s.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ConfigError(
            "a scheduler needs the package distributed, which is not installed: run pip"
            ' install "napari-mpi[distributed]"'
        ) from error
    logger = logging.getLogger("distributed")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)  # it tells of lost connections in its own way
    try:
        _require_there(address)
        try:
            client = Client(address, timeout=_CONNECT, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ConfigError(_NOBODY.format(address=address)) from error
        try:
            yield client
        finally:
            client.close()
    finally:
        logger.setLevel(level)


def _require_there(address: str) -> None:
    """Raise ConfigError unless a scheduler answers at an address.

    A client waits minutes for one that is there and says nothing (distributed 2026.8),
    and tells of one that is not there on its own, once more and late.
    """
    from distributed.comm.addressing import parse_address, parse_host_port

    try:
        _, place = parse_address(address, strict=True)
        host, port = parse_host_port(place)
        socket.create_connection((host, port), timeout=_WAIT_FOR_ANSWER).close()
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(_NOBODY.format(address=address)) from error
    try:
        asyncio.run(asyncio.wait_for(_greet(address), _WAIT_FOR_ANSWER))
    except (OSError, TimeoutError) as error:
        raise ConfigError(_UNANSWERED.format(address=address)) from error


async def _greet(address: str) -> None:
    """Do what two ends of dask do before anything else."""
    from distributed.comm import connect
    from distributed.security import Security

    secrets = Security().get_connection_args("client")
    comm = await connect(address, timeout=_WAIT_FOR_ANSWER, **secrets)
    comm.abort()
