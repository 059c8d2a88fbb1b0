"""TIFF: plain, of ImageJ, and OME."""
