"""The Qt-free, napari-free half: images in, denoised images out, as generators."""
