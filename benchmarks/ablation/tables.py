"""Tables in Markdown of what `ablation.py` has written: PSNR, mean of images and seeds.

A number of iterations is found on the mean curve, in a straight line between the
iterations that were read. Columns are left out where nothing was measured.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from statistics import mean

from tables import Entry

STILL = ", not adapted"
WITHIN = (0.5, 0.1)  # dB to the last value of a curve
OWN_RATIO = {("paper", "colour"): "0.3", ("paper", "real"): "0.85"}
RESULT = {"paper": "filled", "ours": "passes", "small": "filled, long"}
ALL = ("filled", "filled, long", "whole", "whole, long", "last", "last hidden",
       "last open", "fills after", "passes")  # fmt: skip
BY_TIME = ("filled", "filled, long", "last hidden", "fills after", "whole")
TEXTS = ("family", "network", "variant", "group", "reading", "seed")
Curve = dict[int, float]


@dataclass(frozen=True)
class Line:
    """One line of the file."""

    family: str
    network: str
    variant: str
    group: str
    reading: str
    iteration: int
    seed: str
    psnr: float


class Found:
    """Everything in the file, by what it belongs to."""

    def __init__(self, entries: list[Entry]) -> None:
        self.lines = list(_lines(entries))
        self._values: dict[tuple[str, ...], dict[int, list[Line]]] = defaultdict(
            lambda: defaultdict(list)
        )
        for line in self.lines:
            key = (line.family, line.network, line.variant, line.group, line.reading)
            self._values[key][line.iteration].append(line)

    def curve(
        self, family: str, network: str, variant: str, group: str, reading: str
    ) -> Curve:
        """Return mean PSNR by iteration; empty if there is nothing."""
        values = self._values.get((family, network, variant, group, reading), {})
        return {at: mean(line.psnr for line in values[at]) for at in sorted(values)}

    def variants(self, family: str) -> list[tuple[str, str, str]]:
        """Return network, variant and group of a family, in the file's order."""
        kept = (line for line in self.lines if line.family == family)
        return list(dict.fromkeys((o.network, o.variant, o.group) for o in kept))

    def seeds_differ(self) -> float:
        """Return the largest difference between two seeds' means of a result."""
        most = 0.0
        for key, values in self._values.items():
            if key[-1] != RESULT[key[1]]:
                continue
            by_seed = defaultdict(list)
            for line in values[max(values)]:
                by_seed[line.seed].append(line.psnr)
            means = [mean(group) for group in by_seed.values()]
            most = max(most, max(means) - min(means))
        return most


def _lines(entries: list[Entry]) -> Iterator[Line]:
    for row in entries:
        texts = {name: row[name] for name in TEXTS}
        iteration, psnr = int(row["iteration"]), float(row["psnr"])
        yield Line(**texts, iteration=iteration, psnr=psnr)


def print_tables(entries: list[Entry]) -> None:
    """Print a table for every family."""
    found = Found(entries)
    for title, lines in TABLES.items():
        print(f"**{title}**\n")
        for line in lines(found):
            print(line)
        print()
    differ = found.seeds_differ()
    print(f"The means of a result over either seed differ by {differ:.2f} dB at most.")


def start_lines(found: Found) -> Iterator[str]:
    """From a random and a pre-trained start, the network's own result."""
    at = (1, 10, 25, 50, 100, 200)
    yield from _head("network", "images", "start", *at, *_within_heads())
    for network, _, group in found.variants("base"):
        for family, variant in (("base", "base"), ("start", "random")):
            curve = found.curve(family, network, variant, group, RESULT[network])
            if curve:
                start = "random" if family == "start" else "pre-trained"
                yield _line(network, group, start, *_cells(curve, at), *_within(curve))


def reading_lines(found: Found) -> Iterator[str]:
    """Every reading, at the end of the run."""
    yield from _head("network", "images", "start", "iterations", *ALL)
    for network, _, group in found.variants("base"):
        for family, variant in (("base", "base"), ("start", "random")):
            curves = [found.curve(family, network, variant, group, r) for r in ALL]
            if curves[0]:
                end = max(curves[0])
                start = "random" if family == "start" else "pre-trained"
                cells = (_cell(curve.get(end)) for curve in curves)
                yield _line(network, group, start, end, *cells)


def curve_lines(found: Found) -> Iterator[str]:
    """How soon each reading is there: the paper's network, colour."""
    at = (1, 10, 25, 50, 75, 100, 150, 200)
    yield from _head("start", "reading", *at, *_within_heads())
    for family, variant in (("base", "base"), ("start", "random")):
        for reading in BY_TIME:
            curve = found.curve(family, "paper", variant, "colour", reading)
            start = "random" if family == "start" else "pre-trained"
            yield _line(start, reading, *_cells(curve, at), *_within(curve))


def loss_lines(found: Found) -> Iterator[str]:
    """Loss on hidden and on all pixels, at the end of the run."""
    yield from _head("network", "images", "loss on", "iterations", *ALL)
    for network, _, group in found.variants("loss"):
        for family, variant in (("base", "base"), ("loss", "all")):
            curves = [found.curve(family, network, variant, group, r) for r in ALL]
            end = max(curves[0], default=0)
            loss = "hidden" if family == "base" else "all"
            cells = (_cell(curve.get(end)) for curve in curves)
            yield _line(network, group, loss, end, *cells)


def loss_curve_lines(found: Found) -> Iterator[str]:
    """How the loss on all pixels goes on: the paper's network, colour."""
    at = (10, 25, 50, 75, 100, 150, 200)
    yield from _head("loss on", "reading", *at)
    for family, variant, loss in (("base", "base", "hidden"), ("loss", "all", "all")):
        for reading in ("last hidden", "last open", "last", "whole", "filled, long"):
            curve = found.curve(family, "paper", variant, "colour", reading)
            yield _line(loss, reading, *_cells(curve, at))


def sharing_lines(found: Found) -> Iterator[str]:
    """One mask for all channels, or a mask each."""
    at = (1, 10, 25, 50, 100)
    yield from _head("network", "images", "masks", "reading", *at)
    own = [("base", "paper", "base", "colour"), ("base", "ours", "base", "colour")]
    others = [("sharing", *which) for which in found.variants("sharing")]
    for family, network, variant, group in (*others, *own):
        name = "a mask each" if family == "base" else variant.split(", ")[1]
        for reading in ("filled", "filled, long", "passes"):
            curve = found.curve(family, network, variant, group, reading)
            if curve:
                yield _line(network, group, name, reading, *_cells(curve, at))


def ratio_lines(found: Found) -> Iterator[str]:
    """Mask ratios; in brackets the network's own."""
    ratios = ("0.1", "0.2", "0.3", "0.5", "0.7", "0.85", "0.95")
    yield from _head("network", "images", "reading", "iterations", *ratios)
    groups = dict.fromkeys((n, group) for n, _, group in found.variants("ratio"))
    readings = ("filled", "filled, long", "whole, long", "fills after", "passes")
    for (network, group), reading, end in itertools.product(
        groups, readings, (50, 100, 200)
    ):
        own = OWN_RATIO.get((network, group), "0.2")
        curves = {
            ratio: found.curve("ratio", network, ratio, group, reading)
            for ratio in ratios
        }
        base = found.curve("base", network, "base", group, reading)
        cells = [_cell(curves[ratio].get(end)) for ratio in ratios]
        if any(cells):
            cells[ratios.index(own)] = f"({_cell(base.get(end))})"
            yield _line(network, group, reading, end, *cells)


def pretraining_lines(found: Found) -> Iterator[str]:
    """Small networks, pre-trained on noisy or on clean input."""
    at = (1, 10, 25, 50, 100)
    yield from _head("images", "pre-trained on", "reading", "not adapted", *at)
    names = dict.fromkeys(
        name.removesuffix(STILL) for _, name, _ in found.variants("pre-training")
    )
    for group, name in itertools.product(("grey", "real"), names):
        for reading in ("filled, long", "passes"):
            still = found.curve("pre-training", "small", name + STILL, group, reading)
            curve = found.curve("pre-training", "small", name, group, reading)
            cells = _cells(curve, at)
            yield _line(group, name, reading, _cell(still.get(50)), *cells)


def adaptation_lines(found: Found) -> Iterator[str]:
    """Without steps, and with them."""
    yield from _head("network", "images", "reading", "not adapted", 25, 50, 100, 200)
    for network, _, group in found.variants("adaptation"):
        for reading in ("filled, long", RESULT[network]):
            still = found.curve("adaptation", network, "none", group, reading)
            curve = found.curve("base", network, "base", group, reading)
            cells = _cells(curve, (25, 50, 100, 200))
            yield _line(network, group, reading, _cell(still[max(still)]), *cells)


TABLES: dict[str, Callable[[Found], Iterable[str]]] = {
    "Start": start_lines,
    "What becomes the result": reading_lines,
    "How soon": curve_lines,
    "Loss": loss_lines,
    "Loss, over time": loss_curve_lines,
    "Sharing of masks": sharing_lines,
    "Mask ratio": ratio_lines,
    "Pre-training": pretraining_lines,
    "Adaptation": adaptation_lines,
}


def _head(*names: object) -> tuple[str, str]:
    return _line(*names), "| --- " * len(names) + "|"


def _line(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _cells(curve: Curve, at: Iterable[int]) -> list[str]:
    return [_cell(curve.get(iteration)) for iteration in at]


def _within_heads() -> list[str]:
    return [f"to {within} dB" for within in WITHIN]


def _within(curve: Curve) -> list[str]:
    """Return after how many iterations a curve is near its last value, if it rose."""
    values = list(curve.values())
    if not values or values[-1] < max(values) - WITHIN[0]:
        return [""] * len(WITHIN)
    return [str(round(_reached(curve, values[-1] - within))) for within in WITHIN]


def _reached(curve: Curve, wanted: float) -> float:
    """Return where a curve first reaches a value, in a straight line between points."""
    points = list(curve.items())
    for (before, low), (after, high) in itertools.pairwise(points):
        if low >= wanted:
            return before
        if high >= wanted:
            return before + (after - before) * (wanted - low) / (high - low)
    return points[-1][0]
