"""Which spectral images hold Hounsfield units, and which a map of something else."""

from pipeline.dicom.headers.slice import SliceHeader

NO_HU_WORDS = frozenset({"EFF_ATOMIC_NUM", "ELECTRON_DENSITY", "MAT_FRACTIONAL"})
"""Defined terms of ImageType that never stand for Hounsfield units (PS3.3 C.8.2.1.1.1), whatever RescaleType says."""
MATERIAL_WORD = "MAT_SPECIFIC"
"""A map of one material, iodine most often: attenuation only where RescaleType says so, else a concentration."""


def is_material_map(header: SliceHeader) -> bool:
    """Report a map of effective atomic numbers, of density or of one material's concentration."""
    words = set(header.identity.image_type[2:])
    is_concentration = MATERIAL_WORD in words and header.rescale.kind not in {"HU", "HU_MOD"}
    return is_concentration or not NO_HU_WORDS.isdisjoint(words)
