"""What one slice's header alone gives cause to warn of."""

import re
from functools import lru_cache

from pipeline.dicom.files.structure import Element
from pipeline.dicom.files.values import (
    DECIMAL_VRS,
    LONGEST_REMEMBERED,
    REMEMBERED,
    TEXT_VRS,
    decode_text,
    is_single_valued,
    keyword_of,
    parse_numbers,
)
from pipeline.dicom.headers.parts import Reader
from pipeline.dicom.headers.slice import Identity
from pipeline.privacy import is_unsafe_text
from pipeline.vocabulary import SeriesWarning

UID = re.compile(r"[0-9]+(\.[0-9]+)*")
LONGEST_UID = 64
NO_WARNING: frozenset[SeriesWarning] = frozenset()
JUDGED_VRS = TEXT_VRS | DECIMAL_VRS
"""What a person may have typed, and numbers written as text."""
REQUIRED = frozenset(
    {"Modality", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "SamplesPerPixel"}
    | {"PhotometricInterpretation", "PixelRepresentation", "ImageOrientationPatient", "ImagePositionPatient"}
    | {"PixelSpacing", "RescaleSlope", "RescaleIntercept"}
)
"""What a volume cannot do without: a flaw in one of these refuses the series, and is no warning."""


def check_keywords(reader: Reader) -> frozenset[SeriesWarning]:
    """Return what elements warn of that are known by their keywords."""
    values = reader.values
    found = {
        SeriesWarning.W_ID_MISSING: not values.text("PatientID"),
        SeriesWarning.W_LOSSY: values.text("LossyImageCompression") == "01",
        SeriesWarning.W_MONOCHROME1: values.text("PhotometricInterpretation") == "MONOCHROME1",
        SeriesWarning.W_BURNED_IN: values.text("BurnedInAnnotation") == "YES",
    }
    return frozenset(warning for warning, holds in found.items() if holds)


def check_uids(identity: Identity) -> frozenset[SeriesWarning]:
    """Return what the unique identifiers of study, series and object warn of."""
    uids = identity.study_instance_uid, identity.series_instance_uid, identity.sop_instance_uid
    return NO_WARNING if all(map(is_uid, uids)) else frozenset({SeriesWarning.W_UID_INVALID})


def check_element(element: Element, encodings: tuple[str, ...]) -> frozenset[SeriesWarning]:
    """Return what an element warns of, whichever it is: a text or a number that cannot be taken as it is."""
    if element.vr not in JUDGED_VRS:
        return NO_WARNING
    judge = _warnings_of if len(element.value) <= LONGEST_REMEMBERED else _warnings_of.__wrapped__
    return judge(element.tag, element.vr, element.value, encodings)


@lru_cache(maxsize=REMEMBERED)
def _warnings_of(tag: int, vr: str, raw: bytes, encodings: tuple[str, ...]) -> frozenset[SeriesWarning]:
    if vr in DECIMAL_VRS:
        return frozenset({SeriesWarning.W_TAG_UNPARSED} if _is_unparsed(tag, vr, raw) else ())
    text, fits = decode_text(raw, encodings)
    found = {
        SeriesWarning.W_CHARSET: not fits,
        SeriesWarning.W_TEXT_SANITISED: is_unsafe_text(text, vr, single_valued=is_single_valued(tag)),
    }
    return frozenset(warning for warning, holds in found.items() if holds)


def _is_unparsed(tag: int, vr: str, raw: bytes) -> bool:
    if not raw.strip(b" \0") or keyword_of(tag) in REQUIRED:
        return False
    return parse_numbers(Element(tag, vr, 0, len(raw), raw), little_endian=True) is None


@lru_cache(maxsize=REMEMBERED)
def is_uid(text: str) -> bool:
    """Report whether a text is a unique identifier (PS3.5 section 9.1)."""
    return len(text) <= LONGEST_UID and UID.fullmatch(text) is not None
