"""All that iterative filling carries from one iteration to the next."""

import torch
from torch import Tensor

from napari_mpi.engine.filling.adaptation import Adaptation
from napari_mpi.engine.filling.ensemble import Ensemble
from napari_mpi.engine.filling.merging import Averaged
from napari_mpi.engine.filling.spread import EnsembleSpread, SpreadOf
from napari_mpi.engine.filling.stop_rule import StopRule
from napari_mpi.engine.networks.filling_network import FillingNetwork
from napari_mpi.engine.noise.smoothing import void_of
from napari_mpi.engine.settings.filling import FillingConfig


class FillingState:
    """All that iterative filling carries from one iteration to the next.

    Give the same state to `iterative_filling` again, with more iterations in the
    config, and it goes on exactly where it stopped.

    Parameters
    ----------
    noisy : Tensor
        Shape (N, C, Y, X), float32 or float64, as the weights of the network.
    network : FillingNetwork
        On the device of ``noisy``; adapted in place.
    config : FillingConfig
        Learning rate, precision, ensemble, stop rule and seed are read from it.
    pooled : bool
        Whether the N images are windows of which each iteration takes one at random,
        and not one image that is taken as a whole.
    spread_of : {'channels', 'mean'}, optional
        Whose spread is wanted, see `SpreadOf`; none if None.
    marks : Tensor, optional
        Shape (N, 1, Y, X), see `Mark`: what is no measurement counts in no loss.
    averaged : Averaged, optional
        What ``noisy`` was before it was averaged with planes beside it.
    """

    def __init__(
        self,
        noisy: Tensor,
        network: FillingNetwork,
        config: FillingConfig,
        *,
        pooled: bool = False,
        spread_of: SpreadOf | None = None,
        marks: Tensor | None = None,
        averaged: Averaged | None = None,
    ) -> None:
        self.iteration = 0
        self.marks, self.void = marks, void_of(marks)
        self.averaged = averaged
        self.spread_of = spread_of
        self.passed_spread: Tensor | None = None
        self.fills: EnsembleSpread | None = None
        if spread_of is not None and not config.passes:
            self.fills = EnsembleSpread(noisy, config, spread_of)
        self.pooled = pooled
        self.factors = config.factors
        self.adapts = config.learning_rate > 0
        self.merged = False
        self.looked = False
        self.variance = 0.0
        self.network = network
        self.adaptation = Adaptation(network, config, noisy.device)
        self.ensemble = Ensemble(noisy, config)
        self.rng = torch.Generator(noisy.device).manual_seed(config.seed)
        # On the CPU always: to wait for a GPU's numbers would cost its pace.
        self.places = torch.Generator().manual_seed(config.seed)
        self.stop: StopRule | None = None
        if config.stop:
            self.stop = StopRule(
                noisy,
                config.mask_ratio,
                config.shared_mask,
                rng=self.rng,
                void=self.void,
            )

    def to(self, device: torch.device | str) -> None:
        """Move network, optimiser and ensemble; the masks' generator stays."""
        self.adaptation.to(device)
        self.ensemble.to(device)
        if self.marks is not None:
            self.marks = self.marks.to(device)
        if self.void is not None:
            self.void = self.void.to(device)
        if self.averaged is not None:
            self.averaged = Averaged(*(part.to(device) for part in self.averaged))
        if self.fills is not None:
            self.fills.to(device)
        if self.stop is not None:
            self.stop.to(device)

    def spread(self) -> Tensor | None:
        """Return the standard deviation of every pixel, if asked for and known."""
        return self.passed_spread if self.fills is None else self.fills.deviation()
