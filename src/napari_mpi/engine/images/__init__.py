"""An image in memory or beyond it: axes, arrays, intensities, tiles."""
