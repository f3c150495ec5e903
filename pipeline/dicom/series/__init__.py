"""Checks, warnings and repairs of a series that need only its headers."""
