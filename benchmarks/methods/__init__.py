"""What the frontier is drawn from: methods of others, and the picture."""
