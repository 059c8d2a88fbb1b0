"""What an image's noise is like, and which settings fit it."""
