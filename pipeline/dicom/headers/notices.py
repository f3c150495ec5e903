"""Warnings that follow from one slice's header alone."""

import re
from functools import lru_cache

from pipeline.dicom.files.element import Element
from pipeline.dicom.files.values import (
    DECIMAL_VRS,
    REMEMBERED,
    TEXT_VRS,
    decode_text,
    is_single_valued,
    keyword_of,
    parse_numbers,
    tag_of,
)
from pipeline.dicom.headers.parts import Part, Reader
from pipeline.dicom.headers.slice import Identity
from pipeline.privacy import is_unsafe_text
from pipeline.vocabulary import SeriesWarning

UID = re.compile(r"[0-9]+(\.[0-9]+)*")
LONGEST_UID = 64
NO_WARNING: frozenset[SeriesWarning] = frozenset()
REQUIRED = frozenset(
    {"Modality", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "SamplesPerPixel"}
    | {"PhotometricInterpretation", "PixelRepresentation", "ImageOrientationPatient", "ImagePositionPatient"}
    | {"PixelSpacing", "RescaleSlope", "RescaleIntercept"}
)
"""What a volume cannot do without: a flaw in one of these refuses the series, and is no warning."""


def check_keywords(reader: Reader) -> frozenset[SeriesWarning]:
    """Return the warnings that certain elements give, found by their keywords."""
    values = reader.values
    found = {
        SeriesWarning.W_ID_MISSING: not values.text("PatientID"),
        SeriesWarning.W_LOSSY: values.text("LossyImageCompression") == "01",
        SeriesWarning.W_MONOCHROME1: values.text("PhotometricInterpretation") == "MONOCHROME1",
        SeriesWarning.W_BURNED_IN: values.text("BurnedInAnnotation") == "YES",
    }
    return frozenset(warning for warning, holds in found.items() if holds)


KEYWORD_WARNINGS = Part(
    "warnings",
    check_keywords,
    tuple(map(tag_of, ("PatientID", "LossyImageCompression", "PhotometricInterpretation", "BurnedInAnnotation"))),
)


def check_uids(identity: Identity) -> frozenset[SeriesWarning]:
    """Return a warning where study, series or object have no valid unique identifier."""
    uids = identity.study_instance_uid, identity.series_instance_uid, identity.sop_instance_uid
    return NO_WARNING if all(map(is_uid, uids)) else frozenset({SeriesWarning.W_UID_INVALID})


def check_element(element: Element, encodings: tuple[str, ...]) -> frozenset[SeriesWarning]:
    """Return the warnings that any text or decimal number gives that cannot be taken as it is."""
    if element.vr in DECIMAL_VRS:
        return frozenset({SeriesWarning.W_TAG_UNPARSED}) if _is_unparsed(element) else NO_WARNING
    if element.vr not in TEXT_VRS:
        return NO_WARNING
    text, fits = decode_text(element.value, encodings)
    found = {
        SeriesWarning.W_CHARSET: not fits,
        SeriesWarning.W_TEXT_SANITISED: is_unsafe_text(text, element.vr, single_valued=is_single_valued(element.tag)),
    }
    return frozenset(warning for warning, holds in found.items() if holds)


def _is_unparsed(element: Element) -> bool:
    if not element.value.strip(b" \0") or keyword_of(element.tag) in REQUIRED:
        return False
    return parse_numbers(element, little_endian=True) is None


@lru_cache(maxsize=REMEMBERED)
def is_uid(text: str) -> bool:
    """Report whether a text is a unique identifier (PS3.5 section 9.1)."""
    return len(text) <= LONGEST_UID and UID.fullmatch(text) is not None
