"""Marks of the pages that a report holds: a page whose series did not change is not written again."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path

from pipeline import __version__
from pipeline.features.statistics import Histogram
from pipeline.output.durable import write_bytes
from pipeline.output.tables import Row
from pipeline.record import SeriesRecord, to_json
from pipeline.report.options import ReportOptions

FILE = "made.json"
PASSING = frozenset({"duration_s", "peak_memory_mb", "finished_at", "masks"})
"""Columns that a page does not show: they differ each time a series is processed, though nothing else does."""


def program_mark(options: ReportOptions, package: Iterable[Path]) -> str:
    """Return a hash of the program and its options, which changes when they would write other pages."""
    digest = blake2b(json.dumps([__version__, asdict(options)]).encode(), digest_size=10)
    for path in sorted(package):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def series_mark(program: str, record: SeriesRecord, slices: Sequence[Row], histogram: Histogram | None) -> str:
    """Return a hash of all that a series' page shows."""
    columns = {name: value for name, value in to_json(record).items() if name not in PASSING}
    digest = blake2b(json.dumps([program, columns, slices], default=str).encode(), digest_size=10)
    if histogram is not None:
        digest.update(f"{histogram.first_bin_hu}".encode() + histogram.counts.tobytes())
    return digest.hexdigest()


def read_marks(folder: Path) -> dict[str, str]:
    """Return the mark of every series page that a report holds; an unreadable list counts as empty."""
    try:
        marks = json.loads((folder / FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(key): str(mark) for key, mark in marks.items()} if isinstance(marks, dict) else {}


def write_marks(folder: Path, marks: Mapping[str, str]) -> None:
    """Write the marks; raises OutputError where the system refuses."""
    write_bytes(folder / FILE, json.dumps(dict(sorted(marks.items())), indent=0).encode())
