"""What ``napari-mpi denoise`` tells before, during and after its work."""

import argparse
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_mpi.engine.files.ngff.unfinished import Unfinished
from napari_mpi.engine.files.remote import shown
from napari_mpi.engine.networks.catalogue import RANDOM_START

if TYPE_CHECKING:
    from napari_mpi.engine.denoising.file import DenoisedFile
    from napari_mpi.engine.denoising.snapshot import DenoisingSnapshot
    from napari_mpi.engine.denoising.task import Task
    from napari_mpi.engine.files.metadata import ImageFile
    from napari_mpi.engine.networks.weights import Weights

Tell = Callable[[str], None]


def tell_what_is_done(
    options: argparse.Namespace, image: "ImageFile", task: "Task", tell: Tell
) -> None:
    """Tell of image, device and weights."""
    from napari_mpi.engine.runtime.devices import describe_device, notices

    tell(
        f"image    {shown(options.input)}, {image.array.dtype} {image.array.shape},"
        f" axes {image.axes}"
    )
    for note in image.notes:
        tell(f"note     {note}")
    tell(f"device   {describe_device(task.device)}")
    _say_notices(tell, task.weights, notices(options.device, task.device))


def tell_what_was_made(
    made: "DenoisedFile", image: "ImageFile", output: Path, tell: Tell
) -> None:
    """Tell of noise, neighbours and the result."""
    for line in made.noise:
        tell(f"noise    {line}")
    for line in made.neighbours:
        tell(f"planes   {line}")
    for note in made.notes:
        if note not in image.notes:
            tell(f"note     {note}")
    tell(f"written  {output}")


@contextmanager
def kept_if_interrupted(output: Path) -> Iterator[None]:
    """Tell of what is kept of an OME-Zarr, should the work on it be interrupted."""
    try:
        yield
    except KeyboardInterrupt as error:
        unfinished = Unfinished(output)
        if not unfinished.exists:
            raise
        raise KeyboardInterrupt(
            f"what is done is kept in {unfinished.folder}: the same command goes on"
            " from there"
        ) from error


def with_progress(job: Any, tell: Tell, *, quiet: bool) -> Any:
    """Run the job under a progress bar with the time left; tell its warnings."""
    from tqdm import tqdm

    from napari_mpi.engine.runtime.jobs import run

    layout = "{percentage:3.0f}%|{bar}| {elapsed} so far, {remaining} left{postfix}"
    with tqdm(total=1.0, bar_format=layout, disable=quiet, leave=False) as bar:

        def show(snapshot: "DenoisingSnapshot") -> None:
            planes = f", {snapshot.done} of {snapshot.planes} planes done"
            bar.set_postfix_str(
                f"{snapshot.stage}{planes if snapshot.planes > 1 else ''}",
                refresh=False,
            )
            bar.update(snapshot.fraction - bar.n)

        with warnings.catch_warnings():
            warnings.simplefilter("always", UserWarning)
            warnings.showwarning = lambda text, *_, **__: tell(f"note     {text}")
            return run(job, show)


def _say_notices(tell: Tell, weights: "Weights", of_device: list[str]) -> None:
    for notice in of_device:
        tell(f"note     {notice}")
    if weights.name == RANDOM_START:
        tell("note     the weights 'none' start at random: slower and less sharp than")
        tell("         pre-trained ones, see 'napari-mpi weights list'")
    tell(f"weights  {weights.name}")
