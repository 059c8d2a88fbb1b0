"""How close a result comes to a reference."""

from typing import Any

from napari_mpi.widgets.denoise.jobs.asked import Finished


def psnr_of(snapshot: Any, reference: Any, span: float | None) -> float | None:
    """Return the PSNR of a snapshot's image in dB, if there is a reference."""
    import numpy as np
    from skimage.metrics import peak_signal_noise_ratio

    if reference is None or snapshot.image is None:
        return None
    clean = np.asarray(reference[snapshot.index]).astype(float)
    image = snapshot.image.astype(float)
    known = np.isfinite(clean) & np.isfinite(image)
    if not known.any():
        return None
    psnr = peak_signal_noise_ratio(clean[known], image[known], data_range=span)
    return float(psnr)


def finished(
    result: Any, source: Any, reference: Any, layout: Any, void_of: Any
) -> Finished:
    """Return how close result and source come to a reference, if there is one."""
    from napari_mpi.engine.images.quality import quality

    if reference is None:
        return Finished()
    before, after = (
        quality(image, reference, layout, void_of=void_of) for image in (source, result)
    )
    return Finished(str(after), before.psnr, after.psnr)
