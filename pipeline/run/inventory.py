"""The inventory of files: which series each belongs to, and whether it was used or why not."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.dicom.headers.slice import SliceHeader
from pipeline.output.columns import FILE_COLUMNS, INDEX_COLUMNS, SLICE_COLUMNS
from pipeline.output.layout import OutputFolder
from pipeline.output.state import Finished
from pipeline.output.tables import read_table, write_table
from pipeline.privacy import PseudonymKey
from pipeline.quality.findings import findings_of, write_findings
from pipeline.record import SliceOutcome, map_types
from pipeline.scan.series import Scan, ScannedSeries
from pipeline.scan.tag_statistics import write_tags
from pipeline.vocabulary import FileStatus, Reason

Place = tuple[str, int | None]
"""A path and a frame."""


def publish_inventory(output: OutputFolder, scan: Scan, finished: Mapping[str, Finished], key: PseudonymKey) -> None:
    """Write index.parquet and files.parquet under ``private/``, and slices.parquet without what identifies."""
    index = [_index_row(scanned) for scanned in scan.series]
    slices = sorted(
        _slices(scan, finished, _outcomes_before(output, key)), key=lambda row: (row[1].file.path, row[1].frame or 0)
    )
    write_table(output.index, map_types(INDEX_COLUMNS), index, private=True)
    write_table(output.files, map_types(FILE_COLUMNS), (_file_row(*row) for row in slices), private=True)
    public = sorted(
        (_slice_row(*row, key) for row in slices), key=lambda row: (row["series_key"] or "", row["slice_key"])
    )
    write_table(output.slices, map_types(SLICE_COLUMNS), public)


def publish_tag_statistics(output: OutputFolder, scan: Scan, *, keep_identifiers: bool) -> None:
    """Write tags.parquet, what each element holds, and findings.json, what follows from the headers."""
    write_tags(output.tags, scan.census, keep_identifiers=keep_identifiers)
    write_findings(output.findings, findings_of(scan))


def _slices(
    scan: Scan, finished: Mapping[str, Finished], before: Mapping[Place, SliceOutcome]
) -> Iterator[tuple[str | None, SliceHeader, SliceOutcome]]:
    """Yield each slice with its series' key and its outcome, then the files of no series."""
    for scanned in scan.series:
        series_key = scanned.record.series_key
        found, outcomes = finished.get(series_key), before
        if found and found.slices is not None:
            outcomes = {(one.path, one.frame): one for one in found.slices}
        for header in scanned.series.slices:
            yield series_key, header, outcomes.get((header.file.path, header.frame)) or _unknown(header)
    for header in scan.unassigned:
        yield None, header, _unknown(header)


def _outcomes_before(output: OutputFolder, key: PseudonymKey) -> dict[Place, SliceOutcome]:
    """Return what the tables of the last run say of each slice."""
    if not (output.files.exists() and output.slices.exists()):
        return {}
    offsets = {row["slice_key"]: row["offset_mm"] for row in read_table(output.slices)}
    return {
        (row["path"], row["frame"]): SliceOutcome(
            path=row["path"],
            frame=row["frame"],
            status=FileStatus(row["status"]),
            reason=row["reason"] and Reason[row["reason"]],
            position_mm=row["position_mm"],
            offset_mm=offsets.get(slice_key(row["SOPInstanceUID"] or row["path"], row["frame"], key)),
            z_index=row["z_index"],
        )
        for row in read_table(output.files)
    }


def _unknown(header: SliceHeader) -> SliceOutcome:
    """Return the outcome of a file that is in no finished series: skipped for its own reason."""
    reason = header.refusal[0] if header.refusal else Reason.NOT_CT
    return SliceOutcome(header.file.path, header.frame, FileStatus.SKIPPED, reason)


def _index_row(scanned: ScannedSeries) -> dict[str, Any]:
    headers = scanned.series.slices
    return {
        **{name: value for name, value in scanned.identifiers.items() if name in INDEX_COLUMNS},
        "folder": os.path.commonpath([header.file.folder for header in headers]),
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
        "slice_key": slice_key(header.identity.sop_instance_uid or header.file.path, header.frame, key),
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


def slice_key(name: str, frame: int | None, key: PseudonymKey) -> str:
    """Return the pseudonym of a slice, by its SOPInstanceUID or, without one, its path."""
    return key.keyed_hash("slice", name, str(frame or ""))
