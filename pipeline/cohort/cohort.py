"""Patients, labels and splits of a cohort, put into the records of its series."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.cohort.options import ManifestOptions, TableOptions
from pipeline.cohort.splits import NAMES, Member, Split, Token, assign_splits
from pipeline.cohort.table import Labels, LabelTable, read_cells, read_labels
from pipeline.errors import DamageError, UsageError
from pipeline.output.durable import make_folder, write_bytes
from pipeline.output.layout import OWNER_ONLY, OutputFolder
from pipeline.output.manifest import ELEMENT_COLUMNS, read_records
from pipeline.record import MASK_PREFIX, REASON_PREFIX, ColumnType, LabelValue, SeriesRecord
from pipeline.scan.series import People, Scan, ScannedSeries, identify_patient
from pipeline.vocabulary import Status

Identifiers = Mapping[str, str | None]
"""What a series or a slice is known by: a value for each word of `options.Identifier` that it has."""

SHORT = 4
"""An identifier shorter than this may equal a label by chance."""

LEFTOVER_COLUMNS: dict[str, ColumnType] = dict.fromkeys(("table", "on", "key", "without"), "text")
"""A row without a series has its ``key``, a series (or slice) without a row is named in ``without``."""

KEY = "PatientID"


@dataclass(frozen=True)
class Joined:
    """A table's labels by series_key (or slice_key), and what is left over.

    ``alone`` are the keys of rows without a series, ``unlabelled`` the series (or slices) without a row.
    """

    table: LabelTable
    labels: Mapping[str, Labels]
    alone: tuple[str, ...]
    unlabelled: tuple[str, ...]

    def summarise(self) -> dict[str, Any]:
        """Return the counts, as run.json holds them."""
        return {
            "on": self.table.options.on,
            "columns": list(self.table.columns),
            "withheld": list(self.table.withheld),
            "labelled": len(self.labels),
            "unlabelled": len(self.unlabelled),
            "rows_without": len(self.alone),
        }

    @property
    def message(self) -> str:
        """The counts in words."""
        members = "slices" if self.table.options.is_about_slices else "series"
        n_members = len(self.labels) + len(self.unlabelled)
        words = f"{self.table.options.path.name}: {len(self.labels)} of {n_members} {members} have labels"
        if self.alone:
            words += f", {len(self.alone)} of {len(self.table.rows)} rows no {members}"
        if self.table.withheld:
            words += f"; withheld, because they may identify a person: {', '.join(self.table.withheld)}"
        return words


def join_table(table: LabelTable, members: Mapping[str, Identifiers]) -> Joined:
    """Join a table to series (or slices) by an identifier; columns that repeat an identifier are withheld.

    A key is compared letter by letter, spaces at its ends aside.
    """
    on = table.options.on
    keys = {name: (known.get(on) or "").strip() for name, known in members.items()}
    table = table.without(_identifying_columns(table, members, keys))
    labels = {name: table.rows[key] for name, key in keys.items() if key in table.rows}
    alone = table.rows.keys() - set(keys.values())
    return Joined(table, labels, tuple(sorted(alone)), tuple(sorted(members.keys() - labels.keys())))


def list_leftovers(joins: Iterable[Joined]) -> list[dict[str, str | None]]:
    """Return a row of LEFTOVER_COLUMNS for each key without a partner; they belong under ``private/``."""
    return [
        {"table": join.table.options.path.name, "on": join.table.options.on, "key": key, "without": name}
        for join in joins
        for key, name in (*((key, None) for key in join.alone), *((None, name) for name in join.unlabelled))
    ]


def _identifying_columns(table: LabelTable, members: Mapping[str, Identifiers], keys: Mapping[str, str]) -> list[str]:
    """Return the columns that hold identifiers of the series."""
    pairs = [(table.rows[keys[name]], known) for name, known in members.items() if keys[name] in table.rows]
    return [column for column in table.columns if _repeats([(labels[column], known) for labels, known in pairs])]


def _repeats(cells: Sequence[tuple[object, Identifiers]]) -> bool:
    cells_known = [(str(value), known) for value, known in cells if value is not None]
    equal = [text for text, known in cells_known if text in {own.strip() for own in known.values() if own}]
    return any(len(text) >= SHORT for text in equal) or (len(equal) == len(cells_known) > 1)


def list_kept_tables(output: OutputFolder) -> list[TableOptions]:
    """Return the tables in the order in which they were first kept; raises DamageError where their list is none."""
    try:
        entries = json.loads(_tables_list(output).read_bytes()) if _tables_list(output).exists() else []
        return [TableOptions(_tables_folder(output) / one["file"], one["on"], one["column"]) for one in entries]
    except (ValueError, TypeError, KeyError) as error:
        msg = "private/labels/tables.json is damaged: remove private/labels, and join the tables again"
        raise DamageError(msg) from error


def keep_table(output: OutputFolder, options: TableOptions) -> TableOptions:
    """Copy a table, in place of one of the same file name, and return where it is kept."""
    folder = _tables_folder(output)
    make_folder(folder, OWNER_ONLY)
    kept = TableOptions(folder / options.path.name, options.on, options.column)
    write_bytes(kept.path, options.path.read_bytes(), private=True)
    tables = {table.path.name: table for table in list_kept_tables(output)} | {kept.path.name: kept}
    entries = [_describe_table(table) for table in tables.values()]
    write_bytes(_tables_list(output), json.dumps(entries).encode(), private=True)
    return kept


def _describe_table(table: TableOptions) -> dict[str, Any]:
    return {"file": table.path.name, "on": table.on, "column": table.column}


def _tables_folder(output: OutputFolder) -> Path:
    return output.private / "labels"


def _tables_list(output: OutputFolder) -> Path:
    return _tables_folder(output) / "tables.json"


@dataclass(frozen=True)
class Completed:
    """Records with patients, labels and splits, and how each table of labels was joined."""

    records: tuple[SeriesRecord, ...]
    joins: tuple[Joined, ...]


@dataclass(frozen=True)
class CohortMetadata:
    """The patient map and the label tables of ``manifest:``; of tables with the same column the later one wins."""

    options: ManifestOptions
    output: OutputFolder
    people: People = field(default_factory=dict)
    tables: tuple[LabelTable, ...] = ()

    @classmethod
    def open(cls, options: ManifestOptions, output: OutputFolder) -> "CohortMetadata":
        """Read tables and patient map; raises UsageError where one is not what it should be, or a column is unknown.

        Tables that ``ctprep label`` has kept in the output come first.
        """
        asked = options.labels.table if options.labels else None
        tables = tuple(map(read_labels, [*list_kept_tables(output), *([asked] if asked else [])]))
        people = load_people(options.patient_map)
        columns = {column for table in tables for column in table.columns}
        _check_columns(options, columns)
        _check_masks(options, columns)
        return cls(options, output, people, tables)

    def complete(self, records: Sequence[SeriesRecord], scan: Scan) -> Completed:
        """Return the records with their patients, labels and splits; one whose files are gone keeps what it had."""
        there = {one.series_key: one for one in scan.series}
        updated = [
            there[record.series_key].update_record(record) if record.series_key in there else record
            for record in records
        ]
        known = self._as_before(updated, there)
        members = {
            record.series_key: there[record.series_key].identifiers
            for record in known
            if record.series_key in there and record.status is not Status.EXCLUDED
        }
        joins = tuple(join_table(table, members) for table in self.tables if not table.options.is_about_slices)
        patients = {key: identify_patient(one.first, self.people, one.place) for key, one in there.items()}
        return Completed(tuple(with_splits(with_labels(known, joins), patients, self.options.split)), joins)

    def _as_before(self, records: list[SeriesRecord], there: Mapping[str, ScannedSeries]) -> list[SeriesRecord]:
        """Return the records, those whose files are gone with the labels and the split of the last manifest."""
        gone = {record.series_key for record in records} - there.keys()
        before: dict[str, SeriesRecord] = {}
        if gone and self.output.manifest.exists():
            with suppress(DamageError):
                before = {record.series_key: record for record in read_records(self.output)}
        return [
            replace(record, labels=before[record.series_key].labels, split=before[record.series_key].split)
            if record.series_key in gone & before.keys()
            else record
            for record in records
        ]


def with_labels(records: Iterable[SeriesRecord], joins: Iterable[Joined]) -> list[SeriesRecord]:
    """Return the records, each with every column of the tables; null where no row is about the series."""
    joins = list(joins)
    empty: dict[str, LabelValue] = {column: None for join in joins for column in join.table.columns}
    return [replace(record, labels=empty | record.labels | _labels(record, joins)) for record in records]


def with_splits(
    records: Sequence[SeriesRecord], patients: Mapping[str, Token], split: Split | None
) -> list[SeriesRecord]:
    """Return the records, those with a store with the split that they belong to.

    ``patients`` are private identifiers of patients, by series_key.  A series whose files are gone is not among
    them: it follows its patient's others or, where there are none, keeps the split that it has.
    """
    if split is None:
        return [replace(record, split=None) for record in records]
    stored = [record for record in records if record.status is Status.OK]
    known = [record for record in stored if record.series_key in patients]
    names = assign_splits([_member(record, patients[record.series_key], split) for record in known], split)
    by_patient = {record.patient: names[record.series_key] for record in known}
    found = {record.series_key: by_patient.get(record.patient, record.split) for record in stored}
    return [replace(record, split=found.get(record.series_key)) for record in records]


def counts_by_split(records: Iterable[SeriesRecord]) -> dict[str, int]:
    """Return how many series with a store each split has; nothing without splits."""
    counts = Counter(record.split for record in records if record.split)
    return {name: counts[name] for name in NAMES if counts[name]}


FAR_FROM_SHARE = 0.1
"""A split this far from the share that was asked for is worth a word: it comes of few patients."""


def describe_shares(records: Iterable[SeriesRecord], split: Split | None) -> str | None:
    """Say how many patients each split has, where their shares are far from those asked for; else None."""
    patients = {record.patient: record.split for record in records if record.split}
    counts = Counter(patients.values())
    asked = dict(zip(NAMES, split.shares, strict=True)) if split and patients else {}
    if all(abs(counts[name] / len(patients) - share) < FAR_FROM_SHARE for name, share in asked.items()):
        return None
    parts = [f"{counts[name]} for {name} ({share:.0%} asked)" for name, share in asked.items()]
    advice = "each patient draws alone; manifest.split.stratify or another seed divides few of them more evenly"
    return f"Of {len(patients)} patients {', '.join(parts)}: {advice}."


def _labels(record: SeriesRecord, joins: Iterable[Joined]) -> dict[str, LabelValue]:
    return {name: value for join in joins for name, value in join.labels.get(record.series_key, {}).items()}


def _member(record: SeriesRecord, patient: Token, split: Split) -> Member:
    group, stratum = _cell(record, split.group), _cell(record, split.stratify)
    return Member(record.series_key, patient, record.content_hash, group, stratum)


def _cell(record: SeriesRecord, column: str | None) -> str | None:
    value = None if column is None else (record.elements | record.labels).get(column)
    return None if value is None else str(value)


def _check_masks(options: ManifestOptions, columns: set[str]) -> None:
    """Refuse a table that brings a column of a mask."""
    for mask in options.labels.masks if options.labels else ():
        for column in (MASK_PREFIX + mask.name, REASON_PREFIX + mask.name):
            if column in columns:
                msg = f"a table brings {column}, which is what the mask {mask.name} says: rename one of them"
                raise UsageError(msg)


def _check_columns(options: ManifestOptions, labels: set[str]) -> None:
    """Refuse a split by a column that is not there, or that is known only after pixels are read."""
    split = options.split
    asked = {"group": split.group, "stratify": split.stratify} if split else {}
    known = {*ELEMENT_COLUMNS, *options.tags, *labels}
    for key, column in asked.items():
        if column is not None and column not in known:
            msg = (
                f"manifest.split.{key}: {column} is no column to split by; allowed are elements of the manifest, those "
                f"of manifest.tags, and labels{': ' if labels else ''}{', '.join(sorted(labels))}"
            )
            raise UsageError(msg)


def load_people(path: str | None) -> dict[str, str]:
    """Return the people of a patient map, an empty mapping without one; raises as `read_people`."""
    return {} if path is None else read_people(Path(path))


def read_people(path: Path) -> dict[str, str]:
    """Return the person that each PatientID means, from a CSV file of two columns: PatientID, and the person's name.

    Raises UsageError where it is no such file, or one PatientID has two people.
    """
    header, rows = read_cells(path)
    if len(header) != 2 or header.count(KEY) != 1:
        msg = f"{path.name} has the columns {', '.join(header)}; a patient map has PatientID and one more"
        raise UsageError(msg)
    at = header.index(KEY)
    pairs = {(row[at], row[1 - at]) for row in rows if all(row)}
    people = dict(pairs)
    if len(people) < len(pairs):
        msg = f"{path.name} gives {len(pairs) - len(people)} PatientIDs to more than one person"
        raise UsageError(msg)
    return people
