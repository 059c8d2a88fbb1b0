"""Planes beside a plane: what they share with it is averaged, where that helps."""
