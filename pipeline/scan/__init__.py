"""Files to series: listed, their headers read into the database, judged one series at a time, and counted."""

from typing import Final

PRELOAD: Final = ("pipeline.scan.headers", "pipeline.scan.summary")
"""What a process imports before its first batch of headers, or its first series."""
