"""One network and what adapts it to one image: optimiser, precision, mean weights."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.func import functional_call

from napari_mpi.engine.networks.filling_network import FillingNetwork
from napari_mpi.engine.networks.subimages import fill
from napari_mpi.engine.runtime.cuda import CapturedStep, Pace, on_side_stream
from napari_mpi.engine.runtime.precision import resolve_precision
from napari_mpi.engine.settings.filling import FillingConfig

_WARM_UP = 3  # steps before a step is captured: they choose kernels and fill caches


class Adaptation:
    """Takes steps of Adam on the masked loss, and predicts with what it has reached.

    Parameters
    ----------
    network : FillingNetwork
        Adapted in place.
    config : FillingConfig
        Learning rate, precision, decay of the averaged weights.
    device : torch.device
        Where the network is.
    captures : bool
        Whether steps on CUDA are recorded as a graph, see `CapturedStep`.
    """

    def __init__(
        self,
        network: FillingNetwork,
        config: FillingConfig,
        device: torch.device,
        *,
        captures: bool = True,
    ) -> None:
        self.network = network
        self._captures = captures
        self._config = config
        self._device = device
        self._bfloat16 = resolve_precision(config.precision, device) == "bfloat16"
        if self._prefers_channels_last():
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        on_gpu = device.type == "cuda"
        self._optimizer = torch.optim.Adam(
            network.parameters(),
            lr=config.learning_rate,
            fused=on_gpu,  # one kernel
            capturable=on_gpu,  # fit for a graph
        )
        self._average: dict[str, Tensor] | None = None
        self._steps = 0
        self._captured: CapturedStep | None = None
        self._pace = Pace()

    def to(self, device: torch.device | str) -> None:
        """Move network, optimiser and averaged weights to a device."""
        self._device = torch.device(device)
        self._captured = None  # holds addresses of the device it was captured on
        self.network.to(self._device)
        on_gpu = self._device.type == "cuda"
        for group in self._optimizer.param_groups:
            group["fused"] = group["capturable"] = on_gpu
        for moments in self._optimizer.state.values():
            for name, value in moments.items():
                # Adam keeps its step count on the CPU, but for CUDA's fused kernels.
                if isinstance(value, Tensor) and (value.ndim or on_gpu):
                    moments[name] = value.to(self._device)
                elif isinstance(value, Tensor):
                    moments[name] = value.to("cpu")
        if self._average is not None:
            self._average = {
                name: value.to(self._device) for name, value in self._average.items()
            }

    def step(
        self, noisy: Tensor, masked: Tensor, scored: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Take one step; return the prediction before it, and its masked loss.

        Parameters
        ----------
        noisy : Tensor
            Shape (N, C, Y, X), float32.
        masked : Tensor
            Shape (N, C or 1, Y, X), bool; True = hidden.
        scored : Tensor
            Of the mask's shape: hidden pixels that count in the loss.

        Returns
        -------
        tuple of Tensor
            The prediction, and the loss: squared errors of scored pixels, summed and
            divided by the number of all entries, as in the authors' code.
        """
        self._steps += 1
        on_gpu = self._device.type == "cuda"
        if not (on_gpu and self._captures):
            filled, loss = self._step(noisy, masked, scored)
        elif self._steps <= _WARM_UP:
            filled, loss = on_side_stream(self._step, noisy, masked, scored)
        else:
            if self._captured is None or not self._captured.fits(noisy, masked):
                self._captured = CapturedStep(self._step, noisy, masked, scored)
            filled, loss = self._captured(noisy, masked, scored)
        self._move_average()
        if on_gpu:
            self._pace.keep()
        return filled, loss

    def score(
        self, noisy: Tensor, masked: Tensor, scored: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return prediction and masked loss of the network as it is, without a step."""
        with torch.no_grad(), self._autocast():
            filled = fill(self.network, noisy, masked, self._config.pixel_unshuffle)
        return filled, _masked_loss(filled, noisy, scored)

    def predict(self, noisy: Tensor, masked: Tensor | None = None) -> Tensor:
        """Predict with the averaged weights; no mask hides nothing.

        With settings that blend it is the mean of predictions, one for each factor.
        """
        if masked is None:
            masked = torch.zeros_like(noisy[:, :1], dtype=torch.bool)
        factors = self._config.factors
        with torch.no_grad(), self._autocast():
            first, *others = (
                fill(self._averaged, noisy, masked, factor) for factor in factors
            )
        for other in others:
            first = first + other
        return first / len(factors) if others else first

    def weights(self) -> Mapping[str, Tensor]:
        """Return a copy of the weights that `predict` uses."""
        source = self._average or dict(self.network.named_parameters())
        return {name: value.detach().clone() for name, value in source.items()}

    def restore(self, weights: Mapping[str, Tensor]) -> None:
        """Let `predict` use these weights."""
        self._average = {name: value.clone() for name, value in weights.items()}

    def _averaged(self, noisy: Tensor, masked: Tensor) -> Tensor:
        if self._average is None:
            return self.network(noisy, masked)  # type: ignore[no-any-return]
        filled: Tensor = functional_call(self.network, self._average, (noisy, masked))
        return filled

    def _step(
        self, noisy: Tensor, masked: Tensor, scored: Tensor
    ) -> tuple[Tensor, Tensor]:
        with self._autocast():
            filled = fill(self.network, noisy, masked, self._config.pixel_unshuffle)
        loss = _masked_loss(filled, noisy, scored)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return filled.detach(), loss.detach()

    def _move_average(self) -> None:
        """Average the weights over all steps so far, from some number on the last."""
        decay = self._config.weights_ema_decay
        if decay == 0:
            return
        if self._average is None:  # the first step's own start is left out
            self._average = dict(self.weights())
            return
        kept = min(decay, self._steps / (self._steps + 1))
        current = [parameter.detach() for parameter in self.network.parameters()]
        torch._foreach_lerp_(list(self._average.values()), current, 1 - kept)

    def _autocast(self) -> AbstractContextManager[object]:
        if not self._bfloat16:  # not every device knows autocast
            return nullcontext()
        # Each weight is used once, so casts are not kept; recorded steps couldn't be.
        return torch.autocast(self._device.type, torch.bfloat16, cache_enabled=False)

    def _prefers_channels_last(self) -> bool:
        """Whether convolutions are faster so; measured by `benchmarks/speed.py`."""
        skips = self.network.config.architecture == "skip"
        return self._bfloat16 or skips or self._device.type == "cuda"


def _masked_loss(filled: Tensor, noisy: Tensor, scored: Tensor) -> Tensor:
    # The mean runs over all entries, hidden or not, as in the authors' loss.
    return (filled - noisy).masked_fill(~scored, 0).square().mean()
