"""A batch spread over the workers of a dask.distributed cluster."""

import dataclasses
import logging
import socket
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from napari_mpi.batch.outcomes import BatchSnapshot, Outcome, Status, failed
from napari_mpi.batch.records import ClaimedElsewhere
from napari_mpi.batch.request import BatchRequest, Item, outcome_of
from napari_mpi.batch.starts import Starts
from napari_mpi.batch.work.one_file import denoise_item
from napari_mpi.batch.work.tally import Tally
from napari_mpi.engine.runtime.errors import ConfigError, DeviceError
from napari_mpi.engine.runtime.jobs import Every, run

_CONNECT, _WAIT_FOR_ANSWER = "10s", 10.0
_NOBODY = (
    "there is no scheduler at {address}: start one with 'dask scheduler' and give the"
    " address that it prints, such as tcp://10.0.0.1:8786"
)
_LOOK = 0.1  # seconds between two looks for results
_ASK = 1.0  # seconds between two questions of a worker whether to go on
_WIND_UP = 30.0  # seconds that workers have to end once the batch is cancelled

_one_at_a_time = threading.Lock()  # a worker's threads share its device

Steps = Generator[BatchSnapshot, None, None]


def distribute(address: str, tally: Tally, request: BatchRequest) -> Steps:
    """Let the workers of a cluster do the files; a lost worker's are done again.

    Parameters
    ----------
    address : str
        Of the scheduler.
    tally : Tally
        The files.
    request : BatchRequest
        What was asked for; its folders must be the same places for every worker.

    Yields
    ------
    BatchSnapshot
        The end of every file.

    Raises
    ------
    ConfigError
        If distributed is not installed, or the scheduler cannot be reached.
    DeviceError
        If the connection is lost.
    """
    with _connected(address) as client:
        signal = _Signal(f"napari-mpi-{uuid.uuid4().hex}")

        def submit(number: int) -> Any:
            item = tally.items[number]
            return client.submit(work_on, item, request, signal, begun, pure=False)

        begun = time.time()
        futures = {submit(number): number for number in tally.waiting()}
        try:
            yield from _gathered(client, futures, signal, tally, submit)
        finally:
            if futures:
                signal.send(client, "cancel")
                _wind_up(futures, tally)


def work_on(
    item: Item, request: BatchRequest, signal: "_Signal", since: float
) -> Outcome:
    """Do one file on a worker.

    Parameters
    ----------
    item : Item
        The file.
    request : BatchRequest
        What was asked for.
    signal : _Signal
        Says when to end early.
    since : float
        When the run began, see `planned`.

    Returns
    -------
    Outcome
        NOT_REACHED if the batch ended before; WAITING if another run is at work on it.
    """
    starts = Starts(request)
    not_reached = dataclasses.replace(
        outcome_of(item, request.folders), status=Status.NOT_REACHED
    )
    with _one_at_a_time:
        if signal.heard("stop", "cancel"):
            return not_reached
        job = denoise_item(item, request, starts, since=since)
        with suppress(ClaimedElsewhere):
            return _driven(job, signal) or not_reached
        time.sleep(_ASK)
        return outcome_of(item, request.folders)


def _driven(job: Any, signal: "_Signal") -> Outcome | None:
    """Drive a job to its end; None if it was cancelled."""
    due = Every(_ASK)

    def ask(_: Any) -> None:
        if due() and signal.heard("cancel"):
            raise _Cancelled

    with suppress(_Cancelled):
        outcome: Outcome = run(job, ask)
        return outcome
    return None


class _Cancelled(Exception):
    """The batch has ended while a file was at work."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Signal:
    """Tells workers to end: 'stop' after the file at work, 'cancel' at once."""

    name: str

    def send(self, client: Any, word: str) -> None:
        from distributed import Event

        with suppress(Exception):  # of a cluster that is gone already
            Event(f"{self.name}-{word}", client).set()

    def heard(self, *words: str) -> bool:
        from distributed import Event, get_client

        client = get_client()
        return any(Event(f"{self.name}-{word}", client).is_set() for word in words)


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    try:
        from distributed import Client
    except ImportError as error:
        raise ConfigError(
            "a scheduler needs the package distributed, which is not installed: run pip"
            ' install "napari-mpi[distributed]"'
        ) from error
    _require_there(address)
    logger = logging.getLogger("distributed")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)  # it tells of lost connections in its own way
    try:
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
    """Raise ConfigError unless somebody answers at an address.

    A client that has not got through tells of it on its own, once more and late.
    """
    from distributed.comm.addressing import parse_address, parse_host_port

    try:
        _, place = parse_address(address, strict=True)
        host, port = parse_host_port(place)
        socket.create_connection((host, port), timeout=_WAIT_FOR_ANSWER).close()
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(_NOBODY.format(address=address)) from error


def _gathered(
    client: Any,
    futures: dict[Any, int],
    signal: _Signal,
    tally: Tally,
    submit: Callable[[int], Any],
) -> Steps:
    """Take results as they come; what another run is at work on comes last."""
    from distributed import as_completed

    queue = as_completed(futures, loop=client.loop)
    due, stopping = Every(_ASK, at_once=True), False
    while futures:
        if tally.state.stop_after_file and not stopping:
            stopping = True
            signal.send(client, "stop")
        if client.status != "running":
            futures.clear()
            raise DeviceError(
                "the connection to the scheduler is lost: start the batch again, what"
                " is done is not done twice"
            )
        for future in queue.next_batch(block=False) if queue.has_ready() else ():
            number = futures.pop(future)
            outcome = _outcome(future, tally, number)
            if outcome.status is Status.WAITING:
                again = submit(number)
                futures[again] = number
                queue.add(again)
            else:
                yield tally.settle(number, outcome)
        if due():
            workers = len(client.scheduler_info(n_workers=-1)["workers"])
            yield tally.stage(f"{workers} worker{'s' * (workers != 1)}")
        time.sleep(_LOOK if not queue.has_ready() else 0)


def _outcome(future: Any, tally: Tally, number: int) -> Outcome:
    if future.status == "finished":
        outcome: Outcome = future.result()
        return outcome
    error = future.exception() if future.status == "error" else None
    lost = "its workers were lost, again and again: do they have enough memory?"
    if type(error).__name__ != "KilledWorker":
        lost = f"its worker could not do it ({type(error).__name__}: {error})"
    return failed(tally.state.outcomes[number], lost)


def _wind_up(futures: dict[Any, int], tally: Tally) -> None:
    """Wait for the workers to drop what they are at; nothing is left of it."""
    until = time.monotonic() + _WIND_UP
    while futures and time.monotonic() < until:
        for future in [f for f in futures if f.done()]:
            number = futures.pop(future)
            if future.status == "finished":
                tally.settle(number, future.result())
        time.sleep(_LOOK)
    for future in futures:
        future.cancel()
