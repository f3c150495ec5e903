"""What is known of an output: the tables of the last run, and the journal of what was finished since.

A result is in the journal, on disk, before its store has its final name; so whatever a kill leaves, the next run knows
which stores to adopt and which to remove.
"""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.durable import move_folder
from pipeline.features import Histogram
from pipeline.journal import Journal
from pipeline.manifest import Identifiers, publish
from pipeline.output import OutputFolder
from pipeline.record import SeriesRecord, SliceOutcome, from_json, to_json
from pipeline.store import hash_store
from pipeline.tables import ColumnType, read_table, write_table
from pipeline.vocabulary import FileStatus, Reason, Status

HISTOGRAM_COLUMNS: dict[str, ColumnType] = {"series_key": "text", "first_bin_hu": "integer", "counts": "integers"}


@dataclass(frozen=True)
class Finished:
    """A series that was worked: its record, the ``signature`` of its files, and the ``rules`` it was judged by.

    ``slices`` and ``histogram`` are None once they stand in the published tables.
    """

    record: SeriesRecord
    signature: str
    rules: str
    slices: tuple[SliceOutcome, ...] | None = None
    histogram: Histogram | None = None


@dataclass
class Ledger:
    """The finished series of an output, by key."""

    output: OutputFolder
    finished: dict[str, Finished] = field(default_factory=dict)

    @classmethod
    def read(cls, output: OutputFolder) -> "Ledger":
        """Read the journal, later lines winning."""
        entries = Journal(output.journal).entries()
        return cls(output, {entry["series_key"]: _finished(entry) for entry in entries})

    @classmethod
    def open(cls, output: OutputFolder) -> "Ledger":
        """Read the journal, and put right what a kill left among the stores; the caller holds the output's lock."""
        ledger = cls.read(output)
        ledger.settle_stores()
        return ledger

    def commit(self, finished: Finished) -> None:
        """Put a result into the journal, then give its store its final name."""
        key = finished.record.series_key
        Journal(self.output.journal).append(_entry(finished))
        self.finished[key] = finished
        if finished.record.status is Status.OK:
            move_folder(self.output.unfinished_store(key), self.output.store(key))

    def publish(self, records: Sequence[SeriesRecord], identifiers: Identifiers) -> None:
        """Write the manifest of these records, and the histograms of those that have a store."""
        publish(self.output, records, identifiers)
        stored = {record.series_key for record in records if record.status is Status.OK}
        rows = [
            {"series_key": key, "first_bin_hu": found.first_bin_hu, "counts": found.counts.tolist()}
            for key, found in sorted(self.histograms().items())
            if key in stored
        ]
        write_table(self.output.histograms, HISTOGRAM_COLUMNS, rows)

    def compact(self, keys: Iterable[str]) -> None:
        """Leave in the journal one short line a series: the tables hold the rest now."""
        entries = (
            _entry(Finished(found.record, found.signature, found.rules))
            for found in map(self.finished.__getitem__, keys)
        )
        Journal(self.output.journal).compact(entries)

    def histograms(self) -> dict[str, Histogram]:
        """Return every series' HU histogram, of this run or an earlier one."""
        published = read_table(self.output.histograms) if self.output.histograms.exists() else []
        known = {
            row["series_key"]: Histogram(row["first_bin_hu"], np.array(row["counts"], np.int64)) for row in published
        }
        return known | {key: found.histogram for key, found in self.finished.items() if found.histogram}

    def forget(self, keys: Iterable[str]) -> None:
        """Take series out of the journal, so that the next run sees them as new; all else in it stays."""
        for key in keys:
            self.finished.pop(key, None)
        Journal(self.output.journal).compact(map(_entry, self.finished.values()))

    def settle_stores(self) -> None:
        """Adopt the unfinished stores whose records are in the journal, and remove all others."""
        for folder in list(_unfinished(self.output.volumes)):
            if self.adopts(folder):
                move_folder(folder, self.output.store(_key_of(folder)))
            else:
                shutil.rmtree(folder)

    def adopts(self, unfinished: Path) -> bool:
        """Tell whether an unfinished store is whole, and its record in the journal."""
        found = self.finished.get(_key_of(unfinished))
        return bool(found and found.record.sha256 and hash_store(unfinished) == found.record.sha256)


def _key_of(unfinished: Path) -> str:
    return unfinished.name.removeprefix(".").removesuffix(".unfinished")


def _unfinished(volumes: Path) -> Iterator[Path]:
    return volumes.glob(".*.unfinished") if volumes.exists() else iter(())


def _entry(finished: Finished) -> dict[str, Any]:
    histogram = finished.histogram
    return {
        "series_key": finished.record.series_key,
        "record": to_json(finished.record),
        "source": finished.signature,
        "rules": finished.rules,
        "slices": None if finished.slices is None else [asdict(outcome) for outcome in finished.slices],
        "histogram": histogram and {"first_bin_hu": histogram.first_bin_hu, "counts": histogram.counts.tolist()},
    }


def _finished(entry: dict[str, Any]) -> Finished:
    slices, histogram = entry["slices"], entry["histogram"]
    return Finished(
        record=from_json(entry["record"]),
        signature=entry["source"],
        rules=entry["rules"],
        slices=None if slices is None else tuple(_outcome(fields) for fields in slices),
        histogram=histogram and Histogram(histogram["first_bin_hu"], np.array(histogram["counts"], np.int64)),
    )


def _outcome(fields: dict[str, Any]) -> SliceOutcome:
    status, reason, offset = fields["status"], fields["reason"], fields["offset_mm"]
    told = {
        "status": FileStatus(status),
        "reason": reason and Reason[reason],
        "offset_mm": offset and (offset[0], offset[1]),
    }
    return SliceOutcome(**fields | told)
