"""PNG and JPEG files in."""

from pathlib import Path
from typing import Any

import imageio.v3 as imageio

from napari_mpi.engine.files.metadata import ImageFile
from napari_mpi.engine.images.axes import guess_axes


def read_picture(path: Path, *, lazy: bool = False) -> ImageFile:
    """Read a PNG or JPEG file; inks become colours, opacity of grey is dropped.

    Parameters
    ----------
    path : Path
        The file.
    lazy : bool
        Makes no difference: pictures are read whole.
    """
    del lazy
    # By name: otherwise every reader of imageio tries, and leaves the file open.
    inks = imageio.immeta(path, plugin="pillow")["mode"] in ("CMYK", "YCCK")
    options: dict[str, Any] = {"mode": "RGB"} if inks else {}
    array = imageio.imread(path, plugin="pillow", **options)
    if array.ndim == 3 and array.shape[-1] == 2:  # grey with opacity
        array = array[..., 0]
    return ImageFile(array, "YXS" if array.ndim == 3 else guess_axes(array.shape))
