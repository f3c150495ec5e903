"""The inventory of files: which series each belongs to, whether it was used or why not, and labels of single slices."""

from collections.abc import Collection, Sequence
from operator import itemgetter
from typing import Any

from pipeline.cohort.join import LEFTOVER_COLUMNS, Joined, join_table, list_leftovers
from pipeline.cohort.table import LabelTable
from pipeline.dicom.headers.slice import Series, SliceHeader
from pipeline.dicom.series.outcomes import describe_refused
from pipeline.output.columns import FILE_COLUMNS, INDEX_COLUMNS, SLICE_COLUMNS
from pipeline.output.layout import OutputFolder
from pipeline.output.manifest import infer_label_columns
from pipeline.output.state import OutputState
from pipeline.output.tables import open_table, read_table, write_table
from pipeline.privacy import PseudonymKey
from pipeline.quality.facts import SeriesFacts
from pipeline.quality.findings import findings_of, write_findings
from pipeline.record import LABEL_PREFIX, SliceOutcome, map_types
from pipeline.scan.series import Scan, ScannedSeries
from pipeline.scan.tag_statistics import write_tags
from pipeline.sources.files import find_common_folder
from pipeline.vocabulary import FileStatus, Reason


def publish_inventory(output: OutputFolder, scan: Scan, state: OutputState, key: PseudonymKey) -> None:
    """Write index.parquet and files.parquet under ``private/``, slices.parquet without what identifies, and findings.

    Files come series by series, those of no series last; so each series is loaded once, and only files of no series
    are gathered.
    """
    facts = []
    with (
        open_table(output.index, map_types(INDEX_COLUMNS), private=True) as index,
        open_table(output.files, map_types(FILE_COLUMNS), private=True) as files,
        open_table(output.slices, map_types(SLICE_COLUMNS)) as slices,
    ):
        for scanned in sorted(scan.series, key=lambda scanned: scanned.record.series_key):
            series_key, series = scanned.record.series_key, scanned.series
            headers = series.slices
            facts.append(SeriesFacts.of(scanned.record, series))
            known = state.slices_of(series_key) or _judge_slices(scanned, series)
            outcomes = _map_outcomes(known, headers)
            rows = [(header, outcomes.get((header.file.path, header.frame)) or _unknown(header)) for header in headers]
            index.add([_index_row(scanned, headers)])
            files.add(_file_row(series_key, *row) for row in rows)
            public = [_slice_row(series_key, *row, key) for row in rows]
            slices.add(sorted(public, key=itemgetter("slice_key")))
        public = []
        for header in scan.unassigned:
            files.add([_file_row(None, header, _unknown(header))])
            public.append(_slice_row(None, header, _unknown(header), key))
        slices.add(sorted(public, key=itemgetter("slice_key")))
    write_findings(output.findings, findings_of(scan, facts))


def _map_outcomes(
    known: Sequence[SliceOutcome], headers: Sequence[SliceHeader]
) -> dict[tuple[str, int | None], SliceOutcome]:
    """Return the outcomes by path and frame; where the files were moved since, by the paths that they have now."""
    outcomes = {(one.path, one.frame): one for one in known}
    if not known or any((header.file.path, header.frame) in outcomes for header in headers):
        return outcomes
    before = find_common_folder({one.path.rpartition("/")[0] for one in known})
    now = find_common_folder({header.file.folder for header in headers})
    return {(now + path.removeprefix(before), frame): one for (path, frame), one in outcomes.items()}


def publish_tag_statistics(output: OutputFolder, scan: Scan, *, keep_identifiers: bool) -> None:
    """Write tags.parquet: what each element holds."""
    write_tags(output.tags, scan.census, keep_identifiers=keep_identifiers)


def _unknown(header: SliceHeader) -> SliceOutcome:
    """Return the outcome of a file that is in no finished series: skipped for its own reason.

    A CT image has none until its pixels are read.
    """
    if header.refusal:
        status, reason = FileStatus.SKIPPED, header.refusal[0]
    elif not header.is_ct:
        status, reason = FileStatus.SKIPPED, Reason.NOT_CT
    elif header.is_localizer:
        status, reason = FileStatus.SKIPPED, Reason.LOCALIZER
    else:
        status, reason = None, None
    return SliceOutcome(header.file.path, header.frame, status, reason)


def _judge_slices(scanned: ScannedSeries, series: Series) -> tuple[SliceOutcome, ...]:
    """Return what headers alone say of the slices of a series: nothing where they do not refuse it."""
    return describe_refused(series, scanned.refusal[0]) if scanned.refusal else ()


def _index_row(scanned: ScannedSeries, headers: Sequence[SliceHeader]) -> dict[str, Any]:
    return {
        **{name: value for name, value in scanned.identifiers.items() if name in INDEX_COLUMNS},
        "folder": find_common_folder({header.file.folder for header in headers}),
        "n_files": scanned.record.n_files,
    }


def _file_row(series_key: str | None, header: SliceHeader, outcome: SliceOutcome) -> dict[str, Any]:
    return {
        "path": header.file.path,
        "series_key": series_key,
        "size": header.file.size,
        "mtime_ns": header.file.mtime_ns,
        "status": outcome.status,
        "reason": outcome.reason,
        "SOPInstanceUID": header.identity.sop_instance_uid or None,
        "InstanceNumber": header.instance_number,
        "frame": header.frame,
        "position_mm": outcome.position_mm,
        "z_index": outcome.z_index,
    }


def _slice_row(series_key: str | None, header: SliceHeader, outcome: SliceOutcome, key: PseudonymKey) -> dict[str, Any]:
    return {
        "series_key": series_key,
        "slice_key": key.slice_key(header.identity.sop_instance_uid or header.file.path, header.frame),
        "position_mm": outcome.position_mm,
        "offset_mm": outcome.offset_mm,
        "rows": header.pixels.rows or None,
        "columns": header.pixels.columns or None,
        "instance_number": header.instance_number,
        "transfer_syntax": header.pixels.transfer_syntax or None,
        "status": outcome.status,
        "reason": outcome.reason,
        "z_index": outcome.z_index,
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
