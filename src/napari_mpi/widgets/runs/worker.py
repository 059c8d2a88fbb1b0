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

    def hold(self, paused: bool) -> None:
        """Pause, or go on; also when a pause that was asked for has not come yet."""
        self._pause_requested = paused and not self.is_paused
        if not paused:
            self.resume()

    def work(self) -> Any:
        """Drive the job; runs on the worker's thread."""
        try:
            result = super().work()
        finally:
            self._gen.close()
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
    errors: list[EngineError] = []
    heard: set[str] = set()

    def on_warning(warning: tuple[Any, ...]) -> None:
        text = str(warning[0])
        if text not in heard:
            heard.add(text)
            warned(text)

    worker.yielded.connect(yielded)
    worker.warned.connect(on_warning)
    worker.errored.connect(lambda error: errors.append(_as_engine_error(error)))
    worker.finished.connect(lambda: ended(errors[0] if errors else None))
    worker.start()
    return worker


def _as_engine_error(error: Exception) -> EngineError:
    if isinstance(error, EngineError):
        return error
    logger.error("a job failed", exc_info=error)
    return JobFailed(_sentence(error))


def _sentence(error: Exception) -> str:
    return f"something unforeseen went wrong ({type(error).__name__}: {error})"
