"""What one slice's header alone gives cause to warn of."""

import re
from functools import lru_cache

from pipeline.dicom.files.structure import Element
from pipeline.dicom.files.values import (
    DECIMAL_VRS,
    LONGEST_REMEMBERED,
    REMEMBERED,
    Values,
    decoded_text,
    is_single_valued,
    keyword_of,
)
from pipeline.privacy import is_unsafe_text
from pipeline.vocabulary import SeriesWarning

UID = re.compile(r"[0-9]+(\.[0-9]+)*")
LONGEST_UID = 64
REQUIRED = frozenset(
    {"Modality", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "SamplesPerPixel"}
    | {"PhotometricInterpretation", "PixelRepresentation", "ImageOrientationPatient", "ImagePositionPatient"}
    | {"PixelSpacing", "RescaleSlope", "RescaleIntercept"}
)
"""What a volume cannot do without: a flaw in one of these refuses the series, and is no warning."""


def header_warnings(values: Values) -> set[SeriesWarning]:
    """Return the warnings of one slice."""
    found = {
        SeriesWarning.W_ID_MISSING: not values.text("PatientID"),
        SeriesWarning.W_UID_INVALID: not all(
            is_uid(values.text(keyword)) for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
        ),
        SeriesWarning.W_LOSSY: values.text("LossyImageCompression") == "01",
        SeriesWarning.W_MONOCHROME1: values.text("PhotometricInterpretation") == "MONOCHROME1",
        SeriesWarning.W_BURNED_IN: values.text("BurnedInAnnotation") == "YES",
        SeriesWarning.W_TAG_UNPARSED: any(_is_unparsed(values, element) for element in values.elements.values()),
    }
    return {warning for warning, holds in found.items() if holds} | _text_warnings(values)


def is_uid(text: str) -> bool:
    """Report whether a text is a unique identifier (PS3.5 section 9.1)."""
    return len(text) <= LONGEST_UID and UID.fullmatch(text) is not None


def _is_unparsed(values: Values, element: Element) -> bool:
    if element.vr not in DECIMAL_VRS or not element.value.strip(b" \0"):
        return False
    return values.verbatim(element) is None and keyword_of(element.tag) not in REQUIRED


def _text_warnings(values: Values) -> frozenset[SeriesWarning]:
    return frozenset().union(*(_warnings_of(element, values.encodings) for element in values.text_elements()))


def _warnings_of(element: Element, encodings: tuple[str, ...]) -> frozenset[SeriesWarning]:
    judge = _text_warnings_of if len(element.value) <= LONGEST_REMEMBERED else _text_warnings_of.__wrapped__
    return judge(element.tag, element.vr, element.value, encodings)


@lru_cache(maxsize=REMEMBERED)
def _text_warnings_of(tag: int, vr: str, raw: bytes, encodings: tuple[str, ...]) -> frozenset[SeriesWarning]:
    text, fits = decoded_text(raw, encodings)
    found = {
        SeriesWarning.W_CHARSET: not fits,
        SeriesWarning.W_TEXT_SANITISED: is_unsafe_text(text, vr, single_valued=is_single_valued(tag)),
    }
    return frozenset(warning for warning, holds in found.items() if holds)
