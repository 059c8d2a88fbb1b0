"""Forms built from the engine's settings."""
