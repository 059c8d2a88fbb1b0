"""What `compare.py` runs: each a file with its `STUDY`."""
