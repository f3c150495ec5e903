"""An output of the version before, which had a journal of JSON lines in place of a database."""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from pipeline.errors import DamageError
from pipeline.output.layout import OutputFolder, find_pseudonym_key
from pipeline.output.tables import is_whole, read_counts, read_table
from pipeline.vocabulary import Status

Entry = dict[str, Any]


def read_former_entries(output: OutputFolder) -> Iterator[Entry]:
    """Yield what the journal says of each series, later lines winning, completed from the published tables.

    Half a line that a kill left at the end does not count; nor does a series that the tables do not complete: it is
    prepared again.  Raises DamageError for any other line that is no entry.
    """
    *whole, _torn = output.former_journal.read_bytes().split(b"\n")
    entries = {entry["series_key"]: entry for entry in (_entry(line, n) for n, line in enumerate(whole, start=1))}
    slices, histograms = _published_slices(output), _published_histograms(output)
    for key, entry in entries.items():
        if entry["slices"] is None and key in slices:
            entry["slices"] = slices[key]
        if entry["histogram"] is None:
            entry["histogram"] = histograms.get(key)
        is_ok = entry["record"]["status"] == Status.OK
        if entry["slices"] is not None and (entry["histogram"] is not None or not is_ok):
            yield entry


def _entry(line: bytes, number: int) -> Entry:
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    if not isinstance(entry, dict):
        msg = f"journal.jsonl line {number} is damaged: remove the line, and its series is prepared again"
        raise DamageError(msg)
    return entry


def _published_slices(output: OutputFolder) -> dict[str, list[Entry]]:
    """Return the outcomes of the slices of each series, as the tables of the last run tell them."""
    if not (is_whole(output.files) and is_whole(output.slices)):
        return {}
    key = find_pseudonym_key(output.key)
    offsets = {row["slice_key"]: row["offset_mm"] for row in read_table(output.slices)}
    found: dict[str, list[Entry]] = defaultdict(list)
    for row in read_table(output.files):
        slice_key = key.slice_key(row["SOPInstanceUID"] or row["path"], row["frame"])
        fields = {name: row[name] for name in ("path", "frame", "status", "reason", "position_mm", "z_index")}
        if row["series_key"]:
            found[row["series_key"]].append(fields | {"offset_mm": offsets.get(slice_key)})
    return found


def _published_histograms(output: OutputFolder) -> dict[str, Entry]:
    if not is_whole(output.histograms):
        return {}
    rows = read_counts(output.histograms, ("series_key", "first_bin_hu"), "counts")
    return {row["series_key"]: {"first_bin_hu": row["first_bin_hu"], "counts": counts.tolist()} for row, counts in rows}
