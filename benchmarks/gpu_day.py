"""What a machine with CUDA is used for, in one go: tests, speed, networks, training.

Steps, in this order; each leaves a file in OUT and is not done again if it is there:
  tests      `pytest -m gpu`                                        tests.txt
  speed      eager against graph, float32 against bfloat16; 512 and
             2048 square, a stack of 30 planes; share of a matrix
             product's arithmetic                                   speed.md
  networks   candidates of docs/networks.md, trained for as long as
             each other, judged on held-out images                  networks.csv
  train      the long run, in large batches, from the newest weights
             of OUT, else from --start, else from nothing; then
             cooled down for what ships      training.csv, long.safetensors,
                                             long-last.safetensors, cooled.safetensors

Usage: python benchmarks/gpu_day.py OUT TRAIN HELD_OUT [--steps tests speed ...]
           [--minutes 15] [--batch 256] [--widest 192] [--compiled] [--device cuda]
           [--tiny]

TRAIN and HELD_OUT are what `python benchmarks/judge.py split` makes of a folder.
"""

import argparse
import contextlib
import dataclasses
import io
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import training
from judge import Judge
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.pretraining.images import TrainingImages
from napari_mpi.engine.pretraining.state import PretrainingState, start_pretraining
from napari_mpi.engine.settings.recipes import Recipe, recipe

CANDIDATES = {
    "48": {},
    "48 to 256": {"widest": 256},
    "32 to 192, 2 blocks": {"width": 32, "widest": 192, "blocks": 2},
    "gated, 48 to 256": {"widest": 256, "block": "gated"},
}
COOLED = 0.3  # share of the training's time in which the learning rate falls


@dataclass
class Day:
    """What the steps share."""

    out: Path
    train: Path
    held_out: Path
    options: argparse.Namespace

    @property
    def images(self) -> TrainingImages:
        return training.read_images(self.train)

    def stretch(self, images: TrainingImages, log: str, name: str) -> training.Stretch:
        judge = Judge.of(self.held_out)
        return training.Stretch(
            images, judge, self.options.device, self.out / log, name,
            self.options.compiled,
        )  # fmt: skip

    def recipe(self, **changes: object) -> Recipe:
        """Return our recipe with large batches."""
        batch = self.options.batch
        return recipe("grey", batch_size=batch, schedule="constant", **changes)


def main() -> None:
    """Do what is not done yet, step by step."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("train", type=Path)
    parser.add_argument("held_out", type=Path)
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--minutes", type=float, default=15, help="of training")
    parser.add_argument("--seconds", type=float, default=30, help="for each candidate")
    parser.add_argument("--rounds", type=int, default=3, help="of the speed table")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate")
    parser.add_argument("--width", type=int, default=48)
    parser.add_argument("--widest", type=int, default=192)
    parser.add_argument("--blocks", type=int, default=1)
    parser.add_argument("--block", default="plain")
    parser.add_argument("--neighbours", type=int, default=0, help="planes either side")
    parser.add_argument("--start", help="weights to start from")
    parser.add_argument("--compiled", action="store_true", help="compile the network")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="to try it on a CPU")
    options = parser.parse_args()
    if options.tiny:
        options.minutes, options.seconds = 0.5, 4
        options.batch, options.rounds = 4, 1
    options.out.mkdir(parents=True, exist_ok=True)
    day = Day(options.out, options.train, options.held_out, options)
    for name in options.steps:
        action, file = STEPS[name]
        if (options.out / file).exists():
            print(f"{name}: done before, see {file}")
            continue
        started = time.monotonic()
        action(day)
        print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)


def tests(day: Day) -> None:
    """Run the tests that need CUDA."""
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "tests/engine"]
    done = subprocess.run([*command, "tests/promises"], capture_output=True, text=True)
    (day.out / "tests.txt").write_text(done.stdout + done.stderr)
    print(done.stdout[-3000:], flush=True)


def speed(day: Day) -> None:
    """Print the tables of `speed.py cuda` into a file."""
    import speed as tables

    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        tables.cuda(day.options.rounds)
    (day.out / "speed.md").write_text(told.getvalue())
    print(told.getvalue(), flush=True)


def networks(day: Day) -> None:
    """Train every candidate for as long, from the same seed on the same images."""
    images = day.images
    partial = "networks.partial.csv"
    (day.out / partial).unlink(missing_ok=True)
    for name, changes in CANDIDATES.items():
        asked = day.recipe(**changes)
        state = start_pretraining(asked.network, asked.pretraining)
        day.stretch(images, partial, name).go_on(state, day.options.seconds)
    (day.out / partial).rename(day.out / "networks.csv")


def train(day: Day) -> None:
    """Go on with the long run, then cool a copy of it down."""
    images, seconds = day.images, 60 * day.options.minutes
    state = _newest(day)
    stretch = day.stretch(images, "training.csv", "long")
    pace = stretch.go_on(state, (1 - COOLED) * seconds)
    training.save(state, images, day.out / "long.safetensors")
    steps = max(1, round(COOLED * seconds * pace))
    stretch = dataclasses.replace(stretch, name="cooled")
    training.save(
        stretch.cool_down(state, steps), images, day.out / "cooled.safetensors"
    )


def _newest(day: Day) -> PretrainingState:
    """Return the long run where it stands: of OUT, of --start, or at its start."""
    options = day.options
    asked = day.recipe(
        learning_rate=options.rate,
        width=options.width,
        widest=options.widest,
        blocks=options.blocks,
        block=options.block,
        neighbours=options.neighbours,
    )
    last = day.out / "long-last.safetensors"
    start = str(last) if last.exists() else options.start
    weights = load_weights(start) if start else None
    return start_pretraining(asked.network, asked.pretraining, start=weights)


STEPS: dict[str, tuple[Callable[[Day], None], str]] = {
    "tests": (tests, "tests.txt"),
    "speed": (speed, "speed.md"),
    "networks": (networks, "networks.csv"),
    "train": (train, "cooled.safetensors"),
}

if __name__ == "__main__":
    main()
