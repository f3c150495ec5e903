"""What of an output lasts: everything that two runs which made the same must tell alike."""

from typing import Any

from pipeline.output.layout import OutputFolder
from pipeline.output.tables import read_table

PASSING = {"duration_s", "peak_memory_mb", "finished_at"}
"""What a run may tell differently each time."""


def lasting(output: OutputFolder) -> dict[str, Any]:
    """Return every table that a run leaves, but for what passes."""
    manifest = [
        {name: cell for name, cell in row.items() if name not in PASSING} for row in read_table(output.manifest)
    ]
    tables = (output.slices, output.tags, output.histograms, output.index, output.files)
    return {"manifest": manifest, **{path.name: read_table(path) for path in tables}}
