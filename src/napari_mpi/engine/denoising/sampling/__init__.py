"""What is read of an item before its first plane is filled."""
