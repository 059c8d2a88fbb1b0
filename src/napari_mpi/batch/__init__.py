"""Folders of files: found, denoised one after the other or on a cluster, reported."""
