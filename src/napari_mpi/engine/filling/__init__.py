"""One image, hidden and filled again and again: the paper's method, and passes."""
