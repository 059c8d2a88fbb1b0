"""Make the images of the tool's tests again: ``python test-data/make.py``."""

from pathlib import Path

import nibabel
import numpy as np
import tifffile

from napari_mpi import read_image, write_image

HERE = Path(__file__).parent


def main() -> None:
    """Write a noisy disc of 32 x 32 pixels, and two of them as a volume."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:32j, -1:1:32j]
    clean = np.where(np.hypot(y, x) < 0.6, 1400.0, 840.0)
    noisy = rng.normal(clean, 100, (2, 32, 32)).astype(np.uint16)
    metadata = {"axes": "YX", "unit": "micron"}
    tifffile.imwrite(
        HERE / "noisy.tiff", noisy[0], imagej=True, resolution=(4, 4), metadata=metadata
    )
    volume = nibabel.Nifti1Image(noisy.T, np.diag([0.5, 0.5, 2.0, 1.0]))
    nibabel.save(volume, HERE / "noisy.nii.gz")
    write_image(HERE / "noisy.zarr", read_image(HERE / "noisy.tiff"))


if __name__ == "__main__":
    main()
