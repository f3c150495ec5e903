"""What a run knows to the tables of its output: each is replaced whole."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

from pipeline.cohort.cohort import LEFTOVER_COLUMNS, Joined, join_table, list_leftovers
from pipeline.cohort.table import LabelTable
from pipeline.config import dump, with_absolute_paths
from pipeline.output.columns import FILE_COLUMNS, INDEX_COLUMNS, SLICE_COLUMNS
from pipeline.output.durable import write_bytes
from pipeline.output.layout import OutputFolder
from pipeline.output.manifest import infer_label_columns, publish_masks
from pipeline.output.state import OutputState, StoredHistograms
from pipeline.output.tables import RowTable, open_table, read_table, unpack_rows, write_path, write_table
from pipeline.privacy import PseudonymKey
from pipeline.quality.findings import findings_of, write_findings
from pipeline.record import LABEL_PREFIX, SeriesRecord, map_types
from pipeline.run.session import Session
from pipeline.scan.census import Census
from pipeline.scan.rows import OUTCOME_COLUMNS, build_row, judge_slice
from pipeline.scan.series import Scan, ScannedSeries
from pipeline.scan.summary import VolumeDetails, with_owner
from pipeline.scan.tag_statistics import write_tags
from pipeline.sources.files import find_common_folder
from pipeline.vocabulary import FileStatus, SeriesWarning


@dataclass(frozen=True)
class Published:
    """The manifest's records in its order, the histograms of those that have a store, and how labels were joined."""

    records: tuple[SeriesRecord, ...]
    histograms: StoredHistograms
    joins: tuple[Joined, ...]


def publish_scan(session: Session, found: Scan, state: OutputState) -> tuple[Joined, ...]:
    """Write what follows from headers: the inventory of files, the tag statistics and the findings.

    Return how labels of single slices were joined.
    """
    census = found.count_elements()
    publish_inventory(session.output, found, census, state, session.key)
    keeps_identifiers = session.config.manifest.identifiers == "keep"
    publish_tag_statistics(session.output, census, keep_identifiers=keeps_identifiers)
    return label_slices(session.output, session.key, session.cohort.tables)


def publish_run(session: Session, records: Iterable[SeriesRecord], found: Scan, state: OutputState) -> Published:
    """Write every table, the manifest of these records first; return what was published."""
    ordered = with_content_warnings(sorted(records, key=lambda record: record.series_key))
    completed = session.cohort.complete(ordered, found)
    histograms = state.publish(completed.records, session.config.manifest.identifiers)
    publish_masks(session.output, completed.records, found.mask_rows)
    joins = (*completed.joins, *publish_scan(session, found, state))
    publish_leftovers(session.output, joins)
    _write_config(session)
    state.forget(state.finished.keys() - {record.series_key for record in ordered})
    return Published(completed.records, histograms, joins)


def with_content_warnings(records: Sequence[SeriesRecord]) -> list[SeriesRecord]:
    """Return the records, those whose slices another series holds too with W_DUPLICATE_CONTENT."""
    counts = Counter(record.content_hash for record in records if record.content_hash)
    repeated = {content_hash for content_hash, n in counts.items() if n > 1}
    return [
        replace(record, warnings=tuple(sorted({*record.warnings, SeriesWarning.W_DUPLICATE_CONTENT})))
        if record.content_hash in repeated
        else record
        for record in records
    ]


def _write_config(session: Session) -> None:
    """Write the configuration as it was asked for: once without paths, once with them under ``private/``."""
    output = session.output
    write_bytes(output.config, dump(session.asked, paths=False).encode())
    resolved = dump(with_absolute_paths(session.asked), paths=True)
    write_bytes(output.private_config, resolved.encode(), private=True)


def publish_inventory(output: OutputFolder, scan: Scan, census: Census, state: OutputState, key: PseudonymKey) -> None:
    """Write index.parquet and files.parquet under ``private/``, slices.parquet without what identifies, and findings.

    Files come series by series, those of no series last; only these are gathered.
    """
    facts = []
    with (
        open_table(output.index, map_types(INDEX_COLUMNS), private=True) as index,
        open_table(output.files, map_types(FILE_COLUMNS), private=True) as files,
        open_table(output.slices, map_types(SLICE_COLUMNS)) as slices,
    ):
        for scanned in sorted(scan.series, key=lambda scanned: scanned.series_key):
            details, series_key = scanned.details, scanned.series_key
            facts.append(with_owner(details.facts, scanned.patient, scanned.study))
            index.add([_index_row(scanned, details)])
            outcomes = state.table.outcome_rows(series_key)
            rows = _with_outcomes(unpack_rows(scanned.source.load_rows()), outcomes, details.folder)
            files.add_table(rows, series_key=series_key)
            slices.add_table(rows.sort("slice_key"), SLICE_NAMES, series_key=series_key)
        public = []
        for header in scan.unassigned:
            row = build_row(header, judge_slice(header), key)
            files.add([_only(row, FILE_COLUMNS)])
            public.append(_only(row | {"instance_number": row["InstanceNumber"]}, SLICE_COLUMNS))
        slices.add(sorted(public, key=itemgetter("slice_key")))
    write_findings(output.findings, findings_of(scan.unassigned, census, facts))


SLICE_NAMES = {"instance_number": "InstanceNumber"}
"""Columns of slices.parquet that have another name in private/files.parquet."""


def _with_outcomes(rows: RowTable, outcomes: Sequence[Mapping[str, Any]], folder: str) -> RowTable:
    """Return the rows of a series in a folder, with what came of each where its pixels were read.

    Where the files were moved since, they are known by their places below the folder.
    """
    if not outcomes:
        return rows
    places = list(zip(rows.values("path"), rows.values("frame"), strict=True))
    known = {(write_path(one["path"]), one["frame"]): one for one in outcomes}
    if known.keys().isdisjoint(places):
        before = find_common_folder({one["path"].rpartition("/")[0] for one in outcomes})
        moved = ((folder + one["path"].removeprefix(before), one) for one in outcomes)
        known = {(write_path(path), one["frame"]): one for path, one in moved}
    found = [known.get(place) for place in places]
    return rows.replace(
        {
            name: [value if one is None else one[name] for one, value in zip(found, rows.values(name), strict=True)]
            for name in OUTCOME_COLUMNS
        }
    )


def _only(row: Mapping[str, Any], columns: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name in columns}


def publish_tag_statistics(output: OutputFolder, census: Census, *, keep_identifiers: bool) -> None:
    """Write tags.parquet: what each element holds."""
    write_tags(output.tags, census, keep_identifiers=keep_identifiers)


def _index_row(scanned: ScannedSeries, details: VolumeDetails) -> dict[str, Any]:
    return {
        "series_key": scanned.series_key,
        "PatientID": details.first.patient_id,
        "StudyInstanceUID": details.first.study_instance_uid,
        "SeriesInstanceUID": details.first.series_instance_uid,
        "folder": details.folder,
        "n_files": scanned.n_files,
    }


def label_slices(output: OutputFolder, key: PseudonymKey, tables: Sequence[LabelTable]) -> tuple[Joined, ...]:
    """Join the tables that speak of slices to those that were used, and write slices.parquet with their columns."""
    joins = tuple(join_to_slices(output, key, table) for table in tables if table.options.is_about_slices)
    if joins:
        publish_slice_labels(output, joins)
    return joins


def join_to_slices(output: OutputFolder, key: PseudonymKey, table: LabelTable) -> Joined:
    """Join a table to the slices that were used, as the inventory of the output lists them."""
    used = [row for row in read_table(output.files) if row["status"] == FileStatus.USED]
    names = [key.slice_key(row["SOPInstanceUID"] or row["path"], row["frame"]) for row in used]
    members = {
        name: {"SOPInstanceUID": row["SOPInstanceUID"], "slice_key": name}
        for name, row in zip(names, used, strict=True)
    }
    return join_table(table, members)


def publish_slice_labels(output: OutputFolder, joins: Sequence[Joined], dropped: Collection[str] = ()) -> None:
    """Write slices.parquet with the joined columns beside those that it has, but for ``dropped``."""
    rows = read_table(output.slices)
    labels = [_labels_of(row, joins, dropped) for row in rows]
    own = [{name: row[name] for name in SLICE_COLUMNS} for row in rows]
    whole = [row | labelled for row, labelled in zip(own, labels, strict=True)]
    write_table(output.slices, map_types(SLICE_COLUMNS) | infer_label_columns(labels), whole)


def slice_label_columns(output: OutputFolder) -> set[str]:
    """Return the labels that slices.parquet holds."""
    return {name for row in read_table(output.slices) for name in row if name.startswith(LABEL_PREFIX)}


def publish_leftovers(output: OutputFolder, joins: Sequence[Joined]) -> None:
    """List under ``private/`` every row and every series or slice that found no partner; without tables, nothing."""
    if joins:
        write_table(output.private / "unlabelled.parquet", LEFTOVER_COLUMNS, list_leftovers(joins), private=True)


def _labels_of(row: dict[str, Any], joins: Sequence[Joined], dropped: Collection[str]) -> dict[str, Any]:
    there = {name: value for name, value in row.items() if name.startswith(LABEL_PREFIX) and name not in dropped}
    empty: dict[str, Any] = {column: None for join in joins for column in join.table.columns}
    found = {name: value for join in joins for name, value in join.labels.get(row["slice_key"], {}).items()}
    return there | empty | found
