"""One OME-Zarr volume by many programs: what it takes, and what kills do to it."""
