"""The Batch dock: form, run, table."""
