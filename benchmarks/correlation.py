"""From which correlation on is noise taken for correlated: what a first fill leaves.

For each grey image of `pretrained.py`, photographs with noise of four strengths: how
much of what the first fill leaves neighbours have in common, and how much of the true
noise. The guard's threshold (`filling.CORRELATED`) must lie between the kinds.

Usage: python benchmarks/correlation.py
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
import torch

import pretrained
from napari_mpi.engine.denoising import denoise
from napari_mpi.engine.jobs import run
from napari_mpi.engine.noise import neighbour_correlation
from napari_mpi.engine.presets import preset
from napari_mpi.engine.weights import load_weights

SIGMAS = (5, 10, 25, 50)


def main() -> None:
    """Print one line per image."""
    weights = load_weights("grey")
    first = preset(
        "blind-full", **{**pretrained.ENSEMBLE, "learning_rate": 0.0}, iterations=1
    )
    print("image                          first fill   true noise")
    for case in cases():
        job = denoise(
            case.noisy.astype(np.float32),
            "YX",
            weights=weights,
            config=first,
            device="cpu",
        )
        clean = case.clean.astype(float)
        slope, offset = np.polyfit(clean.ravel(), case.noisy.ravel(), 1)
        found = [
            correlation(case.noisy - other)
            for other in (run(job), slope * clean + offset)
        ]
        print(f"{case.group + ' ' + case.name:30} {found[0]:10.2f} {found[1]:12.2f}")


def cases() -> Iterator[pretrained.Case]:
    """Yield photographs with noise of every strength, then the instruments' images."""
    for name in pretrained.CSET:
        for sigma in SIGMAS:
            pretrained.SIGMA = sigma
            case = pretrained.photograph(name, grey=True)
            yield dataclasses.replace(case, name=f"{name} sigma {sigma}")
    for case in pretrained.cases():
        if not case.group.startswith("cset9"):
            yield case


def correlation(noise: np.ndarray) -> float:
    """Return what neighbours have in common."""
    return neighbour_correlation(
        torch.from_numpy(np.ascontiguousarray(noise))[None, None]
    )


if __name__ == "__main__":
    main()
