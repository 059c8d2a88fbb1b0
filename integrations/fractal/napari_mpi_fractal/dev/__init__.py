"""What the manifest is made from; no task imports it."""
