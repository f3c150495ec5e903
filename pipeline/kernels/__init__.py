"""Loops over plain arrays, compiled: they know no CT, and no other room."""
