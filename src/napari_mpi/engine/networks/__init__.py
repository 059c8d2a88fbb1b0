"""Networks that fill hidden pixels, and where their weights come from."""
