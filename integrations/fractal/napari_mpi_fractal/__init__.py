"""A task of the Fractal platform: the images of an OME-Zarr, denoised by napari-mpi."""
