"""The series that an output has finished: a row each in its database, beside the stores and the published tables.

A result is in the database, on disk, before its store has its final name; so after a kill the next run knows which
stores to adopt and which to remove.
"""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline.features.statistics import Histogram
from pipeline.output.columns import HISTOGRAM_COLUMNS
from pipeline.output.database import Database, pack, unpack
from pipeline.output.durable import hash_store, move_folder
from pipeline.output.layout import OutputFolder
from pipeline.output.manifest import publish
from pipeline.output.migration import read_former_entries
from pipeline.output.tables import write_table
from pipeline.privacy import IdentifierPolicy
from pipeline.record import SeriesRecord, SliceOutcome, from_json, map_types, to_json
from pipeline.vocabulary import FileStatus, Reason, Status


@dataclass(frozen=True)
class Finished:
    """A series that was processed: its record, the ``signature`` of its files, and the ``rules`` it was judged by.

    ``slices`` and ``histogram`` are None in what comes from the database: `SeriesTable` loads them.  ``stages`` are
    those of the program that processed it; ``n_failures`` is how often in a row it failed under the same terms.
    ``has_store`` is False where its store was removed since.  ``headers`` is a digest of what was read of its headers,
    empty where that is not known.
    """

    record: SeriesRecord
    signature: str
    rules: str
    slices: tuple[SliceOutcome, ...] | None = None
    histogram: Histogram | None = None
    stages: str = ""
    n_failures: int = 0
    has_store: bool = True
    headers: str = ""

    def has_same_terms(self, other: "Finished") -> bool:
        """Report whether two results have the same terms."""
        return self.terms == other.terms

    @property
    def terms(self) -> tuple[str | None, ...]:
        """The files, the configuration, the rules and the program that led to this result."""
        return self.signature, self.record.config_hash, self.rules, self.stages


@dataclass(frozen=True)
class SeriesTable:
    """Finished series in a database: those of runs, or those that were only read for statistics."""

    database: Database
    purpose: Literal["run", "fit"] = "run"

    def read(self) -> dict[str, Finished]:
        """Return every series by key, without its slices and its histogram."""
        return dict(self.iterate())

    def iterate(self) -> Iterator[tuple[str, Finished]]:
        """Yield every series with its key, in order, as `read` returns them."""
        question = "SELECT series_key, entry FROM result WHERE purpose = ? ORDER BY series_key"
        for key, entry in self.database.rows(question, (self.purpose,)):
            yield key, _finished(unpack(entry))

    def write(self, several: Iterable[Finished]) -> None:
        """Write series, in place of what was known of them; all are on disk when this returns, or none is."""
        rows = (
            (
                self.purpose,
                one.record.series_key,
                pack(_entry(one)),
                _pack_known(_pack_slices(one)),
                _pack_known(_pack_histogram(one)),
            )
            for one in several
        )
        with self.database.transaction():
            self.database.execute_many("INSERT OR REPLACE INTO result VALUES (?, ?, ?, ?, ?)", rows)

    def remove(self, keys: Iterable[str]) -> None:
        """Remove series."""
        with self.database.transaction():
            places = ((self.purpose, key) for key in keys)
            self.database.execute_many("DELETE FROM result WHERE purpose = ? AND series_key = ?", places)

    def list_with_histogram(self) -> list[str]:
        """Return the keys of the series that have a histogram, in order."""
        question = "SELECT series_key FROM result WHERE purpose = ? AND histogram IS NOT NULL ORDER BY series_key"
        return [key for (key,) in self.database.rows(question, (self.purpose,))]

    def slices_of(self, series_key: str) -> tuple[SliceOutcome, ...] | None:
        """Return the outcome of each slice of a series, None where that is not known."""
        return _slices(self._cell("SELECT slices FROM result WHERE purpose = ? AND series_key = ?", series_key))

    def outcome_rows(self, series_key: str) -> list[dict[str, Any]]:
        """Return the outcome of each slice of a series as plain values, nothing where it is not known."""
        return self._cell("SELECT slices FROM result WHERE purpose = ? AND series_key = ?", series_key) or []

    def histogram_of(self, series_key: str) -> Histogram | None:
        """Return the histogram of a series, None where it has none."""
        return _histogram(self._cell("SELECT histogram FROM result WHERE purpose = ? AND series_key = ?", series_key))

    def _cell(self, question: str, series_key: str) -> Any:
        row = self.database.one(question, (self.purpose, series_key))
        return unpack(row[0]) if row and row[0] is not None else None


@dataclass(frozen=True)
class StoredHistograms(Mapping[str, Histogram]):
    """The HU histograms of series with these keys, each read when it is asked for."""

    table: SeriesTable
    keys_in_order: tuple[str, ...]

    def __getitem__(self, series_key: str) -> Histogram:
        found = self.table.histogram_of(series_key)
        if found is None:
            raise KeyError(series_key)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys_in_order)

    def __len__(self) -> int:
        return len(self.keys_in_order)


@contextmanager
def open_database(output: OutputFolder, *, has_locks: bool = True) -> Iterator[Database]:
    """Yield the database of an output to be written; the caller holds the output's lock.

    What an output of the version before knows is taken over, but for what the database knows better.
    """
    with Database.open(output.state, has_locks=has_locks) as database:
        if output.former_journal.exists():
            table = SeriesTable(database)
            known = table.read()
            table.write(one for one in _former_series(output) if one.record.series_key not in known)
            output.remove_former()
        yield database


@dataclass
class OutputState:
    """The finished series of an output, by key."""

    output: OutputFolder
    table: SeriesTable
    finished: dict[str, Finished] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def read(cls, output: OutputFolder) -> Iterator["OutputState"]:
        """Yield what is known, and whether the stores that it names exist; changes nothing."""
        with Database.read(output.state) as database:
            yield cls.load(output, database)

    @classmethod
    def load(cls, output: OutputFolder, database: Database) -> "OutputState":
        """Return what a database knows, and whether the stores that it names exist."""
        table = SeriesTable(database)
        former = {one.record.series_key: one for one in _former_series(output)}
        state = cls(output, table, former | table.read())
        state.mark_missing_stores()
        return state

    @classmethod
    def open(cls, output: OutputFolder, database: Database) -> "OutputState":
        """Return what a database knows, and recover the stores after a kill; the caller holds the output's lock."""
        state = cls.load(output, database)
        state.recover_stores()
        state.mark_missing_stores()
        return state

    def commit(self, finished: Finished, folder: str | None = None) -> None:
        """Put a result into the database, then give its store, which lies in ``folder``, its final name."""
        key = finished.record.series_key
        self.table.write([finished])
        self.finished[key] = replace(finished, slices=None, histogram=None)
        if finished.record.status is Status.OK:
            move_folder(Path(folder) if folder else self.output.unfinished_store(key), self.output.store(key))
        self.output.send(key, pack_result(finished))

    def adopt_signature(self, series_key: str, signature: str) -> None:
        """Keep a finished series under another signature: its files lie elsewhere, and hold the same."""
        found = replace(self.finished[series_key], signature=signature)
        table = self.table
        slices, histogram = table.slices_of(series_key), table.histogram_of(series_key)
        table.write([replace(found, slices=slices, histogram=histogram)])
        self.finished[series_key] = found

    def publish(self, records: Sequence[SeriesRecord], identifiers: IdentifierPolicy) -> StoredHistograms:
        """Write the manifest of these records, and the histograms of those that have a store; return these."""
        publish(self.output, records, identifiers)
        histograms = self.histograms(record.series_key for record in records if record.status is Status.OK)
        rows = (
            {"series_key": key, "first_bin_hu": found.first_bin_hu, "counts": found.counts}
            for key, found in histograms.items()
        )
        write_table(self.output.histograms, map_types(HISTOGRAM_COLUMNS), rows)
        return histograms

    def slices_of(self, series_key: str) -> tuple[SliceOutcome, ...]:
        """Return the outcome of each slice of a series, nothing where it is not known."""
        return self.table.slices_of(series_key) or ()

    def histograms(self, keys: Iterable[str] | None = None) -> StoredHistograms:
        """Return the HU histograms of these series; without ``keys``, of all that are ok."""
        if keys is None:
            keys = (key for key, found in self.finished.items() if found.record.status is Status.OK)
        wanted = frozenset(keys)
        return StoredHistograms(self.table, tuple(key for key in self.table.list_with_histogram() if key in wanted))

    def forget(self, keys: Iterable[str]) -> None:
        """Forget series, so that the next run sees them as new; all else stays."""
        keys = list(keys)
        for key in keys:
            self.finished.pop(key, None)
        self.table.remove(keys)

    def recover_stores(self) -> None:
        """Adopt the unfinished stores whose records are in the database, and remove all others."""
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

    def adopts(self, unfinished: Path) -> bool:
        """Tell whether an unfinished store is whole, and its record in the database."""
        found = self.finished.get(_key_of(unfinished))
        return bool(found and found.record.sha256 and hash_store(unfinished) == found.record.sha256)


def _key_of(unfinished: Path) -> str:
    return unfinished.name.split(".")[1]


def _pack_known(content: Any) -> bytes | None:
    return None if content is None else pack(content)


def pack_result(finished: Finished) -> bytes:
    """Return a finished series as one JSON object, as it lies in a bucket until the database follows."""
    whole = _entry(finished) | {"slices": _pack_slices(finished), "histogram": _pack_histogram(finished)}
    return json.dumps(whole).encode("ascii")


def unpack_result(text: bytes) -> Finished:
    """Return the finished series of a JSON object."""
    return _result(json.loads(text))


def _result(whole: Mapping[str, Any]) -> Finished:
    return replace(_finished(whole), slices=_slices(whole["slices"]), histogram=_histogram(whole["histogram"]))


def _entry(finished: Finished) -> dict[str, Any]:
    return {
        "record": to_json(finished.record),
        "source": finished.signature,
        "rules": finished.rules,
        "stages": finished.stages,
        "n_failures": finished.n_failures,
        "headers": finished.headers,
    }


def _pack_slices(finished: Finished) -> list[dict[str, Any]] | None:
    return None if finished.slices is None else [vars(outcome) for outcome in finished.slices]


def _pack_histogram(finished: Finished) -> dict[str, Any] | None:
    found = finished.histogram
    return None if found is None else {"first_bin_hu": found.first_bin_hu, "counts": found.counts.tolist()}


def _finished(entry: Mapping[str, Any]) -> Finished:
    return Finished(
        record=from_json(entry["record"]),
        signature=entry["source"],
        rules=entry["rules"],
        stages=entry.get("stages", ""),
        n_failures=entry.get("n_failures", 0),
        headers=entry.get("headers", ""),
    )


def _slices(packed: Sequence[Mapping[str, Any]] | None) -> tuple[SliceOutcome, ...] | None:
    return None if packed is None else tuple(map(_outcome, packed))


def _histogram(packed: Mapping[str, Any] | None) -> Histogram | None:
    return None if packed is None else Histogram(packed["first_bin_hu"], np.array(packed["counts"], np.int64))


def _outcome(fields: Mapping[str, Any]) -> SliceOutcome:
    status, reason, offset = fields["status"], fields["reason"], fields["offset_mm"]
    parsed = {
        "status": status and FileStatus(status),
        "reason": reason and Reason[reason],
        "offset_mm": offset and (offset[0], offset[1]),
    }
    return SliceOutcome(**{**fields, **parsed})


def _former_series(output: OutputFolder) -> Iterator[Finished]:
    """Yield the series that an output of the version before has finished."""
    if output.former_journal.exists():
        yield from map(_result, read_former_entries(output))
