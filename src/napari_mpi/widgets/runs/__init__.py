"""Jobs on a worker's thread, and what their docks have in common."""
