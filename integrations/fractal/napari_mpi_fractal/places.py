"""Where an image is while it is made, and how it gets to its place."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BESIDE = ("labels", "tables")
"""What an image of Fractal has besides its levels: segmentations, regions, features."""


@contextmanager
def working_copy(target: Path) -> Iterator[Path]:
    """Give the name under which an image is made, which `denoise_file` takes.

    Fields of a plate are called '0' or '0_denoised', but the format of a new file is
    known by its ending. The name is the same in every run, so that what was
    interrupted is found again.

    Parameters
    ----------
    target : Path
        Where the image will be.

    Yields
    ------
    Path
        A name beside it. What has it at the end is removed.
    """
    working = target.with_name(f"{target.name}.denoising.zarr")
    try:
        yield working
    finally:
        shutil.rmtree(working, ignore_errors=True)


def copy_beside(source: Path, new: Path) -> None:
    """Copy labels and tables, which the tasks that follow look for in the new image.

    Parameters
    ----------
    source, new : Path
        Folders of OME-Zarr images.
    """
    for name in BESIDE:
        if (source / name).is_dir() and not (new / name).exists():
            shutil.copytree(source / name, new / name)


def place(new: Path, target: Path) -> None:
    """Give an image its name; one that has it already is removed afterwards.

    Parameters
    ----------
    new, target : Path
        Folders on the same disk.

    Raises
    ------
    OSError
        If it cannot be renamed; what was there is then there again.
    """
    if not target.exists():
        os.replace(new, target)
        return
    former = target.with_name(f"{target.name}.replaced.zarr")
    os.replace(target, former)
    try:
        os.replace(new, target)
    except BaseException:
        os.replace(former, target)
        raise
    shutil.rmtree(former, ignore_errors=True)
