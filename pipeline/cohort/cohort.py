"""Patients, labels and splits of a cohort, put into the records of its series."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.cohort.join import Joined, join_table, list_kept_tables
from pipeline.cohort.options import ManifestOptions
from pipeline.cohort.splits import NAMES, Member, Split, Token, assign_splits
from pipeline.cohort.table import LabelTable, read_cells, read_labels
from pipeline.errors import DamageError, UsageError
from pipeline.output.layout import OutputFolder
from pipeline.output.manifest import ELEMENT_COLUMNS, read_records
from pipeline.record import MASK_PREFIX, REASON_PREFIX, LabelValue, SeriesRecord
from pipeline.scan.series import People, Scan, ScannedSeries, identify_patient
from pipeline.vocabulary import Status

KEY = "PatientID"


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
