"""Image files in and out, unread until asked for; a folder for each format."""
