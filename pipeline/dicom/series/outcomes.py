"""What came of a series: the warnings it carries, and whether each slice was used, set aside, dropped or refused."""

from collections.abc import Iterable
from dataclasses import replace

from pipeline.dicom.files.encoding import LOSSY_SYNTAXES
from pipeline.dicom.headers.parts import RECONSTRUCTION
from pipeline.dicom.headers.slice import Series, SliceHeader
from pipeline.dicom.stack.checks import describe_rounded_spacing, list_constants
from pipeline.dicom.stack.stack import Stack, build_stack
from pipeline.record import SliceOutcome
from pipeline.vocabulary import FileStatus, Reason, SeriesWarning, Stage, Status, Verdict

SPECTRAL_WORDS = ("MONO", "VMI", "VIRTUAL", "VNC", "SPECTRAL")
"""Parts of ImageType's values from the third on, by which vendors mark spectral reconstructions."""
SPACING_TAG_SHARE, SPACING_TAG_MM = 0.1, 0.06
"""How far SpacingBetweenSlices may be from the measured step."""


def find_warnings(series: Series, stack: Stack) -> set[SeriesWarning]:
    """Return the warnings that headers and geometry of an accepted ``stack``, the slices that are used, give."""
    slices = stack.slices
    found = {
        SeriesWarning.W_LOCALIZER_DROPPED: any(header.is_localizer for header in series.slices),
        SeriesWarning.W_UID_DUPLICATE: _repeats_uid(slices),
        SeriesWarning.W_DERIVED: any("DERIVED" in header.identity.image_type[:1] for header in slices),
        SeriesWarning.W_IMAGE_TYPE: any(len(header.identity.image_type) < 3 for header in slices),
        SeriesWarning.W_LOSSY: any(header.pixels.transfer_syntax in LOSSY_SYNTAXES for header in slices),
        SeriesWarning.W_SPECTRAL: any(is_spectral(header) for header in slices),
        SeriesWarning.W_RESCALE_VARIES: len({(h.rescale.slope, h.rescale.intercept) for h in slices}) > 1,
        SeriesWarning.W_RESCALE_TYPE: any(_is_taken_for_hu(header) for header in slices),
        SeriesWarning.W_GANTRY_TILT: stack.is_tilted,
        SeriesWarning.W_GAP_INTERPOLATED: stack.verdict == Verdict.GAP,
        SeriesWarning.W_SPACING_RESAMPLED: stack.verdict == Verdict.UNEVEN,
        SeriesWarning.W_SPACING_JITTER: stack.has_jitter or bool(describe_rounded_spacing(slices)),
        SeriesWarning.W_SPACING_TAG: any(_says_other_spacing(header, stack) for header in slices),
        SeriesWarning.W_SPARSE_SLICES: stack.reach is not None,
        SeriesWarning.W_MIXED_SERIES: _is_mixed(slices),
        SeriesWarning.W_PIXELS_PADDED: any(_has_spare_bytes(header) for header in slices),
    }
    own = {warning for header in slices for warning in header.warnings}
    return own | {warning for warning, holds in found.items() if holds}


def _is_mixed(slices: tuple[SliceHeader, ...]) -> bool:
    constants = list_constants(slices)
    return any(len(set(constants[element])) > 1 for element in RECONSTRUCTION)


def is_spectral(header: SliceHeader) -> bool:
    """Report a monoenergetic, virtual or other derived spectral image."""
    words = header.identity.image_type[2:]
    return header.rescale.unit == "HU_MOD" or any(part in word for word in words for part in SPECTRAL_WORDS)


def _is_taken_for_hu(header: SliceHeader) -> bool:
    """Report values that a header does not call Hounsfield units: another type, or no rescale where that is allowed."""
    lacks_rescale = not {"RescaleSlope", "RescaleIntercept"}.isdisjoint(header.flaws)
    return lacks_rescale or header.rescale.kind not in {"HU", "HU_MOD", ""}


def _repeats_uid(slices: tuple[SliceHeader, ...]) -> bool:
    uids = [(header.identity.sop_instance_uid, header.frame) for header in slices if header.identity.sop_instance_uid]
    return len(set(uids)) < len(uids)


def _says_other_spacing(header: SliceHeader, stack: Stack) -> bool:
    nominal = header.plane.spacing_between_slices
    if not nominal or stack.verdict == Verdict.UNEVEN:
        return False
    steps = (stack.step_mm, stack.geometry().spacing_mm.z)
    return all(abs(abs(nominal) - step) > max(SPACING_TAG_SHARE * step, SPACING_TAG_MM) for step in steps)


def _has_spare_bytes(header: SliceHeader) -> bool:
    pixels = header.pixels
    return not pixels.encapsulated and pixels.length > pixels.frame_bytes * pixels.n_frames + 1


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
