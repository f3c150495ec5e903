"""What is known of an output: the tables of the last run, and the journal of what was finished since.

A result is in the journal, on disk, before its store has its final name; so after a kill the next run knows
which stores to adopt and which to remove.
"""

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import DamageError
from pipeline.features.statistics import Histogram
from pipeline.output.columns import HISTOGRAM_COLUMNS
from pipeline.output.durable import append_line, hash_store, move_folder, remove, write_bytes
from pipeline.output.layout import OutputFolder
from pipeline.output.manifest import publish
from pipeline.output.tables import is_whole, read_counts, write_table
from pipeline.privacy import IdentifierPolicy
from pipeline.record import SeriesRecord, SliceOutcome, from_json, map_types, to_json
from pipeline.vocabulary import FileStatus, Reason, Status

Entry = dict[str, Any]
"""``series_key``, ``record`` (as `record.to_json` tells it), ``source`` and what else the run wants to find again."""


@dataclass(frozen=True)
class Journal:
    """An append-only file of JSON lines under ``private/``, with one writer: the process that runs."""

    path: Path

    def append(self, entry: Entry) -> None:
        """Add an entry; it is on disk when this returns."""
        append_line(self.path, _line(entry), private=True)

    def entries(self) -> list[Entry]:
        """Return every entry in the order written; half a line that a kill left at the end does not count.

        Raises DamageError for any other line that is no entry.
        """
        if not self.path.exists():
            return []
        *whole, _torn = self.path.read_bytes().split(b"\n")
        return [_entry(line, number) for number, line in enumerate(whole, start=1)]

    def compact(self, entries: Iterable[Entry]) -> None:
        """Put these entries in place of all that was written."""
        write_bytes(self.path, b"".join(_line(entry) + b"\n" for entry in entries), private=True)


def _line(entry: Entry) -> bytes:
    return json.dumps(entry).encode("ascii")


def _entry(line: bytes, number: int) -> Entry:
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    if not isinstance(entry, dict):
        msg = f"journal.jsonl line {number} is damaged: remove the line, and its series is prepared again"
        raise DamageError(msg)
    return entry


@dataclass(frozen=True)
class Finished:
    """A series that was processed: its record, the ``signature`` of its files, and the ``rules`` it was judged by.

    ``slices`` and ``histogram`` are None once they stand in the published tables.  ``stages`` are those of the program
    that processed it; ``n_failures`` is how often in a row it failed under the same terms.  ``has_store`` and
    ``has_rows`` are False where its store, or its rows in the tables, were removed or spoiled since.
    """

    record: SeriesRecord
    signature: str
    rules: str
    slices: tuple[SliceOutcome, ...] | None = None
    histogram: Histogram | None = None
    stages: str = ""
    n_failures: int = 0
    has_store: bool = True
    has_rows: bool = True

    def has_same_terms(self, other: "Finished") -> bool:
        """Report whether two results have the same terms."""
        return self.terms == other.terms

    @property
    def terms(self) -> tuple[str | None, ...]:
        """The files, the configuration, the rules and the program that led to this result."""
        return self.signature, self.record.config_hash, self.rules, self.stages


@dataclass
class OutputState:
    """The finished series of an output, by key."""

    output: OutputFolder
    finished: dict[str, Finished] = field(default_factory=dict)

    @classmethod
    def read(cls, output: OutputFolder) -> "OutputState":
        """Read the journal, later lines winning, and check that the stores and tables it names exist."""
        entries = Journal(output.journal).entries()
        state = cls(output, {entry["series_key"]: _finished(entry) for entry in entries})
        state.mark_missing_stores()
        state.mark_missing_rows()
        return state

    @classmethod
    def open(cls, output: OutputFolder) -> "OutputState":
        """Read the journal, and recover the stores after a kill; the caller holds the output's lock."""
        state = cls.read(output)
        state.recover_stores()
        state.mark_missing_stores()
        for table in state.list_damaged_tables():
            remove(table)
        return state

    def commit(self, finished: Finished, folder: str | None = None) -> None:
        """Put a result into the journal, then give its store, which lies in ``folder``, its final name."""
        key = finished.record.series_key
        Journal(self.output.journal).append(_journal_entry(finished))
        self.finished[key] = finished
        if finished.record.status is Status.OK:
            move_folder(Path(folder) if folder else self.output.unfinished_store(key), self.output.store(key))
        self.output.send(key)

    def publish(self, records: Sequence[SeriesRecord], identifiers: IdentifierPolicy) -> dict[str, Histogram]:
        """Write the manifest of these records, and the histograms of those that have a store; return these."""
        publish(self.output, records, identifiers)
        known = self.histograms()
        stored = sorted(record.series_key for record in records if record.status is Status.OK)
        histograms = {key: known[key] for key in stored if key in known}
        rows = [
            {"series_key": key, "first_bin_hu": found.first_bin_hu, "counts": found.counts}
            for key, found in histograms.items()
        ]
        write_table(self.output.histograms, map_types(HISTOGRAM_COLUMNS), rows)
        return histograms

    def compact(self, keys: Iterable[str]) -> None:
        """Leave in the journal one short line a series: the tables hold the rest now."""
        entries = (_journal_entry(replace(self.finished[key], slices=None, histogram=None)) for key in keys)
        Journal(self.output.journal).compact(entries)

    def histograms(self) -> dict[str, Histogram]:
        """Return every series' HU histogram, of this run or an earlier one."""
        known = dict(_published_histograms(self.output.histograms))
        return known | {key: found.histogram for key, found in self.finished.items() if found.histogram}

    def forget(self, keys: Iterable[str]) -> None:
        """Take series out of the journal, so that the next run sees them as new; all else in it stays."""
        for key in keys:
            self.finished.pop(key, None)
        Journal(self.output.journal).compact(map(_journal_entry, self.finished.values()))

    def recover_stores(self) -> None:
        """Adopt the unfinished stores whose records are in the journal, and remove all others."""
        for folder in self.output.unfinished_stores():
            if self.adopts(folder):
                move_folder(folder, self.output.store(_key_of(folder)))
            else:
                shutil.rmtree(folder, ignore_errors=True)  # a worker that outlived its run may still write there

    def mark_missing_stores(self) -> None:
        """Mark the series whose stores are missing; an unfinished store may still be adopted."""
        there = self.output.list_stored() | set(map(_key_of, self.output.unfinished_stores()))
        for key, found in self.finished.items():
            if found.record.status is Status.OK and key not in there:
                self.finished[key] = replace(found, has_store=False)

    def mark_missing_rows(self) -> None:
        """Mark the series whose rows in the published tables are lost."""
        if self.list_damaged_tables():
            for key, found in self.finished.items():
                self.finished[key] = replace(found, has_rows=found.slices is not None)

    def list_damaged_tables(self) -> list[Path]:
        """Return the published tables that are missing, or cut short."""
        tables = (self.output.files, self.output.slices, self.output.histograms)
        return [table for table in tables if not is_whole(table)]

    def adopts(self, unfinished: Path) -> bool:
        """Tell whether an unfinished store is whole, and its record in the journal."""
        found = self.finished.get(_key_of(unfinished))
        return bool(found and found.record.sha256 and hash_store(unfinished) == found.record.sha256)


def _published_histograms(path: Path) -> Iterator[tuple[str, Histogram]]:
    if path.exists():
        for row, counts in read_counts(path, ("series_key", "first_bin_hu"), "counts"):
            yield row["series_key"], Histogram(row["first_bin_hu"], counts)


def _key_of(unfinished: Path) -> str:
    return unfinished.name.split(".")[1]


def _journal_entry(finished: Finished) -> dict[str, Any]:
    histogram = finished.histogram
    return {
        "series_key": finished.record.series_key,
        "record": to_json(finished.record),
        "source": finished.signature,
        "rules": finished.rules,
        "stages": finished.stages,
        "n_failures": finished.n_failures,
        "slices": None if finished.slices is None else [vars(outcome) for outcome in finished.slices],
        "histogram": histogram and {"first_bin_hu": histogram.first_bin_hu, "counts": histogram.counts.tolist()},
    }


def _finished(entry: dict[str, Any]) -> Finished:
    slices, histogram = entry["slices"], entry["histogram"]
    return Finished(
        record=from_json(entry["record"]),
        signature=entry["source"],
        rules=entry["rules"],
        stages=entry.get("stages", ""),  # a journal of before there were any
        n_failures=entry.get("n_failures", 0),
        slices=None if slices is None else tuple(_outcome(fields) for fields in slices),
        histogram=histogram and Histogram(histogram["first_bin_hu"], np.array(histogram["counts"], np.int64)),
    )


def _outcome(fields: dict[str, Any]) -> SliceOutcome:
    status, reason, offset = fields["status"], fields["reason"], fields["offset_mm"]
    parsed = {
        "status": FileStatus(status),
        "reason": reason and Reason[reason],
        "offset_mm": offset and (offset[0], offset[1]),
    }
    return SliceOutcome(**fields | parsed)
