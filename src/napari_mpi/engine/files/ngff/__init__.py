"""OME-Zarr, and plain Zarr in."""
