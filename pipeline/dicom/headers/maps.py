"""What a header says of its values: the unit that RescaleType means, and whether an image is a map and no scan.

Maps of perfusion, of one material, of density or of effective atomic numbers are often stored as CT images.  The words
are those of PS3.3 C.8.2.1.1.1 and C.8.16.1.4, and of Siemens, GE, Philips, Canon and RAPID.  What ImageType calls a map
is one; where the header is not as clear, the values decide.
"""

import re
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.dicom.headers.slice import SliceHeader

HOUNSFIELD = re.compile(
    r"H\.?U\.?'?S?|HU[ _-]?UNITS?|HOU?N[DT]?S?F(?:IE|EI|E|I)LD(?:'?S)?(?:[ _-]*(?:UNITS?|\(?HU\)?))*"
)
"""Spellings of the unit, in capitals."""
TAKEN_FOR_HU = frozenset({"HU", "HU_MOD", "US", "UNSPECIFIED", ""})
"""Units that are read as Hounsfield units."""
UNSPECIFIED = frozenset({"US", "UNSPECIFIED", ""})
"""Units that do not say what the values are."""
REMEMBERED = 1024

NO_HU_WORDS = frozenset({"EFF_ATOMIC_NUM", "ELECTRON_DENSITY", "MAT_FRACTIONAL"})
"""Defined terms of ImageType that never stand for Hounsfield units (PS3.3 C.8.2.1.1.1), with any RescaleType."""
MATERIAL_WORD = "MAT_SPECIFIC"
"""A map of one material, iodine most often: attenuation only where RescaleType says so, else a concentration."""


class Kind(StrEnum):
    """A kind of image that a text may name."""

    PERFUSION = "perfusion"
    """A map of a parameter of perfusion."""
    MATERIAL = "material"
    """A map of a material, of density or of atomic numbers; or a scan of it."""
    VAGUE = "vague"
    """A map or the scan that it was made of: the text does not say which."""
    HOUNSFIELD = "hounsfield"
    """A monoenergetic or virtual image, in Hounsfield units."""
    PHANTOM = "phantom"
    """A scan of a phantom."""


MAP_KINDS = frozenset({Kind.PERFUSION, Kind.MATERIAL})
DOUBTFUL_KINDS = MAP_KINDS | {Kind.VAGUE}
WORDS = {
    Kind.PERFUSION: (
        r"[RQ]?[CRHP]?B[FV]|[RQ]?MTT|TTP|TTD|TTS|T ?MAX|TIME TO (?:PEAK|DRAIN|START|MAX(?:IMUM)?)|MEAN TRANSIT"
        r"|BLOOD (?:FLOW|VOLUME)|PERMEABILITY|FLOW EXTRACTION|K ?TRANS|PERFUSION (?:MAP|INDEX)|T TEST|Z SCORE|PENUMBRA"
    ),
    Kind.MATERIAL: (
        r"IOD(?:INE?|E|O)?|JOD|Z ?EFF(?:ECTIVE)?|EFF(?:ECTIVE)? ?Z|EFF(?:ECTIVE)? ATOMIC|DENSITY|RHO|EDW"
        r"|FAT (?:FRACTION|MAP|WATER)|WATER|ECV|GSI MD|MD|MAT FRACTIONAL|MG ?ML"
    ),
    Kind.VAGUE: r"PERFUSION|PERF|CTP|FAT|CALCIUM|URIC ACID|GADOLINIUM|XENON|DYNAMIC",
    Kind.HOUNSFIELD: (
        r"VNCA?|VUE|VMI|MONO[A-Z]*|\d*KEV|VIRTUAL (?:NON|UN|MONO|TRUE)[A-Z]*|MAT (?:REMOVED|MODIFIED)"
        r"|(?:NON|UN|TRUE) ?CONTRAST|UNENHANCED|REMOVED|SUPPRESS[A-Z]*"
    ),
    Kind.PHANTOM: r"PHANTOMS?|QA|QC|CAL|CALIBRATION|CATPHAN|ACR|INSERTS?|VIALS?",
}
"""Words in capitals, between which are spaces."""
PATTERNS = {kind: re.compile(rf"(?<![A-Z])(?:{words})(?![A-Z])") for kind, words in WORDS.items()}
WORD_START, SEPARATORS = re.compile(r"(?<=[a-z])(?=[A-Z])"), re.compile(r"[^A-Z0-9]+")


@lru_cache(maxsize=REMEMBERED)
def find_kinds(text: str) -> tuple[Kind, ...]:
    """Return the kinds of image that a text names, whole words only, in any case and with any separators."""
    plain = SEPARATORS.sub(" ", WORD_START.sub(" ", text).upper())
    return tuple(kind for kind, pattern in PATTERNS.items() if pattern.search(plain))


@lru_cache(maxsize=REMEMBERED)
def parse_unit(rescale_type: str) -> str:
    """Return the unit that a RescaleType means, in capitals: HU for any spelling of Hounsfield."""
    unit = rescale_type.strip(" \0").upper()
    parts = {part.strip(" \0") for part in unit.split("\\")}
    return "HU" if all(HOUNSFIELD.fullmatch(part) for part in parts) else unit


def is_map(header: "SliceHeader") -> bool:
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


def may_be_map(header: "SliceHeader") -> bool:
    """Report an image that may be a map by its header; of an original in Hounsfield units only a clear word says so."""
    typed, described = _kinds_of_type(header), set(header.identity.described_kinds)
    if MATERIAL_WORD in header.identity.image_type[2:] or not typed.isdisjoint(MAP_KINDS):
        return True
    if Kind.PHANTOM in described and (is_original(header) or says_hu(header)):
        return False
    if is_original(header) and says_hu(header):
        return Kind.PERFUSION in described
    return not DOUBTFUL_KINDS.isdisjoint(typed | described)


def is_original(header: "SliceHeader") -> bool:
    """Report an image that is not derived from others (PS3.3 C.7.6.1.1.2)."""
    return header.identity.image_type[:1] == ("ORIGINAL",)


def says_hu(header: "SliceHeader") -> bool:
    """Report an image whose RescaleType says that it is in Hounsfield units."""
    return header.rescale.unit in {"HU", "HU_MOD"}


def _kinds_of_type(header: "SliceHeader") -> set[Kind]:
    return {kind for word in header.identity.image_type[2:] for kind in find_kinds(word)}
