"""The command ``napari-mpi pretrain``: weights of one's own from a folder of images."""

import argparse
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_mpi.cli.console import say, say_nothing, stopping
from napari_mpi.cli.options import add_settings
from napari_mpi.engine.networks.catalogue import (
    CHECKPOINT_SUFFIX,
    checkpoint_path,
    own_weights_path,
    require_new,
)
from napari_mpi.engine.runtime.errors import ConfigError, DivergenceError
from napari_mpi.engine.settings.network import NetworkConfig
from napari_mpi.engine.settings.pretraining import PretrainingConfig
from napari_mpi.engine.settings.recipes import (
    DEFAULT_RECIPE,
    NETWORK_SETTINGS,
    RECIPES,
    Recipe,
    recipe,
)

if TYPE_CHECKING:
    from napari_mpi.engine.networks.weights import Weights
    from napari_mpi.engine.pretraining.images import TrainingImages
    from napari_mpi.engine.pretraining.snapshot import PretrainingSnapshot
    from napari_mpi.engine.pretraining.state import PretrainingState

_SHOWN_LEFT_OUT = 10


def add_pretrain(commands: Any) -> None:
    """Add the command to the subparsers of the program."""
    parser = commands.add_parser(
        "pretrain",
        help="pre-train weights on a folder of images",
        description=(
            "Pre-train a network on all TIFF, PNG and JPEG images of a folder. A"
            " checkpoint is kept every minute; Ctrl-C stops and keeps one, --resume"
            " goes on from it. Under torchrun all its processes train together."
        ),
        epilog=(
            "example: napari-mpi pretrain my-images -o my-cells --recipe grey"
            " --iterations 20000"
        ),
    )
    parser.add_argument(
        "images", metavar="IMAGES", type=Path, help="a folder of clean images"
    )
    parser.add_argument(
        "-o", "--output", metavar="NAME", required=True,
        help="name of the weights in all menus, or a path that ends in .safetensors",
    )  # fmt: skip
    parser.add_argument(
        "--recipe", choices=tuple(RECIPES), metavar="RECIPE",
        help=f"network and settings: {', '.join(RECIPES)} (default: {DEFAULT_RECIPE})",
    )  # fmt: skip
    parser.add_argument(
        "--resume", action="store_true",
        help="go on where a run of this name stopped; with a constant learning rate"
        " also beyond its end, by more --iterations",
    )  # fmt: skip
    parser.add_argument(
        "--start-from", metavar="NAME|PATH",
        help="weights of the same network to start from, or the .checkpoint of another"
        " run (default: random ones)",
    )  # fmt: skip
    parser.add_argument(
        "--device",
        default="auto",
        help="auto, cpu, cuda, cuda:1 or mps (default: auto)",
    )
    parser.add_argument(
        "--checkpoint-interval", metavar="SECONDS", type=float, default=60.0,
        help="least time between two checkpoints (default: 60)",
    )  # fmt: skip
    parser.add_argument(
        "--half", action="store_true",
        help="round the weights to 16 bits, for a file of half the size",
    )  # fmt: skip
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="print no progress and no notes"
    )
    network = (f for f in fields(NetworkConfig) if f.name in NETWORK_SETTINGS)
    add_settings(
        parser.add_argument_group("settings of the recipe that can be changed"),
        (*network, *fields(PretrainingConfig)),
    )
    parser.set_defaults(command=_pretrain)


def _pretrain(options: argparse.Namespace) -> None:
    changes = {
        name: getattr(options, name)
        for name in (*NETWORK_SETTINGS, *(f.name for f in fields(PretrainingConfig)))
    }
    chosen = recipe(options.recipe or DEFAULT_RECIPE, **changes)
    weights_path = own_weights_path(options.output)
    checkpoint = checkpoint_path(weights_path)
    if not options.resume:
        require_new(weights_path)
    # torch takes seconds to import: wrong usage is told before.
    from napari_mpi.engine.pretraining.processes import joined
    from napari_mpi.engine.runtime.devices import (
        describe_device,
        fallback_notice,
        resolve_device,
    )

    tell = say_nothing if options.quiet else say
    device = resolve_device(options.device)
    with joined(device) as processes:
        if processes.rank > 0:
            tell = say_nothing
        notice = fallback_notice(options.device, device)
        tell(f"device   {describe_device(device)}")
        if notice:
            tell(f"note     {notice}")
        state = _state(options, chosen, changes, checkpoint)
        tell(f"network  {_described(state)}")
        images = _read(options.images, state.config.crop_size, tell)
        _train(options, state, images, weights_path, checkpoint, tell)


def _train(
    options: argparse.Namespace,
    state: "PretrainingState",
    images: "TrainingImages",
    weights_path: Path,
    checkpoint: Path,
    tell: Any,
) -> None:
    from napari_mpi.engine.networks.weight_files import save_weights
    from napari_mpi.engine.pretraining.pretrain import pretrain, pretrained_weights
    from napari_mpi.engine.pretraining.processes import Processes

    first = Processes.current().rank == 0
    job = pretrain(
        images,
        state.network_config,
        state.config,
        name=weights_path.stem,
        device=options.device,
        state=state,
        checkpoint=checkpoint,
        checkpoint_interval=options.checkpoint_interval,
    )
    try:
        weights = _with_progress(job, state, quiet=options.quiet or not first)
    except KeyboardInterrupt as error:
        if first and state.step:
            state.write(checkpoint)
        note = f"iteration {state.step} is kept: go on with --resume"
        raise KeyboardInterrupt(note if state.step else "") from error
    except DivergenceError:
        if first and state.step:
            kept = pretrained_weights(state, images, name=weights_path.stem)
            save_weights(kept, weights_path, half=options.half)
        raise
    if first:
        save_weights(weights, weights_path, half=options.half)
        if not state.config.can_change:  # else the run may be prolonged
            checkpoint.unlink(missing_ok=True)
        tell(f"written  {weights_path}")


def _state(
    options: argparse.Namespace,
    chosen: Recipe,
    changes: dict[str, Any],
    checkpoint: Path,
) -> "PretrainingState":
    """Return where to begin: the checkpoint, or the start of the recipe."""
    from napari_mpi.engine.pretraining.state import (
        read_checkpoint,
        require_same,
        start_pretraining,
    )

    if not options.resume:
        start = None if options.start_from is None else _start(options.start_from)
        return start_pretraining(chosen.network, chosen.pretraining, start=start)
    if options.start_from is not None:
        raise ConfigError("a run that goes on has its start: leave --start-from out")
    state = read_checkpoint(checkpoint)
    ours, theirs = state.network_config, chosen.network
    same = ours.architecture == theirs.architecture, ours.channels == theirs.channels
    if options.recipe is not None and not all(same):
        raise ConfigError(
            "the run to go on with is of another network than recipe"
            f" {options.recipe!r}: leave --recipe out"
        )
    given = {name: value for name, value in changes.items() if value is not None}
    shape = {name: given.pop(name) for name in NETWORK_SETTINGS if name in given}
    require_same(ours, replace(ours, **shape))
    state.take_on(replace(state.config, **given))
    return state


def _start(source: str) -> "Weights":
    """Return the weights to start from: by name, of a file, or of another run."""
    from napari_mpi.engine.networks.loading import load_weights
    from napari_mpi.engine.pretraining.state import checkpoint_weights

    if Path(source).suffix == CHECKPOINT_SUFFIX:
        return checkpoint_weights(Path(source))
    return load_weights(source)


def _read(folder: Path, crop_size: int, tell: Any) -> "TrainingImages":
    from napari_mpi.engine.pretraining.images import read_training_images
    from napari_mpi.engine.runtime.jobs import run

    images = run(read_training_images(folder, smallest_side=crop_size))
    tell(f"images   {len(images.images)} in {images.files} files of {folder}")
    for name, reason in images.left_out[:_SHOWN_LEFT_OUT]:
        tell(f"left out {name}: {reason}")
    if len(images.left_out) > _SHOWN_LEFT_OUT:
        tell(f"left out {len(images.left_out) - _SHOWN_LEFT_OUT} more files")
    if images.files == 1:
        tell("note     one file only: the held-out PSNR is measured on it too")
    return images


def _described(state: "PretrainingState") -> str:
    network = state.network_config
    weights = sum(value.numel() for value in state.network.parameters())
    return (
        f"{network.architecture}, {network.channels} channel"
        f"{'s' if network.channels > 1 else ''}, {weights:,} weights; step"
        f" {state.step} of {state.config.iterations}"
    )


def _with_progress(job: Any, state: "PretrainingState", *, quiet: bool) -> Any:
    """Run the job under a progress bar; Ctrl-C stops it between two steps."""
    from tqdm import tqdm

    from napari_mpi.engine.runtime.jobs import run

    layout = (
        "{n_fmt} of {total_fmt} |{bar}| {elapsed} so far, {remaining} left{postfix}"
    )
    iterations, done = state.config.iterations, state.step
    with (
        stopping() as stop,
        tqdm(total=iterations, initial=done, bar_format=layout, disable=quiet) as bar,
    ):

        def show(snapshot: "PretrainingSnapshot") -> None:
            if stop:
                raise KeyboardInterrupt
            if snapshot.warning:
                bar.write(f"napari-mpi: {snapshot.warning}", file=sys.stderr)
            held_out = state.held_out[-1][1] if state.held_out else float("nan")
            bar.set_postfix_str(
                f"loss {snapshot.losses[-1]:.2f} dB, held out {held_out:.2f} dB,"
                f" {snapshot.images_per_second:.1f} images/s, device waits"
                f" {snapshot.waiting:.0%}",
                refresh=False,
            )
            bar.update(snapshot.iteration - bar.n)

        return run(job, show)
