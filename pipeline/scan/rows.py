"""Rows of the inventory of files: one per file, or a frame of one, with what its header alone says became of it."""

from collections.abc import Iterable
from typing import Any

from pipeline.dicom.headers.slice import Series, SliceHeader
from pipeline.dicom.series.outcomes import describe_refused
from pipeline.output.tables import pack_rows
from pipeline.privacy import PseudonymKey
from pipeline.record import ColumnType, SliceOutcome
from pipeline.vocabulary import FileStatus, Reason, Refusal

ROW_COLUMNS: dict[str, ColumnType] = {
    "path": "path",
    "frame": "integer",
    "size": "integer",
    "mtime_ns": "integer",
    "SOPInstanceUID": "text",
    "InstanceNumber": "integer",
    "slice_key": "text",
    "rows": "integer",
    "columns": "integer",
    "transfer_syntax": "text",
    "status": "text",
    "reason": "text",
    "position_mm": "number",
    "offset_mm": "numbers",
    "z_index": "integer",
}
OUTCOME_COLUMNS = ("status", "reason", "position_mm", "offset_mm", "z_index")
"""Those that are others once pixels were read."""


def pack_inventory(volume: Series, refusal: Refusal | None, key: PseudonymKey) -> bytes:
    """Return the rows of a volume's files in the order of their paths, packed."""
    judged = describe_refused(volume, refusal[0]) if refusal else ()
    outcomes = {(one.path, one.frame): one for one in judged}
    return pack_rows(ROW_COLUMNS, build_rows(volume.slices, key, outcomes))


def build_rows(
    slices: Iterable[SliceHeader], key: PseudonymKey, outcomes: dict[tuple[str, int | None], SliceOutcome] | None = None
) -> list[dict[str, Any]]:
    """Return a row for each slice; one without an outcome has the one that its header gives."""
    known = outcomes or {}
    rows = []
    for header in slices:
        outcome = known.get((header.file.path, header.frame)) or judge_slice(header)
        rows.append(build_row(header, outcome, key))
    return rows


def build_row(header: SliceHeader, outcome: SliceOutcome, key: PseudonymKey) -> dict[str, Any]:
    """Return what both tables say of a slice."""
    return {
        "path": header.file.path,
        "frame": header.frame,
        "size": header.file.size,
        "mtime_ns": header.file.mtime_ns,
        "SOPInstanceUID": header.identity.sop_instance_uid or None,
        "InstanceNumber": header.instance_number,
        "slice_key": key.slice_key(header.identity.sop_instance_uid or header.file.path, header.frame),
        "rows": header.pixels.rows or None,
        "columns": header.pixels.columns or None,
        "transfer_syntax": header.pixels.transfer_syntax or None,
        "status": outcome.status,
        "reason": outcome.reason,
        "position_mm": outcome.position_mm,
        "offset_mm": outcome.offset_mm,
        "z_index": outcome.z_index,
    }


def judge_slice(header: SliceHeader) -> SliceOutcome:
    """Return the outcome of a file that is in no finished series: skipped for its own reason.

    A CT image has none until its pixels are read.
    """
    status: FileStatus | None = FileStatus.SKIPPED
    reason: Reason | None
    if header.refusal:
        reason = header.refusal[0]
    elif not header.is_ct:
        reason = Reason.NOT_CT
    elif header.is_localizer:
        reason = Reason.LOCALIZER
    else:
        status, reason = None, None
    return SliceOutcome(header.file.path, header.frame, status, reason)
