"""What became of each slice: part of a volume, set aside, dropped, or refused with its series."""

from collections.abc import Iterable

from pipeline.dicom.slice import Series, SliceHeader
from pipeline.dicom.stack import Stack
from pipeline.record import SliceOutcome
from pipeline.vocabulary import FileStatus, Reason, Status


def used_outcomes(series: Series, stack: Stack, copies: Iterable[SliceHeader]) -> tuple[SliceOutcome, ...]:
    """Return the outcomes of a series that became a volume; ``copies`` are its identical duplicates."""
    used = [
        SliceOutcome(header.file.path, header.frame, FileStatus.USED, None, position, (offset[0], offset[1]), z)
        for z, (header, position, offset) in enumerate(
            zip(stack.slices, stack.positions_mm.tolist(), stack.offsets_mm.tolist(), strict=True)
        )
    ]
    dropped = [_outcome(header, FileStatus.SKIPPED, Reason.DUPLICATE_POSITION) for header in copies]
    aside = [outcome for header in series.slices if (outcome := _set_aside(header))]
    return tuple(used + dropped + aside)


def refused_outcomes(series: Series, reason: Reason) -> tuple[SliceOutcome, ...]:
    """Return the outcomes of a series that was refused for a reason; a slice's own reason comes first."""
    return tuple(_refused_outcome(header, reason) for header in series.slices)


def _refused_outcome(header: SliceHeader, reason: Reason) -> SliceOutcome:
    if header.refusal:
        return _outcome(header, FileStatus.REJECTED, header.refusal[0])
    status = FileStatus.SKIPPED if reason.status is Status.EXCLUDED else FileStatus.REJECTED
    return _set_aside(header) or _outcome(header, status, reason)


def _set_aside(header: SliceHeader) -> SliceOutcome | None:
    """Return the outcome of an object that is left out of any volume, None for an image."""
    if not header.is_ct:
        return _outcome(header, FileStatus.SKIPPED, Reason.NOT_CT)
    return _outcome(header, FileStatus.SKIPPED, Reason.LOCALIZER) if header.is_localizer else None


def _outcome(header: SliceHeader, status: FileStatus, reason: Reason) -> SliceOutcome:
    return SliceOutcome(header.file.path, header.frame, status, reason)
