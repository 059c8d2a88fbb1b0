"""Noise2Void by CAREamics of one image; run by a Python that has CAREamics.

Prints one line of JSON: CAREamics' version and the seconds of training and prediction.

Usage: PYTHON benchmarks/methods/n2v.py NOISY.npy DENOISED.npy EPOCHS
"""

import json
import os
import sys
import time

import numpy as np
import torch

try:
    import torchvision  # noqa: F401
except RuntimeError:  # built for CUDA beside a torch without; none of these is called
    missing = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        missing.define(
            name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        )

import careamics
from careamics.config.factories import create_advanced_n2v_config

PATCH, BATCH, SEED = 64, 4, 1  # small batches: more steps in the same time


def main() -> None:
    """Train on the image, and predict it."""
    noisy, out, epochs = sys.argv[1], sys.argv[2], int(sys.argv[3])
    image = np.load(noisy)
    begun = time.perf_counter()
    denoised = denoise(image, epochs)
    seconds = time.perf_counter() - begun
    np.save(out, denoised.reshape(image.shape))
    print(json.dumps({"version": careamics.__version__, "seconds": seconds}))
    sys.stdout.flush()
    os._exit(0)  # workers of data loaders may be slow to end


def denoise(image: np.ndarray, epochs: int) -> np.ndarray:
    """Return the image by CAREamics' own settings, but for patches and epochs."""
    colour = image.ndim == 3
    config = create_advanced_n2v_config(
        experiment_name="frontier",
        data_type="array",
        axes="YXC" if colour else "YX",
        n_channels=image.shape[-1] if colour else None,
        patch_size=[PATCH, PATCH],
        batch_size=BATCH,
        num_epochs=epochs,
        n_val_patches=1,
        num_workers=0,
        trainer_params={"accelerator": "cpu"},
        seed=SEED,
    )
    careamist = careamics.CAREamist(config, enable_progress_bar=False)
    careamist.train(train_data=image)
    predicted, _ = careamist.predict(image)
    denoised = np.squeeze(predicted[0])
    is_channels_first = denoised.shape != image.shape
    return np.moveaxis(denoised, 0, -1) if is_channels_first else denoised


if __name__ == "__main__":
    main()
