"""Slices to a stack: their order along the normal, and the verdict on their places."""
