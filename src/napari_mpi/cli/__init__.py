"""The command line, on the engine alone."""
