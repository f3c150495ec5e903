"""Warnings that follow from one slice's header alone."""

import re
from datetime import date
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
from pipeline.privacy import TextVerdict, judge_text
from pipeline.vocabulary import SeriesWarning

UID = re.compile(r"[0-9]+(\.[0-9]+)*")
LONGEST_UID = 64
TIME_FORM = rb"([01]\d|2[0-3])(:?[0-5]\d(:?([0-5]\d|60)(\.\d*)?)?)?"
DATE_FORMS = {
    "DA": re.compile(rb"(?P<year>\d{4})(?P<dot>\.?)(?P<month>\d\d)(?P=dot)(?P<day>\d\d)"),
    "TM": re.compile(TIME_FORM),
    "DT": re.compile(rb"(?P<year>\d{4})((?P<month>\d\d)((?P<day>\d\d)(" + TIME_FORM + rb")?)?)?([+-]\d{4})?"),
}
DATE_VRS = frozenset(DATE_FORMS)
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


def check_element(element: Element, encodings: tuple[str, ...]) -> tuple[frozenset[SeriesWarning], TextVerdict]:
    """Return the warnings of a text, date, time or decimal number that cannot be taken as it is, and of text why."""
    if element.vr in DECIMAL_VRS or element.vr in DATE_VRS:
        return frozenset({SeriesWarning.W_TAG_UNPARSED}) if _is_unparsed(element) else NO_WARNING, ""
    if element.vr not in TEXT_VRS:
        return NO_WARNING, ""
    text, fits = decode_text(element.value, encodings)
    verdict = judge_text(text, element.vr, single_valued=is_single_valued(element.tag))
    found = {SeriesWarning.W_CHARSET: not fits, SeriesWarning.W_TEXT_SANITISED: bool(verdict)}
    return frozenset(warning for warning, holds in found.items() if holds), verdict


def _is_unparsed(element: Element) -> bool:
    if not element.value.strip(b" \0") or keyword_of(element.tag) in REQUIRED:
        return False
    if element.vr in DATE_VRS:
        return not all(is_date(part.strip(b" \0"), element.vr) for part in element.value.split(b"\\"))
    return parse_numbers(element, little_endian=True) is None


@lru_cache(maxsize=REMEMBERED)
def is_date(text: bytes, vr: str) -> bool:
    """Report whether a text is empty or a date, a time or both as DA, TM or DT write them (PS3.5 section 6.2).

    Dots in a date and colons in a time, as in the standard before DICOM, are read too.
    """
    found = DATE_FORMS[vr].fullmatch(text)
    if not found or not text:
        return not text
    year, month, day = (found.groupdict().get(name) for name in ("year", "month", "day"))
    try:
        return vr == "TM" or bool(date(int(year or 0), int(month or 1), int(day or 1)))
    except ValueError:
        return False


@lru_cache(maxsize=REMEMBERED)
def is_uid(text: str) -> bool:
    """Report whether a text is a unique identifier (PS3.5 section 9.1)."""
    return len(text) <= LONGEST_UID and UID.fullmatch(text) is not None
