"""One adaptation for many planes: made on windows, kept in files, filled by."""
