"""CUDA's own part of filling: a step as one graph, and previews beside the work."""

from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor

Step = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def on_side_stream(
    step: Step, noisy: Tensor, masked: Tensor, scored: Tensor
) -> tuple[Tensor, Tensor]:
    """Take a step on a stream of its own, as steps that are to be recorded ask for."""
    current = torch.cuda.current_stream(noisy.device)
    side = torch.cuda.Stream(noisy.device)  # type: ignore[no-untyped-call]
    side.wait_stream(current)
    with torch.cuda.stream(side):
        filled, loss = step(noisy, masked, scored)
    current.wait_stream(side)
    for value in (filled, loss):
        value.record_stream(current)
    return filled, loss


class CapturedStep:
    """A step of adaptation, recorded once and replayed without its Python.

    An iteration of a small image is some three hundred kernels, which a processor takes
    longer to launch than a GPU to run. Nothing is computed while it is recorded.

    Parameters
    ----------
    step : callable
        Maps noisy image, mask and scored pixels to prediction and loss; run a few
        times before, so that kernels are chosen and the optimiser has its state.
    noisy, masked, scored : Tensor
        Of the shapes that every replay will have, on a CUDA device.
    """

    def __init__(
        self, step: Step, noisy: Tensor, masked: Tensor, scored: Tensor
    ) -> None:
        self._inputs = tuple(value.clone() for value in (noisy, masked, scored))
        self._graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize(noisy.device)
        with torch.cuda.graph(self._graph):
            self._outputs = step(*self._inputs)

    def fits(self, noisy: Tensor, masked: Tensor) -> bool:
        """Whether it was recorded for these shapes."""
        shapes = (self._inputs[0].shape, self._inputs[1].shape)
        return (noisy.shape, masked.shape) == shapes

    def __call__(
        self, noisy: Tensor, masked: Tensor, scored: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Replay it on other values; the outputs are overwritten by the next replay."""
        for kept, given in zip(self._inputs, (noisy, masked, scored), strict=True):
            kept.copy_(given)
        self._graph.replay()
        filled, loss = self._outputs
        return filled, loss.clone()


class Pace:
    """Keeps the processor at most two steps ahead of the GPU.

    Without it, all steps would be queued within moments, and a cancel would have to
    wait for them; with it, the GPU still always has the next step at hand.
    """

    def __init__(self) -> None:
        self._ends: deque[torch.cuda.Event] = deque()

    def keep(self) -> None:
        """Note the end of the step just queued; wait for the one two before it."""
        end = torch.cuda.Event()  # type: ignore[no-untyped-call]
        end.record()
        self._ends.append(end)
        if len(self._ends) > 2:
            self._ends.popleft().synchronize()


class CopyOut:
    """A copy of values on the GPU, made beside the work on a stream of its own.

    Parameters
    ----------
    values : tuple of Tensor
        On one CUDA device; nothing may write to them any more.
    """

    def __init__(self, values: tuple[Tensor, ...]) -> None:
        device = values[0].device
        stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            self._copies = tuple(
                torch.empty(value.shape, dtype=value.dtype, pin_memory=True)
                for value in values
            )
            for copy, value in zip(self._copies, values, strict=True):
                copy.copy_(value, non_blocking=True)
                value.record_stream(stream)
            self._end = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._end.record(stream)

    @property
    def is_there(self) -> bool:
        """Whether it is complete."""
        return bool(self._end.query())  # type: ignore[no-untyped-call]

    def take(self) -> tuple[Tensor, ...]:
        """Return the copies, on the CPU, as soon as they are complete."""
        self._end.synchronize()
        return self._copies
