"""What wider and gated networks cost, as multiples of the one that ships.

A first look (one pass, 512 x 512), a step of adaptation (256 x 256), a step of
pre-training (8 crops of 128 x 128), this also in bfloat16. Processor seconds of one
thread, all networks in turns, so that other jobs beside it count little. Filling may
lay its images out in either way, so the faster one counts; pre-training always has
channels last.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median

import torch
from torch import Tensor

import tables
from napari_mpi.engine.networks.weights import random_weights
from napari_mpi.engine.settings.network import NetworkConfig
from study import Study
from tables import Entry, Row

TODAY = "48 (ships)"
CANDIDATES = {
    name: NetworkConfig(
        architecture="residual", channels=1, mask_channels=1, scales=4, width=width,
        widest=widest, blocks=blocks, block=block,
    )
    for name, width, widest, blocks, block in (
        (TODAY, 48, 0, 1, "plain"),
        ("48 to 192", 48, 192, 1, "plain"),
        ("48 to 256", 48, 256, 1, "plain"),
        ("48 to 192, 2 blocks", 48, 192, 2, "plain"),
        ("32 to 192, 2 blocks", 32, 192, 2, "plain"),
        ("64 to 256", 64, 256, 1, "plain"),
        ("gated, 48 to 256", 48, 256, 1, "gated"),
        ("gated, 64 to 256", 64, 256, 1, "gated"),
        ("gated, 48 to 192, 2 blocks", 48, 192, 2, "gated"),
    )
}  # fmt: skip
LAYOUTS = (torch.contiguous_format, torch.channels_last)
LOOK, CROP, BATCH = (1, 1, 512, 512), (1, 1, 256, 256), (8, 1, 128, 128)
MASK_RATIO = 0.1


FIELDS = (
    "network", "weights", "first look", "adaptation", "pre-training", "in bfloat16",
    "milliseconds",
)  # fmt: skip


def options(parser: argparse.ArgumentParser) -> None:
    """Add which networks, and how often."""
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--candidates", nargs="+", default=list(CANDIDATES))


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Yield multiples, and the milliseconds that they are made of."""
    torch.set_num_threads(1)
    names = list(dict.fromkeys((TODAY, *options.candidates)))
    seconds = typical_seconds(names, options.rounds)
    today = seconds[TODAY]
    for name in names:
        own = seconds[name]
        row: Row = {"network": name, "weights": f"{weights_in(CANDIDATES[name]):,}"}
        row |= {work: f"{own[work] / today[work]:.2f}" for work in today}
        told = [f"{work} {1000 * value:.0f}" for work, value in own.items()]
        yield {**row, "milliseconds": ", ".join(told)}


def weights_in(network: NetworkConfig) -> int:
    """Return how many weights a network has."""
    return sum(value.numel() for value in random_weights(network).state.values())


def typical_seconds(names: Sequence[str], rounds: int) -> dict[str, dict[str, float]]:
    """Return the median seconds of every kind of work of every network."""
    trials = {
        name: [Trial(CANDIDATES[name], layout) for layout in LAYOUTS] for name in names
    }
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(rounds + 1):
        for name in names:
            taken[name].append(fastest([trial.seconds() for trial in trials[name]]))
    return {name: medians(turns[1:]) for name, turns in taken.items()}  # warm


def fastest(layouts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the seconds of the layout that is faster at each kind of work."""
    return {
        work: min(seconds[work] for seconds in layouts if work in seconds)
        for work in layouts[-1]
    }


def medians(turns: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the median of each kind of work."""
    return {work: median(seconds[work] for seconds in turns) for work in turns[0]}


class Trial:
    """A network in one layout, and the kinds of work that it is put to."""

    def __init__(self, config: NetworkConfig, layout: torch.memory_format) -> None:
        self.layout = layout
        self.network = random_weights(config).to_network().to(memory_format=layout)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-5)

    def seconds(self) -> dict[str, float]:
        """Return the processor seconds of each kind of work, done once."""
        works: dict[str, Callable[[], object]] = {
            "first look": self.look,
            "adaptation": lambda: self.step(CROP),
        }
        if self.layout == torch.channels_last:
            works["pre-training"] = lambda: self.step(BATCH)
            works["in bfloat16"] = lambda: self.step(BATCH, half=True)
        return {work: timed(do) for work, do in works.items()}

    @torch.no_grad()
    def look(self) -> None:
        """Fill an image once."""
        self.loss(LOOK)

    def step(self, shape: tuple[int, ...], *, half: bool = False) -> None:
        """Learn once."""
        self.optimizer.zero_grad()
        self.loss(shape, half=half).backward()
        self.optimizer.step()

    def loss(self, shape: tuple[int, ...], *, half: bool = False) -> Tensor:
        image = torch.rand(shape).contiguous(memory_format=self.layout)
        masked = torch.rand(shape) < MASK_RATIO
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            filled = self.network(image, masked)
        return (filled - image).square().mean()


def timed(do: Callable[[], object]) -> float:
    started = time.process_time()
    do()
    return time.process_time() - started


def table(entries: list[Entry]) -> None:
    """Print the multiples, and the milliseconds of the first."""
    tables.print_head(*FIELDS[:-1])
    for entry in entries:
        tables.print_line(*(entry[field] for field in FIELDS[:-1]))
    print(f"\nmilliseconds of {TODAY}: {entries[0]['milliseconds']}")


STUDY = Study(FIELDS, rows, table, options)
