"""The Pre-train dock: form, job, run."""
