"""Headers to series: files are read once, grouped, checked by their headers and counted."""

from typing import Final

PRELOAD: Final = ("pipeline.scan.headers",)
"""What a process imports before its first batch of headers."""
