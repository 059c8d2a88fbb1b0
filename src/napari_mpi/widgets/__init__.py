"""The napari half: dock widgets, and how long work meets Qt."""
