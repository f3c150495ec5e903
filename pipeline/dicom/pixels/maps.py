"""Maps stored as CT images that hold no Hounsfield units, recognised by their headers and their values together.

What ImageType calls a map is one.  Where the header is not as clear, the values decide: a scan shows air, which lies
far below any value of a map.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.dicom.headers.slice import SliceHeader
from pipeline.dicom.headers.units import UNSPECIFIED, Kind, find_kinds

NO_HU_WORDS = frozenset({"EFF_ATOMIC_NUM", "ELECTRON_DENSITY", "MAT_FRACTIONAL"})
"""Defined terms of ImageType that never stand for Hounsfield units (PS3.3 C.8.2.1.1.1), with any RescaleType."""
MATERIAL_WORD = "MAT_SPECIFIC"
"""A map of one material, iodine most often: attenuation only where RescaleType says so, else a concentration."""
MAP_KINDS = frozenset({Kind.PERFUSION, Kind.MATERIAL})
DOUBTFUL_KINDS = MAP_KINDS | {Kind.VAGUE}

AIR_BELOW_HU = -300
"""Air and lung lie below, and the edge of a body; fat, water and the noise of a map above."""
AIR_SHARE = 0.001
"""A scan shows at least so much of it, in a bowel or a windpipe if not around the body."""
ONE_VALUE_SHARE = 0.97
"""Air of a scan has noise, and an edge to the body; the background of a map has neither, but where it was resampled."""
BACKGROUND_SHARE = 0.25
"""At least so much of a map is its background, all of one value."""

Counts = NDArray[np.int64]


def is_map(header: SliceHeader) -> bool:
    """Report an image that its header calls a map of perfusion, of a material, of density or of atomic numbers."""
    words = set(header.identity.image_type[2:])
    if not NO_HU_WORDS.isdisjoint(words):
        return True
    if MATERIAL_WORD in words:
        return not says_hu(header)
    typed, described = _kinds_of_type(header), set(header.identity.described_kinds)
    if Kind.HOUNSFIELD in typed | described or (is_original(header) and says_hu(header)):
        return False
    is_described = Kind.PERFUSION in described and not is_original(header) and header.rescale.unit in UNSPECIFIED
    return is_described or not typed.isdisjoint(MAP_KINDS)


def may_be_map(header: SliceHeader) -> bool:
    """Report an image that may be a map by its header; of an original in Hounsfield units only a clear word says so."""
    typed, described = _kinds_of_type(header), set(header.identity.described_kinds)
    if MATERIAL_WORD in header.identity.image_type[2:] or not typed.isdisjoint(MAP_KINDS):
        return True
    if Kind.PHANTOM in described and (is_original(header) or says_hu(header)):
        return False
    if is_original(header) and says_hu(header):
        return Kind.PERFUSION in described
    return not DOUBTFUL_KINDS.isdisjoint(typed | described)


def check_map_values(slices: Sequence[SliceHeader], first_bin_hu: int, counts: Counts) -> str | None:
    """Say why the values of a series are those of a map, None where they are of a scan.

    ``counts`` is the histogram of valid voxels in bins of 1 HU.  Values are doubted only where a header gives cause.
    """
    if not counts.any():
        return None
    if any(map(may_be_map, slices)) and not has_air(slices[0], first_bin_hu, counts):
        return "ImageType or SeriesDescription names a map, and the values show no air as a scan does"
    if any(map(_is_derived_without_unit, slices)) and _lies_on_zero(first_bin_hu, counts):
        return "a derived image without a unit, with no value below 0 and a background of 0, as a map has"
    return None


def has_air(header: SliceHeader, first_bin_hu: int, counts: Counts) -> bool:
    """Report values of air; if nearly all are one value, they are the background of a map, but not of an original."""
    air = counts[: max(0, AIR_BELOW_HU - first_bin_hu)]
    if air.sum() < AIR_SHARE * counts.sum():
        return False
    return is_original(header) or bool(air.max() < ONE_VALUE_SHARE * air.sum())


def is_original(header: SliceHeader) -> bool:
    """Report an image that is not derived from others (PS3.3 C.7.6.1.1.2)."""
    return header.identity.image_type[:1] == ("ORIGINAL",)


def says_hu(header: SliceHeader) -> bool:
    """Report an image whose RescaleType says that it is in Hounsfield units."""
    return header.rescale.unit in {"HU", "HU_MOD"}


def _is_derived_without_unit(header: SliceHeader) -> bool:
    return header.identity.image_type[:1] == ("DERIVED",) and header.rescale.unit in UNSPECIFIED


def _lies_on_zero(first_bin_hu: int, counts: Counts) -> bool:
    """Report values of which none is below 0, and many are 0."""
    least = int(np.argmax(counts > 0))
    return first_bin_hu + least == 0 and bool(counts[least] >= BACKGROUND_SHARE * counts.sum())


def _kinds_of_type(header: SliceHeader) -> set[Kind]:
    return {kind for word in header.identity.image_type[2:] for kind in find_kinds(word)}
