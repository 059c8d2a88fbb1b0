"""Jobs of the engine on a thread of napari's, so that every end of one is seen."""

import logging
from collections.abc import Callable
from typing import Any

from napari.qt.threading import GeneratorWorker, create_worker

from napari_mpi.engine.runtime.errors import EngineError

logger = logging.getLogger(__name__)


class JobFailed(EngineError):
    """Something in a job went wrong that the engine did not foresee."""


class JobWorker(GeneratorWorker):
    """Runs a job; tells of every error, and closes the job before it has finished.

    The class it derives from takes a RuntimeError (a full GPU memory is one) for a
    deleted window and says nothing, not even that it has finished; and it leaves a
    job that was told to quit open, with all the memory that it holds.
    """

    listener: "_Listener"
    """Kept here, since Qt keeps no object for the sake of its methods."""

    def hold(self, paused: bool) -> None:
        """Pause, or go on; also when a pause that was asked for has not come yet."""
        self._pause_requested = paused and not self.is_paused
        if not paused:
            self.resume()

    def work(self) -> Any:
        """Drive the job; runs on the worker's thread."""
        try:
            try:
                result = super().work()
            finally:
                self._gen.close()
        except Exception:
            raise
        except BaseException as error:  # noqa: BLE001 of which Qt would end the program
            raise JobFailed(_sentence(error)) from None
        if isinstance(result, RuntimeError):
            # Without its traceback, whose frames would keep the job's memory.
            raise JobFailed(_sentence(result)) from None
        return result


def start_job(
    job: Callable[..., Any],
    *arguments: Any,
    yielded: Callable[[Any], None],
    warned: Callable[[str], None],
    ended: Callable[[EngineError | None], None],
) -> JobWorker:
    """Start a job on a thread and connect what is to hear of it, on the main thread.

    Parameters
    ----------
    job : generator function
        Called with the arguments; its return value is not passed on.
    yielded : callable
        Called with everything that the job yields.
    warned : callable
        Called with the text of every warning, once for equal ones.
    ended : callable
        Called once, whatever the end: with the error, or with None.
    """
    worker: JobWorker = create_worker(
        job,
        *arguments,
        _worker_class=JobWorker,
        _start_thread=False,
        _ignore_errors=True,
    )
    listener = worker.listener = _Listener(yielded, warned, ended)
    worker.yielded.connect(listener.on_yielded)
    worker.warned.connect(listener.on_warned)
    worker.errored.connect(listener.on_errored)
    worker.finished.connect(listener.on_finished)
    worker.start()
    return worker


class _Listener:
    """Passes on what a worker tells, and lets go of everything at its end.

    napari (0.7) keeps every worker, by its ``quit``, as long as the window is open,
    and with a worker whatever hears of it: a dock's run, its network, its images.
    """

    def __init__(
        self,
        yielded: Callable[[Any], None],
        warned: Callable[[str], None],
        ended: Callable[[EngineError | None], None],
    ) -> None:
        self._yielded, self._warned = yielded, warned
        self._ended: Callable[[EngineError | None], None] | None = ended
        self._error: EngineError | None = None
        self._heard: set[str] = set()

    def on_yielded(self, value: Any) -> None:
        """Pass on what the job has yielded."""
        if self._ended is not None:
            self._yielded(value)

    def on_warned(self, warning: tuple[Any, ...]) -> None:
        """Pass on a warning, once for equal ones."""
        text = str(warning[0])
        if self._ended is not None and text not in self._heard:
            self._heard.add(text)
            self._warned(text)

    def on_errored(self, error: Exception) -> None:
        """Keep the error until the end."""
        self._error = _as_engine_error(error)

    def on_finished(self) -> None:
        """Pass on the end, and forget everybody."""
        ended, error = self._ended, self._error
        del self._yielded, self._warned
        self._ended = self._error = None
        if ended is not None:
            ended(error)


def _as_engine_error(error: Exception) -> EngineError:
    if isinstance(error, EngineError):
        return error
    logger.error("a job failed", exc_info=error)
    return JobFailed(_sentence(error))


def _sentence(error: BaseException) -> str:
    return f"something unforeseen went wrong ({type(error).__name__}: {error})"
