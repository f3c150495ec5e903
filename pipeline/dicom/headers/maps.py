"""Maps stored as CT images: what the header of an image says of it.

What ImageType calls a map is one.  Where the header is not as clear, the values decide.
"""

from pipeline.dicom.headers.slice import SliceHeader
from pipeline.dicom.headers.units import UNSPECIFIED, Kind, find_kinds

NO_HU_WORDS = frozenset({"EFF_ATOMIC_NUM", "ELECTRON_DENSITY", "MAT_FRACTIONAL"})
"""Defined terms of ImageType that never stand for Hounsfield units (PS3.3 C.8.2.1.1.1), with any RescaleType."""
MATERIAL_WORD = "MAT_SPECIFIC"
"""A map of one material, iodine most often: attenuation only where RescaleType says so, else a concentration."""
MAP_KINDS = frozenset({Kind.PERFUSION, Kind.MATERIAL})
DOUBTFUL_KINDS = MAP_KINDS | {Kind.VAGUE}


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


def is_original(header: SliceHeader) -> bool:
    """Report an image that is not derived from others (PS3.3 C.7.6.1.1.2)."""
    return header.identity.image_type[:1] == ("ORIGINAL",)


def says_hu(header: SliceHeader) -> bool:
    """Report an image whose RescaleType says that it is in Hounsfield units."""
    return header.rescale.unit in {"HU", "HU_MOD"}


def _kinds_of_type(header: SliceHeader) -> set[Kind]:
    return {kind for word in header.identity.image_type[2:] for kind in find_kinds(word)}
