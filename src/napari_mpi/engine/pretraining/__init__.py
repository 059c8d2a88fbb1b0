"""Masked pre-training: a folder of images in, weights out."""
