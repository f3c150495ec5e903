"""Compiled loops over plain arrays, independent of all other rooms."""
