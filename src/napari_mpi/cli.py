"""The command line: denoise files, pre-train and manage weights, make a sample."""

import argparse
import io
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_mpi import __version__
from napari_mpi.cli_batch import add_batch
from napari_mpi.cli_pretrain import add_pretrain
from napari_mpi.cli_settings import add_method, method_of, say, say_nothing
from napari_mpi.engine.errors import ConfigError, EngineError, ImageFileError
from napari_mpi.engine.registry import (
    DEFAULT_WEIGHTS,
    PUBLISHED,
    RANDOM_START,
    SHIPPED,
    data_folder,
    weights_names,
)

if TYPE_CHECKING:
    from napari_mpi.engine.denoising import DenoisingSnapshot
    from napari_mpi.engine.image_io import ImageFile
    from napari_mpi.engine.weights import Weights

DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130
_EPILOG = """\
exit status: 0 done, 1 failed (one sentence on stderr says why), 2 wrong usage,
130 interrupted; whatever it is, no half-written file is left behind.

For research use only, not for diagnosis."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows the program's name; ``sys.argv`` if None.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of any letters
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], None] = options.command
    try:
        command(options)
    except ConfigError as error:
        say(f"napari-mpi: {error}")
        return MISUSED
    except EngineError as error:
        say(f"napari-mpi: {error}")
        return FAILED
    except KeyboardInterrupt as error:
        what = str(error) or "nothing was written"
        say(f"napari-mpi: interrupted, {what}")
        return INTERRUPTED
    except OSError as error:  # one that nobody foresaw, of a disk or a pipe
        place = f" ({error.filename})" if error.filename else ""
        say(f"napari-mpi: the system says: {error.strerror or error}{place}")
        return FAILED
    return DONE


def _denoise(options: argparse.Namespace) -> None:
    method = method_of(options)
    _require_other_file(options.output, options.input, options.reference)
    if options.uncertainty is not None:
        _require_other_file(options.uncertainty, options.input, options.reference)
        _require_two_files(options.output, options.uncertainty)
    # torch takes seconds to import: wrong usage is told before.
    from napari_mpi.engine import image_io
    from napari_mpi.engine.device import describe_device, notices
    from napari_mpi.engine.file_denoising import (
        denoise_file,
        open_file,
        require_uncertainty,
    )

    image_io.require_writable(options.output)
    if options.uncertainty is not None:
        require_uncertainty(options.uncertainty)
    opened = open_file(options.input, options.output, method)
    image, layout = opened.image, opened.layout
    reference = _reference(options.reference, image, layout)
    tell = say_nothing if options.quiet else say
    tell(
        f"image    {options.input}, {image.array.dtype} {image.array.shape}, axes"
        f" {image.axes}"
    )
    tell(f"device   {describe_device(opened.device)}")
    _say_notices(tell, opened.weights, notices(options.device, opened.device))
    job = denoise_file(opened, options.output, uncertainty=options.uncertainty)
    made = _with_progress(job, tell, quiet=options.quiet)
    for line in made.noise:
        tell(f"noise    {line}")
    for note in made.notes:
        tell(f"note     {note}")
    tell(f"written  {options.output}")
    if options.uncertainty is not None:
        tell(f"written  {options.uncertainty}")
    if reference is not None:
        _report_quality(image.array, made.result, reference, layout)


def _list_weights(options: argparse.Namespace) -> None:
    for name in weights_names():
        if name == DEFAULT_WEIGHTS:
            note = "grey or colour, whichever fits the image"
        elif name in SHIPPED:
            note = SHIPPED[name]
        elif name == RANDOM_START:
            note = "a random start: slower and less sharp, but always there"
        elif name in PUBLISHED:
            entry = PUBLISHED[name]
            here = "here" if entry.path.is_file() else "fetched when first used"
            note = f"{entry.summary}; {here}"
        else:
            note = str(data_folder() / f"{name}.safetensors")
        print(f"{name:20} {note}")


def _fetch_weights(options: argparse.Namespace) -> None:
    from napari_mpi.engine.weights import fetch_weights

    print(fetch_weights(options.name))


def _import_weights(options: argparse.Namespace) -> None:
    from napari_mpi.engine.weights import import_weights

    weights = import_weights(options.file, name=options.name)
    print(f"imported as {weights.name}: use it with --weights {weights.name}")


def _sample(options: argparse.Namespace) -> None:
    from napari_mpi import sample_data
    from napari_mpi.engine import image_io

    sample = sample_data.SAMPLES[options.kind](seed=options.seed)
    clean = options.output.with_name(
        f"{options.output.stem}-clean{options.output.suffix}"
    )
    for path, array in ((options.output, sample.noisy), (clean, sample.clean)):
        image_io.write_image(path, image_io.ImageFile(array, sample.axes))
        print(path)


def _require_other_file(output: Path, *inputs: Path | None) -> None:
    for path in inputs:
        if (
            path is not None
            and output.exists()
            and path.exists()
            and output.samefile(path)
        ):
            raise ImageFileError(
                f"the output {output} is the input itself: give another name"
            )


def _require_two_files(output: Path, uncertainty: Path) -> None:
    if output.resolve() == uncertainty.resolve():
        raise ImageFileError(
            f"result and uncertainty cannot both be {output}: give another name"
        )


def _reference(path: Path | None, image: "ImageFile", layout: Any) -> Any:
    """Read the reference, and say before the work if it cannot be one."""
    from napari_mpi.engine.image_io import read_image
    from napari_mpi.engine.metrics import data_range_of

    if path is None:
        return None
    reference = read_image(path, lazy=True).array
    if reference.shape != image.array.shape:
        raise ImageFileError(
            f"the reference {path} has shape {reference.shape} but the image"
            f" {image.array.shape}: give one of equal shape"
        )
    data_range_of(reference, layout)
    return reference


def _report_quality(noisy: Any, result: Any, reference: Any, layout: Any) -> None:
    from napari_mpi.engine.metrics import quality

    before, after = (quality(image, reference, layout) for image in (noisy, result))
    print(f"noisy    {before}")
    print(f"denoised {after} (data range {after.data_range:g})")


def _with_progress(job: Any, tell: Callable[[str], None], *, quiet: bool) -> Any:
    """Run the job under a progress bar with the time left; tell its warnings."""
    from tqdm import tqdm

    from napari_mpi.engine.jobs import run

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


def _say_notices(
    tell: Callable[[str], None], weights: "Weights", of_device: list[str]
) -> None:
    for notice in of_device:
        tell(f"note     {notice}")
    if weights.name == RANDOM_START:
        tell("note     the weights 'none' start at random: slower and less sharp than")
        tell("         pre-trained ones, see 'napari-mpi weights list'")
    tell(f"weights  {weights.name}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="napari-mpi",
        description=(
            "Denoise one noisy image with no training data: masked pre-train,"
            " then iterative fill (arXiv 2401.14966)."
        ),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"napari-mpi {__version__}"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_denoise(commands)
    add_batch(commands)
    add_pretrain(commands)
    _add_weights(commands)
    _add_sample(commands)
    return parser


def _add_denoise(commands: Any) -> None:
    parser = commands.add_parser(
        "denoise",
        help="denoise one file",
        description=(
            "Denoise a TIFF, PNG or JPEG file, an OME-Zarr, a NIfTI file or a DICOM"
            " series. The result has the same shape, type, axes and calibration."
        ),
        epilog=(
            "example: napari-mpi denoise cells.tif -o cells-denoised.tif"
            " --preset real-fast"
        ),
    )
    parser.add_argument(
        "input", metavar="IN", type=Path,
        help="the noisy image; of DICOM a file, or the folder of a series",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--output", metavar="OUT", type=Path, required=True,
        help="where to write the result: .tif, .tiff, .zarr, .nii or .nii.gz, of which"
        " one of that name is replaced; or, for DICOM, a new folder",
    )  # fmt: skip
    parser.add_argument(
        "--uncertainty", metavar="FILE.tif", type=Path,
        help="where to write how far the fills of every pixel lie apart, in the image's"
        " units: no confidence interval, see docs/uncertainty.md",
    )  # fmt: skip
    parser.add_argument(
        "--reference", metavar="CLEAN", type=Path,
        help="a clean image: PSNR and SSIM are printed",
    )  # fmt: skip
    add_method(parser)
    parser.set_defaults(command=_denoise)


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 on")
    return int(text)


def _add_weights(commands: Any) -> None:
    parser = commands.add_parser("weights", help="list, fetch or import weights")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    action = actions.add_parser("list", help="show all weights that have a name")
    action.set_defaults(command=_list_weights)
    action = actions.add_parser("fetch", help="download published weights to the cache")
    action.add_argument("name", metavar="NAME")
    action.set_defaults(command=_fetch_weights)
    action = actions.add_parser(
        "import", help="check a weights file and keep a copy of it"
    )
    action.add_argument(
        "file",
        metavar="FILE",
        type=Path,
        help=".safetensors of ours, or .pth of the paper's authors",
    )
    action.add_argument(
        "--name", help="keep it under this name (default: that of the file)"
    )
    action.set_defaults(command=_import_weights)


def _add_sample(commands: Any) -> None:
    parser = commands.add_parser(
        "sample",
        help="write a noisy sample image and its clean partner",
        description=(
            "Write OUT.tif, a noisy sample, and OUT-clean.tif, its clean partner."
        ),
    )
    parser.add_argument("output", metavar="OUT.tif", type=Path)
    parser.add_argument(
        "--kind",
        choices=("retina", "tissue"),
        default="retina",
        help="retina: 16 bit grey; tissue: 8 bit colour (default: retina)",
    )
    parser.add_argument(
        "--seed", type=_whole, default=0, help="seed of the noise (default: 0)"
    )
    parser.set_defaults(command=_sample)
