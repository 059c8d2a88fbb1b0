"""The command ``napari-mpi denoise``: one file."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_mpi.cli.console import say, say_nothing
from napari_mpi.cli.options import add_method, method_of
from napari_mpi.cli.parts import add_parts, denoise_volume, is_volume
from napari_mpi.cli.telling import (
    kept_if_interrupted,
    tell_what_is_done,
    tell_what_was_made,
    with_progress,
)
from napari_mpi.engine.files.sources import require_apart
from napari_mpi.engine.runtime.errors import ImageFileError

if TYPE_CHECKING:
    from napari_mpi.engine.denoising.file import DenoisedFile
    from napari_mpi.engine.files.metadata import ImageFile


def _denoise(options: argparse.Namespace) -> None:
    if is_volume(options):
        denoise_volume(options)
        return
    method = method_of(options)
    inputs = [p for p in (options.input, options.reference) if p is not None]
    require_apart(options.output, *inputs)
    # torch takes seconds to import: wrong usage is told before.
    from napari_mpi.engine.denoising.file import (
        denoise_file,
        open_file,
        require_uncertainty,
    )
    from napari_mpi.engine.files.output import require_writable

    require_writable(options.output)
    if options.uncertainty is not None:
        require_uncertainty(options.uncertainty, options.output, *inputs)
    image, task = open_file(options.input, options.output, method)
    reference = _reference(options.reference, image, task.layout)
    tell = say_nothing if options.quiet else say
    tell_what_is_done(options, image, task, tell)
    job = denoise_file(image, task, options.output, uncertainty=options.uncertainty)
    with kept_if_interrupted(options.output):
        made = with_progress(job, tell, quiet=options.quiet)
    tell_what_was_made(made, image, options.output, tell)
    if options.uncertainty is not None:
        tell(f"written  {options.uncertainty}")
    if reference is not None:
        _report_quality(image.array, made, reference, task.layout)


def _reference(path: Path | None, image: "ImageFile", layout: Any) -> Any:
    """Read the reference, and say before the work if it cannot be one."""
    from napari_mpi.engine.files.formats import read_image
    from napari_mpi.engine.images.quality import data_range_of

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


def _report_quality(
    noisy: Any, made: "DenoisedFile", reference: Any, layout: Any
) -> None:
    from napari_mpi.engine.images.quality import quality

    before, after = (
        quality(image, reference, layout, void_of=made.void_of)
        for image in (noisy, made.result)
    )
    print(f"noisy    {before}")
    print(f"denoised {after} (data range {after.data_range:g})")


def add_denoise(commands: Any) -> None:
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
        help="the noisy image; of DICOM a file, or the folder of a series; of OME-Zarr"
        " a folder, a .zip or an address",
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
    add_parts(parser)
    add_method(parser)
    parser.set_defaults(command=_denoise)
