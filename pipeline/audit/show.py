"""One series of an output, by any name it is known by."""

import os
from dataclasses import dataclass
from typing import Any

from pipeline.errors import UsageError
from pipeline.output.layout import OutputFolder
from pipeline.output.manifest import read_records
from pipeline.output.tables import read_table
from pipeline.record import SeriesRecord
from pipeline.report.pictures import snapshot_of
from pipeline.store.read import open_store

NAMES = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "folder")


@dataclass(frozen=True)
class SeriesDetails:
    """A series' record, and what its store says of itself; empty without a store."""

    record: SeriesRecord
    attributes: dict[str, Any]


def find_series(output: OutputFolder, name: str) -> list[SeriesDetails]:
    """Return the series that a name means: a series_key, or a PatientID, UID or source path found in ``private/``.

    Raises UsageError where it means none.
    """
    records = read_records(output)
    keys = {name} | _keys_in_private(output, name)
    found = [SeriesDetails(record, _attributes(output, record)) for record in records if record.series_key in keys]
    if not found:
        msg = "no series of this output has that name; allowed are series_key, PatientID, UID and source path"
        raise UsageError(msg)
    return found


def draw_png(output: OutputFolder, record: SeriesRecord) -> bytes:
    """Return the three middle planes of a series, which must have a store, as a PNG file."""
    return snapshot_of(open_store(output.store(record.series_key)))


def _keys_in_private(output: OutputFolder, name: str) -> set[str]:
    index = read_table(output.index) if output.index.exists() else []
    path = os.path.realpath(name)
    keys = {row["series_key"] for row in index if name in {row[column] for column in NAMES} or row["folder"] == path}
    if os.path.isfile(path) and output.files.exists():  # noqa: PTH113  a name that may be no path at all
        keys |= {row["series_key"] for row in read_table(output.files) if row["path"] == path}
    return keys


def _attributes(output: OutputFolder, record: SeriesRecord) -> dict[str, Any]:
    return open_store(output.root / record.store).attributes if record.store else {}
