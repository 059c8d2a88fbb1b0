"""The Denoise dock: form, job, run, layers."""
