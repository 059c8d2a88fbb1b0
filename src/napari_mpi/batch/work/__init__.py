"""Doing a batch: one file, one after the other, or on a cluster."""
