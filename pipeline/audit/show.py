"""One series of an output, by any name it is known by."""

import os
from collections.abc import Iterable, Mapping
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
    """A series' record, what its store says of itself (empty without a store), and where its files lie.

    ``folder`` is None for an account that may not read ``private/``.
    """

    record: SeriesRecord
    attributes: dict[str, Any]
    folder: str | None = None


def find_series(output: OutputFolder, name: str) -> list[SeriesDetails]:
    """Return the series that a name means: a series_key, or a PatientID, UID or source path found in ``private/``.

    Raises UsageError where it means none.
    """
    index = read_table(output.index) if output.is_private_readable and output.index.exists() else []
    keys = {name} | _keys_in_private(output, index, name)
    folders = {row["series_key"]: row["folder"] for row in index}
    found = [
        SeriesDetails(record, _attributes(output, record), folders.get(record.series_key))
        for record in read_records(output)
        if record.series_key in keys
    ]
    if not found:
        allowed = "allowed are series_key, PatientID, UID and source path"
        if not output.is_private_readable:
            allowed = "this account may not read private/, so only a series_key is found"
        msg = f"no series of this output has that name; {allowed}"
        raise UsageError(msg)
    return found


def draw_png(output: OutputFolder, record: SeriesRecord) -> bytes:
    """Return the three middle planes of a series, which must have a store, as a PNG file."""
    return snapshot_of(open_store(output.store(record.series_key)))


def _keys_in_private(output: OutputFolder, index: Iterable[Mapping[str, Any]], name: str) -> set[str]:
    path = os.path.realpath(name)
    keys = {row["series_key"] for row in index if name in {row[column] for column in NAMES} or row["folder"] == path}
    if output.is_private_readable and os.path.isfile(path) and output.files.exists():  # noqa: PTH113  a name that may be no path at all
        keys |= {row["series_key"] for row in read_table(output.files) if row["path"] == path}
    return keys


def _attributes(output: OutputFolder, record: SeriesRecord) -> dict[str, Any]:
    return open_store(output.root / record.store).attributes if record.store else {}
