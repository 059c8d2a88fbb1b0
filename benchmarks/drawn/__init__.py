"""Images that nobody has taken, to pre-train on."""
