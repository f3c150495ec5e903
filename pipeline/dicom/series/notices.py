"""What there is to warn of in an accepted series: its slices' own warnings, and those that only the whole shows."""

from pipeline.dicom.files.encoding import LOSSY_SYNTAXES
from pipeline.dicom.headers.parts import RECONSTRUCTION
from pipeline.dicom.headers.slice import Series, SliceHeader
from pipeline.dicom.stack.constants import list_constants
from pipeline.dicom.stack.stack import Stack
from pipeline.vocabulary import SeriesWarning, Verdict

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
        SeriesWarning.W_SPACING_JITTER: stack.has_jitter,
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
