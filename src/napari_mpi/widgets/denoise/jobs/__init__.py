"""What the Denoise widget asks of the engine, each as one job for a worker's thread."""
