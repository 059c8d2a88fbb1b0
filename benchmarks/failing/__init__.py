"""Where the method fails: scenes, remedies, and pictures of both."""
