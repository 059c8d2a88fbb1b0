"""All that a person can choose, torch-free: forms and options are built from it."""
