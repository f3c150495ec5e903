"""Why a series cannot become a volume: one small named check a reason, in the order of the vocabulary.

A check gets slices and returns what is wrong, or None.  Its docstring is the rule that it checks.
"""

from collections.abc import Callable, Sequence

import numpy as np

from pipeline.dicom.files.encoding import COMPRESSED_SYNTAXES, NATIVE_SYNTAXES
from pipeline.dicom.files.values import Flaw
from pipeline.dicom.headers.maps import TAKEN_FOR_HU, is_map
from pipeline.dicom.headers.parts import FARTHEST_MM, LARGEST_SPACING_MM, SMALLEST_SPACING_MM
from pipeline.dicom.headers.slice import CT_IMAGE, Series, SliceHeader
from pipeline.dicom.policy import Policy
from pipeline.dicom.series.split import describe_missing_parts
from pipeline.dicom.stack.checks import is_one_spacing
from pipeline.dicom.stack.stack import unit_directions
from pipeline.geometry import Xyz
from pipeline.vocabulary import Reason, Refusal, Stage

OF_EVERY_FILE = frozenset({Stage.ACCESS, Stage.FILE, Stage.OBJECT})
"""Stages in which every file of a series is checked; in later ones only its images are."""

UNIT_TOLERANCE = 2e-3
"""How far direction cosines written with three decimals may be from unit length and right angles."""
PARALLEL_TOLERANCE = 1e-3
"""How far the directions of two slices of one stack may differ: a quarter of a millimetre over a body."""

ALLOWED = {
    "PixelSpacing": f"{SMALLEST_SPACING_MM:g} to {LARGEST_SPACING_MM:g} mm are allowed",
    "ImagePositionPatient": f"up to {FARTHEST_MM / 1e6:g} km from the origin are allowed",
    "RescaleSlope": "it must be above 0",
}
"""The limits of what a required element may hold, for the message where it is beyond."""

Slices = Sequence[SliceHeader]
Check = Callable[[Slices, Policy], str | None]
Orientation = tuple[Xyz | None, Xyz | None]
"""The directions of a slice's rows and of its columns."""


def check_headers(series: Series, policy: Policy) -> Refusal | None:
    """Return the first reason that the headers give against a series, before its stack is built.

    Checks of the stages OF_EVERY_FILE get every file; the others only the images.
    """
    for reason in Reason:
        slices = series.slices if reason.stage in OF_EVERY_FILE else series.images
        detail = _own_detail(slices, reason)
        if detail is None and reason in HEADER_CHECKS:
            detail = HEADER_CHECKS[reason](slices, policy)
        if detail is not None:
            return reason, detail
    return None


def _own_detail(slices: Slices, reason: Reason) -> str | None:
    return next((header.refusal[1] for header in slices if header.refusal and header.refusal[0] == reason), None)


def _counted(slices: Slices, what: str, holds: Callable[[SliceHeader], bool]) -> str | None:
    """Say how many slices something holds for, None where it is none."""
    n = sum(holds(header) for header in slices)
    return f"{what} in {n} of {len(slices)} slices" if n else None


def _counted_by_orientation(slices: Slices, what: str, holds: Callable[[SliceHeader], bool]) -> str | None:
    """Count slices by something that depends on the orientation alone; each orientation is checked once."""
    found = {orientation for orientation, header in {_orientation(h): h for h in slices}.items() if holds(header)}
    return _counted(slices, what, lambda h: _orientation(h) in found) if found else None


def _orientation(header: SliceHeader) -> Orientation:
    return header.plane.row_direction, header.plane.column_direction


def _over_limit(slices: Slices, policy: Policy) -> str | None:
    """A series declares no more slices and voxels than the limits allow."""
    limits = policy.limits
    n_slices = sum(max(1, header.pixels.n_frames) if header.frame is None else 1 for header in slices)
    if n_slices > limits.max_slices:
        return f"{n_slices} slices are over max_slices {limits.max_slices}"
    n_voxels = sum(header.pixels.rows * header.pixels.columns for header in slices)
    largest = max((header.pixels.rows * header.pixels.columns * header.pixels.n_frames for header in slices), default=0)
    n_voxels = max(n_voxels, largest)
    return f"{n_voxels} voxels are over max_voxels {limits.max_voxels}" if n_voxels > limits.max_voxels else None


def _over_file_size(slices: Slices, policy: Policy) -> str | None:
    """One native image is no larger than a file may be."""
    limit_mb = policy.limits.max_file_mb
    return _counted(slices, f"pixels over max_file_mb {limit_mb}", lambda h: h.pixels.frame_bytes > limit_mb << 20)


def _limits(slices: Slices, policy: Policy) -> str | None:
    return _over_limit(slices, policy) or _over_file_size(slices, policy)


def _transfer_syntax(slices: Slices, _: Policy) -> str | None:
    """A CT image's transfer syntax is known and has a decoder."""
    known = NATIVE_SYNTAXES | COMPRESSED_SYNTAXES
    return _counted(slices, "no decoder", lambda h: h.is_ct and h.pixels.transfer_syntax not in known)


def _not_ct(slices: Slices, _: Policy) -> str | None:
    """At least one object is a CT image."""
    return None if any(header.is_ct for header in slices) else "no object of the series is a CT image"


def _localizer(slices: Slices, _: Policy) -> str | None:
    """At least one CT image is no localizer."""
    images = [header for header in slices if header.is_ct]
    return "every image is a localizer" if all(header.is_localizer for header in images) else None


def _multiframe(slices: Slices, _: Policy) -> str | None:
    """A classic CT image has one frame (PS3.3 A.3), and a concatenation all of its parts."""
    return describe_missing_parts(tuple(slices)) or _counted(
        slices,
        "several frames in a classic CT image",
        lambda h: h.identity.sop_class_uid in {CT_IMAGE, ""} and h.pixels.n_frames > 1,
    )


def _identity_conflict(slices: Slices, _: Policy) -> str | None:
    """A series belongs to one patient and one study."""
    patients = len({header.identity.patient_id for header in slices} - {""})
    studies = len({header.identity.study_instance_uid for header in slices} - {""})
    if patients > 1 or studies > 1:
        return f"{patients} patients and {studies} studies under one series UID"
    return None


def _may_lack(policy: Policy) -> frozenset[str]:
    """Return the elements whose absence is checked elsewhere, or allowed by the policy."""
    rescale = {"RescaleSlope", "RescaleIntercept"} if policy.hounsfield.rescale_missing == "assume_hu" else set()
    return frozenset({"ImagePositionPatient"} | rescale)


def _flawed(slices: Slices, flaw: Flaw, excused: frozenset[str]) -> str | None:
    keywords = {word for header in slices for word, found in header.flaws.items() if found is flaw} - excused
    if not keywords:
        return None
    word = min(keywords)
    what = f"{word} {flaw.value}"
    if flaw is Flaw.INVALID and word in ALLOWED:
        what += f" ({ALLOWED[word]})"
    return _counted(slices, what, lambda header: header.flaws.get(word) is flaw)


def _tag_missing(slices: Slices, policy: Policy) -> str | None:
    """Every required element has a value."""
    return _flawed(_of_integers(slices), Flaw.MISSING, _may_lack(policy))


def _tag_invalid(slices: Slices, _: Policy) -> str | None:
    """Every required element's value can be used, and the bits agree (PS3.5 section 8.1.1)."""
    slices = _of_integers(slices)
    return (
        _flawed(slices, Flaw.INVALID, frozenset())
        or _counted(slices, "BitsStored above BitsAllocated", lambda h: h.pixels.bits_stored > h.pixels.bits_allocated)
        or _counted(slices, "HighBit is not BitsStored - 1", lambda h: h.pixels.high_bit != h.pixels.bits_stored - 1)
    )


def _of_integers(slices: Slices) -> Slices:
    """Return the slices that floating point pixels do not refuse: those need fewer elements (PS3.3 C.7.6.24)."""
    return [header for header in slices if header.pixels.integer]


def _pixel_format(slices: Slices, _: Policy) -> str | None:
    """Pixels are one grey integer of 16 or 32 bits."""
    return (
        _counted(slices, "floating point pixels", lambda h: not h.pixels.integer)
        or _counted(slices, "colour or palette", lambda h: not h.pixels.photometric.startswith("MONOCHROME"))
        or _counted(slices, "several samples a pixel", lambda h: h.pixels.samples != 1)
        or _counted(slices, "BitsAllocated other than 16 or 32", lambda h: h.pixels.bits_allocated not in {16, 32})
    )


def _pixels_missing(slices: Slices, _: Policy) -> str | None:
    """Every slice has pixels."""
    return _counted(slices, "no pixel data", lambda h: h.pixels.offset < 0 or not h.pixels.length)


def _has_wrong_length(header: SliceHeader) -> bool:
    """Report pixel data that is too short, or too long by a row or more: less than that cannot be image."""
    pixels = header.pixels
    if pixels.encapsulated or pixels.transfer_syntax in COMPRESSED_SYNTAXES:
        return False
    extra = pixels.length - pixels.frame_bytes * pixels.n_frames
    return extra < 0 or extra >= pixels.columns * pixels.bits_allocated // 8


def _pixels_length(slices: Slices, _: Policy) -> str | None:
    """Native pixel data is as long as the image, but for padding."""
    return _counted(slices, "pixel data of the wrong length", _has_wrong_length)


def _rescale_not_hu(slices: Slices, _: Policy) -> str | None:
    """Rescaled values are Hounsfield units (PS3.3 C.11.1.1.2)."""
    return (
        _counted(slices, "a RescaleType that is not HU", lambda h: h.rescale.unit not in TAKEN_FOR_HU)
        or _counted(slices, "an ImageType or SeriesDescription of a map, not of HU", is_map)
        or _counted(slices, "a modality LUT", lambda h: h.rescale.has_lut)
    )


def _position_missing(slices: Slices, _: Policy) -> str | None:
    """Every slice has a position."""
    return _counted(slices, "no ImagePositionPatient", lambda h: h.plane.position is None)


def _is_skewed(header: SliceHeader) -> bool:
    row, column = np.array(header.plane.row_direction, float), np.array(header.plane.column_direction, float)
    lengths = np.linalg.norm([row, column], axis=1)
    return bool(np.any(np.abs(lengths - 1) > UNIT_TOLERANCE) or abs(row @ column) > UNIT_TOLERANCE)


def _orientation_invalid(slices: Slices, _: Policy) -> str | None:
    """Row and column directions are unit vectors at right angles (PS3.3 C.7.6.2.1.1)."""
    return _counted_by_orientation(slices, "direction cosines that are no right angle of unit vectors", _is_skewed)


def _mixed_geometry(slices: Slices, _: Policy) -> str | None:
    """Size, spacing, orientation, frame of reference and reconstruction are those of one volume."""
    first_row, first_column, _normal = unit_directions(slices[0])

    def turned(header: SliceHeader) -> bool:
        row, column, _ = unit_directions(header)
        return bool(max(np.abs(row - first_row).max(), np.abs(column - first_column).max()) > PARALLEL_TOLERANCE)

    if detail := _grids(slices):
        return detail
    if detail := _counted_by_orientation(slices, "another orientation than the first", turned):
        return detail
    return _frames_of_reference(slices)


def _grids(slices: Slices) -> str | None:
    """All slices have one size, and pixel spacings that differ by rounding at most."""
    grids = {(h.pixels.rows, h.pixels.columns, h.plane.row_spacing, h.plane.column_spacing) for h in slices}
    rows, columns, row_spacings, column_spacings = zip(*grids, strict=True)
    is_one = (
        len(set(rows)) == len(set(columns)) == 1
        and is_one_spacing(row_spacings, rows[0])
        and is_one_spacing(column_spacings, columns[0])
    )
    return None if is_one else f"{len(grids)} different sizes or pixel spacings"


def _frames_of_reference(slices: Slices) -> str | None:
    """All slices share a frame of reference; one that differs in every file counts as absent."""
    frames = {header.identity.frame_of_reference_uid for header in slices}
    return f"{len(frames)} frames of reference" if 1 < len(frames) < len(slices) else None


HEADER_CHECKS: dict[Reason, Check] = {
    Reason.LIMIT: _limits,
    Reason.TRANSFER_SYNTAX: _transfer_syntax,
    Reason.NOT_CT: _not_ct,
    Reason.LOCALIZER: _localizer,
    Reason.MULTIFRAME: _multiframe,
    Reason.IDENTITY_CONFLICT: _identity_conflict,
    Reason.TAG_MISSING: _tag_missing,
    Reason.TAG_INVALID: _tag_invalid,
    Reason.PIXEL_FORMAT: _pixel_format,
    Reason.PIXELS_MISSING: _pixels_missing,
    Reason.PIXELS_LENGTH: _pixels_length,
    Reason.RESCALE_NOT_HU: _rescale_not_hu,
    Reason.POSITION_MISSING: _position_missing,
    Reason.ORIENTATION_INVALID: _orientation_invalid,
    Reason.MIXED_GEOMETRY: _mixed_geometry,
}
