"""What is found of the noise: the least and the largest, by kind of noise.

In 256 x 256 pixels of real images, and of photographs in grey under Gaussian noise of
four strengths, as it is and blurred. The thresholds of `noise.choice` lie between.
"""

import argparse
import itertools
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

import tables
from cases import Case, cset_names, photograph, under
from napari_mpi.engine.noise import laws
from napari_mpi.engine.noise.look import look_at_noise
from studies.auto import real_images
from study import Study
from tables import Entry, Row

FIELDS = ("noise", "image", "correlation", "detail", "level")
SIDE = 256
SIGMAS, BLURS = (5, 10, 25, 50), (0, 0.4, 0.5, 0.6, 0.8, 1.5)


def rows(_: argparse.Namespace) -> Iterator[Row]:
    """Yield a row for every image and kind of noise."""
    for case in cases():
        found = look_at_noise(_in_network_units(case.noisy), 255.0)
        assert found is not None
        values = (found.correlation, found.detail, found.level)
        yield dict(zip(FIELDS, (case.group, case.name, *values), strict=True))


def cases() -> Iterator[Case]:
    """Yield real images, then photographs under noise."""
    yield from real_images(SIDE)
    for sigma, blur in itertools.product(SIGMAS, BLURS):
        law = laws.CorrelatedGaussian(sigma, blur) if blur else laws.Gaussian(sigma)
        for name in cset_names():
            clean = photograph(name, grey=True, side=SIDE)
            yield under(clean, law, f"{sigma}, blur {blur:g}")


def _in_network_units(noisy: NDArray[np.generic]) -> torch.Tensor:
    values = np.ascontiguousarray(noisy, dtype=np.float32) / 255
    return torch.from_numpy(values)[None, None]


def table(entries: list[Entry]) -> None:
    """Print the spans."""
    tables.print_head(
        "noise", "images", "correlation", "detail", "level, grey levels", numbers=4
    )
    for (kind,), found in tables.grouped(entries, "noise").items():
        spans = []
        for name, places in (("correlation", 2), ("detail", 2), ("level", 1)):
            values = [float(entry[name]) for entry in found]
            spans.append(f"{min(values):.{places}f} .. {max(values):.{places}f}")
        tables.print_line(kind, len(found), *spans)


STUDY = Study(FIELDS, rows, table)
