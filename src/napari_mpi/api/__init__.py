"""Whole tasks as functions: an image, a file, a folder, weights of one's own."""
