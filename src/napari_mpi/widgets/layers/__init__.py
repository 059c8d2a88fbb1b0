"""What of a layer is meant, and results that overlay it."""
