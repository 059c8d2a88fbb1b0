"""Where the time goes, in ratios of one run: networks, precisions, sizes, the paper.

Parts (all but `paper` by default):
  iteration   seconds of one iteration of our network, the paper's, and the paper's
              written naively, 512 x 512 grey; and what share of the processor's
              arithmetic (a matrix product's) our iteration reaches
  choices     each choice of the loop, on and off in turns
  sizes       seconds and memory of whole runs, 256 to 2048 square
  previews    what it costs to make them, with nothing to show them on
  paper       seconds to the PSNR of the paper's fast preset with its authors' weights
              (some minutes)
  cuda        on a GPU: eager against graph, float32 against autocast; 2048 square

Usage: python benchmarks/speed.py [PART ...] [--rounds 5]
"""

import argparse
import itertools
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from cases import CHECKPOINTS, Case, photograph
from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.task import prepare
from napari_mpi.engine.filling.adaptation import Adaptation
from napari_mpi.engine.filling.masks import random_mask
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.images.quality import quality
from napari_mpi.engine.networks.filling_network import FillingNetwork
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.networks.weights import Weights, random_weights
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.network import NetworkConfig
from napari_mpi.engine.settings.presets import PRESETS, preset

SIDE = 512
SIZES = (256, 512, 1024, 2048)
IMAGE = "kodim03"
PAPERS = NetworkConfig()
OURS = load_weights("grey").network
CPU = torch.device("cpu")


def main() -> None:
    """Print the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "parts", nargs="*", default=["iteration", "choices", "sizes", "previews"]
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one_size(*json.loads(options.one))
        return
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    for part in options.parts:
        print(f"\n## {part}\n")
        PARTS[part](options.rounds)


# -- one iteration ---------------------------------------------------------------


def in_turns(actions: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median seconds of every action, done in turns, once all are warm."""
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds + 1):
        for name, action in actions.items():
            started = time.perf_counter()
            action()
            seconds[name].append(time.perf_counter() - started)
    return {name: median(times[1:]) for name, times in seconds.items()}


def step_of(
    network: NetworkConfig,
    precision: str,
    side: int = SIDE,
    device: torch.device = CPU,
    captures: bool = True,
    compiled: bool = False,
    **layout: bool,
) -> Callable[[], object]:
    """Return what does one iteration: a mask, a step, the ensemble left out."""
    rng = torch.Generator(device).manual_seed(0)
    shape = (1, network.channels, side, side)
    noisy = torch.rand(shape, generator=rng, device=device)
    config = preset("blind-full", precision=precision)
    filler = random_weights(network).to_network(device).train()
    adaptation = Adaptation(filler, config, device, captures=captures)
    if compiled:
        adaptation.network = torch.compile(filler)
    if "channels_last" in layout:
        last = layout["channels_last"]
        order = torch.channels_last if last else torch.contiguous_format
        filler.to(memory_format=order)

    def step() -> object:
        masked = random_mask((1, 1, side, side), 0.3, rng=rng)
        return adaptation.step(noisy, masked, masked)

    return step


class Naive:
    """The paper's iteration as one would write it down: nothing thought about speed."""

    def __init__(self) -> None:
        self.network = FillingNetwork(PAPERS).train()
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=2e-3)
        self.noisy = torch.rand(1, 3, SIDE, SIDE)
        self.ensemble = self.noisy.numpy().copy()

    def step(self) -> None:
        """Draw with numpy, multiply with integers, copy the image out every time."""
        hidden = np.random.default_rng().choice(
            [0, 1], (1, 1, SIDE, SIDE), p=[0.7, 0.3]
        )
        mask = torch.from_numpy(np.repeat(hidden, 3, axis=1))
        self.optimizer.zero_grad()
        filled = self.network(self.noisy * (1 - mask), mask.bool())
        loss = torch.nn.functional.mse_loss(filled * mask, self.noisy * mask)
        loss.backward()
        self.optimizer.step()
        prediction = filled.detach().numpy().copy()
        mixed = 0.9 * self.ensemble + 0.1 * prediction
        self.ensemble = np.where(mask.numpy() == 1, mixed, self.ensemble)
        loss.item()


def iteration(rounds: int) -> None:
    """Compare our iteration with the paper's, and with what the processor can do."""
    naive = Naive()
    seconds = in_turns(
        {
            "ours": step_of(OURS, "auto"),
            "ours, float32": step_of(OURS, "float32"),
            "paper's network in our code, float32": step_of(PAPERS, "float32"),
            "paper's network in our code, as ours": step_of(PAPERS, "auto"),
            "paper's network written naively": naive.step,
        },
        rounds,
    )
    base = seconds["paper's network in our code, float32"]
    print("| 512 x 512 grey | s / iteration | ratio |\n| --- | --- | --- |")
    for name, value in seconds.items():
        print(f"| {name} | {value:.3f} | {value / base:.2f} |")
    print()
    for precision in ("float32", "bfloat16"):
        print(share_of_peak(precision, CPU, rounds))
    print(f"convolutions: {share_of_convolutions():.0%} of our iteration")


def share_of_convolutions() -> float:
    """Return what part of an iteration's time is spent in convolutions."""
    step = step_of(OURS, "auto")
    step()
    with profile(activities=[ProfilerActivity.CPU]) as found:
        step()
    events = found.key_averages()
    whole = sum(event.self_cpu_time_total for event in events)
    names = ("aten::mkldnn_convolution", "aten::convolution_backward")
    return sum(e.self_cpu_time_total for e in events if e.key in names) / whole


def share_of_peak(precision: str, device: torch.device, rounds: int) -> str:
    """Return what part of the arithmetic of a large matrix product a step reaches."""
    step = step_of(OURS, precision, device=device)
    with FlopCounterMode(display=False) as counter:
        step_of(OURS, precision, device=device, captures=False)()
    work = counter.get_total_flops() / 1e9
    size = 2048 if device.type == "cpu" else 8192
    one, other = (
        torch.rand(size, size, device=device).to(getattr(torch, precision))
        for _ in range(2)
    )
    taken = in_turns(
        {
            "step": lambda: waited(step, device),
            "product": lambda: waited(lambda: one @ other, device),
        },
        max(rounds, 5),
    )
    reached, peak = work / taken["step"], 2 * (size / 1000) ** 3 / taken["product"]
    return (
        f"{precision}: {work:.0f} GFLOP an iteration, {reached:.0f} GFLOP/s; a matrix"
        f" product reaches {peak:.0f}: {reached / peak:.0%}"
    )


def waited(action: Callable[[], object], device: torch.device) -> None:
    """Run an action to its end, on whatever device."""
    action()
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def choices(rounds: int) -> None:
    """Print what each choice of the loop is worth."""
    print("| choice | without, s | with, s | ratio |\n| --- | --- | --- | --- |")
    pairs = {
        "channels last, ours, bfloat16": (OURS, "bfloat16", 512, "channels_last"),
        "channels last, ours, float32": (OURS, "float32", 512, "channels_last"),
        "channels last, paper's, float32": (PAPERS, "float32", 512, "channels_last"),
    }
    for name, (network, precision, side, option) in pairs.items():
        both = {
            value: step_of(network, precision, side, **{option: value == "on"})
            for value in ("off", "on")
        }
        told(name, in_turns(both, rounds))
    precisions = {
        "off": step_of(OURS, "float32"),
        "on": step_of(OURS, "bfloat16"),
    }
    told("bfloat16, ours, each in its order", in_turns(precisions, rounds))
    crops = {"off": step_of(OURS, "auto", 1024), "on": step_of(OURS, "auto", 256)}
    told("crops of 256, ours, of an image of 1024", in_turns(crops, rounds))
    if shutil.which("c++") or shutil.which("g++"):
        ours, compiled = (
            step_of(OURS, "auto", 256, compiled=choice) for choice in (False, True)
        )
        started = time.perf_counter()
        compiled()
        compiling = time.perf_counter() - started
        name = f"torch.compile, ours (first step {compiling:.0f} s)"
        told(name, in_turns({"off": ours, "on": compiled}, rounds))
    threads = torch.get_num_threads()
    ours = step_of(OURS, "auto", 256)

    def on_one() -> None:
        torch.set_num_threads(1)
        ours()
        torch.set_num_threads(threads)

    told(f"{threads} threads, ours", in_turns({"off": on_one, "on": ours}, rounds))
    rng = torch.Generator().manual_seed(0)
    shape = (1, 1, SIDE, SIDE)
    masks = {
        "off": lambda: torch.from_numpy(
            np.random.default_rng(0).choice([0, 1], shape, p=[0.7, 0.3])
        ),
        "on": lambda: random_mask(shape, 0.3, rng=rng),
    }
    told("masks by torch, not by numpy's choice", in_turns(masks, rounds))


def told(name: str, seconds: dict[str, float]) -> None:
    off, on = seconds["off"], seconds["on"]
    print(f"| {name} | {off:.4f} | {on:.4f} | {on / off:.2f} |", flush=True)


# -- whole images ----------------------------------------------------------------


def sizes(rounds: int) -> None:
    """Print seconds and memory of whole runs, each in a process of its own."""
    print("| square | preset | s | s / megapixel | memory, MB |")
    print("| --- | --- | --- | --- | --- |")
    for side, name in itertools.product(SIZES, ("blind-fast", "blind-full")):
        command = [sys.executable, __file__, "--one", json.dumps([side, name])]
        found = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds, memory = json.loads(found.stdout)
        pace = seconds / (side * side / 1e6)
        print(f"| {side} | {name} | {seconds:.1f} | {pace:.1f} | {memory:.0f} |")


def one_size(side: int, name: str) -> None:
    """Print seconds of a run, and the memory it adds to what torch takes anyway."""
    noisy = noise_of_size(side)
    small = noise_of_size(64)
    weights = load_weights("grey")
    run(
        denoise(
            prepare(small, "YX", weights=weights, config=preset(name), device="cpu")
        )
    )
    before = highest_memory()
    started = time.perf_counter()
    run(
        denoise(
            prepare(noisy, "YX", weights=weights, config=preset(name), device="cpu")
        )
    )
    seconds = time.perf_counter() - started
    print(json.dumps([seconds, highest_memory() - before]))


def highest_memory() -> float:
    """Return the most memory that this process has held so far, in MB (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (highest,) = (line for line in lines if line.startswith("VmHWM"))
    return int(highest.split()[1]) / 1024


def noise_of_size(side: int) -> np.ndarray:
    """Return an image with structure of many sizes, and noise."""
    axis = np.linspace(0, 1, side) ** 2
    waves = np.sin(40 * np.add.outer(axis, axis)) * np.sin(60 * axis)
    noise = np.random.default_rng(0).normal(0, 25, (side, side))
    return (128 + 80 * waves + noise).astype(np.float32)


def previews(rounds: int) -> None:
    """Print what making previews costs, without anything that shows them."""
    noisy, weights = noise_of_size(SIDE), load_weights("grey")

    def runs(interval: float) -> Callable[[], object]:
        return lambda: run(
            denoise(
                prepare(
                    noisy,
                    "YX",
                    weights=weights,
                    config=preset("blind-full"),
                    device="cpu",
                ),
                snapshot_interval=interval,
            )
        )

    both = {"off": runs(1e9), "on": runs(0.1)}
    print("| choice | without, s | with, s | ratio |\n| --- | --- | --- | --- |")
    told("previews of 512 x 512, blind-full", in_turns(both, rounds))


def paper(rounds: int) -> None:
    """Print how long the paper's fast preset takes, and we to the same PSNR."""
    case = photograph(IMAGE, grey=True, side=SIDE)
    start = load_weights(CHECKPOINTS / "imgnet_30_multchannel_skip.pth")
    *_, theirs = followed(case, start, "independent-fast")
    print(f"{IMAGE} 512 x 512 grey, sigma 25")
    print(f"paper's fast preset, its authors' weights: {theirs[1]:.2f} dB in"
          f" {theirs[0]:.1f} s")  # fmt: skip
    for name in [name for name in PRESETS if name.startswith("blind")]:
        ours = followed(case, load_weights("grey"), name)
        there = next((told for told in ours if told[1] >= theirs[1]), None)
        told = "does not get there" if there is None else (
            f"gets there in {there[0]:.2f} s ({there[0] / theirs[0]:.4f} of the time)"
        )  # fmt: skip
        print(f"{name}: {ours[-1][1]:.2f} dB in {ours[-1][0]:.1f} s; {told}")


def followed(case: Case, weights: Weights, name: str) -> list[tuple[float, float]]:
    """Return (seconds, PSNR) of every preview; reading them is not timed."""
    found, seconds, started = [], 0.0, time.perf_counter()
    job = denoise(
        prepare(
            case.noisy, case.axes, weights=weights, config=preset(name), device="cpu"
        )
    )
    with closing(job):
        for snapshot in job:
            seconds += time.perf_counter() - started
            if snapshot.image is not None:
                image = snapshot.image.astype(float).clip(0, 255)
                layout = ImageAxes(case.axes, case.clean.shape)
                reached = quality(image, case.clean, layout, data_range=255)
                found.append((seconds, reached.psnr))
            started = time.perf_counter()
    return found


# -- a GPU -----------------------------------------------------------------------


def cuda(rounds: int) -> None:
    """Print iterations eager and captured, in both precisions; and a large image."""
    if not torch.cuda.is_available():
        print("no CUDA device on this machine: not measured")
        return
    device = torch.device("cuda:0")
    print(torch.cuda.get_device_name(device))
    print(
        "| 512 x 512, 200 iterations | precision | mode | s |\n| --- |" + " --- |" * 3
    )
    networks = {"ours": OURS, "paper's": PAPERS}
    for (name, network), precision, eager in itertools.product(
        networks.items(), ("float32", "bfloat16"), (True, False)
    ):
        step = step_of(network, precision, device=device, captures=not eager)

        def two_hundred(step: Callable[[], object] = step) -> None:
            for _ in range(200):
                step()
            torch.cuda.synchronize()

        seconds = in_turns({"": two_hundred}, rounds)[""]
        mode = "eager" if eager else "graph"
        print(f"| {name} | {precision} | {mode} | {seconds:.3f} |", flush=True)
    for precision in ("float32", "bfloat16"):
        print(share_of_peak(precision, device, rounds))
    weights = load_weights("grey")
    stack = np.repeat(noise_of_size(SIDE)[None], 30, axis=0)
    images = {
        "512 x 512": (noise_of_size(SIDE), "YX"),
        "2048 x 2048": (noise_of_size(2048), "YX"),
        "30 planes of 512 x 512": (stack, "ZYX"),
    }
    for (name, (noisy, axes)), chosen in itertools.product(
        images.items(), ("auto-fast", "auto-full")
    ):

        def whole(noisy: np.ndarray = noisy, axes: str = axes, chosen: str = chosen):  # noqa: ANN202
            config = preset(chosen)
            job = denoise(
                prepare(noisy, axes, weights=weights, config=config, device=device)
            )
            return run(job)

        seconds = in_turns({"": whole}, rounds)[""]
        print(f"{name}, {chosen}: {seconds:.2f} s", flush=True)


PARTS = {
    "iteration": iteration,
    "choices": choices,
    "sizes": sizes,
    "previews": previews,
    "paper": paper,
    "cuda": cuda,
}

if __name__ == "__main__":
    main()
