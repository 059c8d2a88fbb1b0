"""NIfTI; nibabel comes as an extra."""
