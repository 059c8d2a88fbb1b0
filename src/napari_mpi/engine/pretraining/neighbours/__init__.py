"""Planes beside a crop: how a scene moves, changes and fades along a stack."""
