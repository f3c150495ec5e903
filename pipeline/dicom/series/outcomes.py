"""What became of each slice: part of a volume, set aside, dropped, or refused with its series."""

from collections.abc import Iterable
from dataclasses import replace

from pipeline.dicom.headers.slice import Series, SliceHeader
from pipeline.dicom.stack.stack import Stack, build_stack
from pipeline.record import SliceOutcome
from pipeline.vocabulary import FileStatus, Reason, Stage, Status


def describe_used(series: Series, stack: Stack, copies: Iterable[SliceHeader]) -> tuple[SliceOutcome, ...]:
    """Return the outcomes of a series that became a volume; ``copies`` are its identical duplicates."""
    used = [_placed(header, FileStatus.USED, None, stack, z) for z, header in enumerate(stack.slices)]
    dropped = [_outcome(header, FileStatus.SKIPPED, Reason.DUPLICATE_POSITION) for header in copies]
    aside = [outcome for header in series.slices if (outcome := _set_aside(header))]
    return tuple(used + dropped + aside)


def describe_refused(series: Series, reason: Reason) -> tuple[SliceOutcome, ...]:
    """Return the outcomes of a series that was refused for a reason; a slice's own reason comes first.

    The outcomes hold the slices' positions where these were good enough to be checked.
    """
    status = FileStatus.SKIPPED if reason.status is Status.EXCLUDED else FileStatus.REJECTED
    if reason.stage in {Stage.GEOMETRY, Stage.VALUES}:
        stack = build_stack(series.images)
        placed = [
            replace(_placed(header, status, reason, stack, k), z_index=None) for k, header in enumerate(stack.slices)
        ]
        return (*placed, *(outcome for header in series.slices if (outcome := _set_aside(header))))
    return tuple(_refused_outcome(header, status, reason) for header in series.slices)


def _placed(header: SliceHeader, status: FileStatus, reason: Reason | None, stack: Stack, k: int) -> SliceOutcome:
    reason = header.refusal[0] if header.refusal else reason
    x, y = stack.offsets_mm[k].tolist()
    return SliceOutcome(header.file.path, header.frame, status, reason, float(stack.positions_mm[k]), (x, y), k)


def _refused_outcome(header: SliceHeader, status: FileStatus, reason: Reason) -> SliceOutcome:
    if header.refusal:
        return _outcome(header, FileStatus.REJECTED, header.refusal[0])
    return _set_aside(header) or _outcome(header, status, reason)


def _set_aside(header: SliceHeader) -> SliceOutcome | None:
    """Return the outcome of an object that is left out of any volume, None for an image."""
    if not header.is_ct:
        return _outcome(header, FileStatus.SKIPPED, Reason.NOT_CT)
    return _outcome(header, FileStatus.SKIPPED, Reason.LOCALIZER) if header.is_localizer else None


def _outcome(header: SliceHeader, status: FileStatus, reason: Reason) -> SliceOutcome:
    return SliceOutcome(header.file.path, header.frame, status, reason)
