"""One series, from its files to a finished store and its record; runs in a worker."""

from typing import Final

PRELOAD: Final = ("pipeline.prepare.preload",)
"""What a process imports before its first job: readers, decoders, zarr, and compiled loops."""
