"""Elements to values: text in its character set, numbers as they are written, by keyword.

Follows DICOM PS3.5 section 6.2 and never fails: what cannot be read is a ``Flaw``.
"""

import re
import struct
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache, cached_property, lru_cache
from math import isfinite

from pydicom.charset import decode_bytes, default_encoding, python_encoding
from pydicom.datadict import dictionary_VM as dictionary_vm
from pydicom.datadict import keyword_for_tag, tag_for_keyword
from pydicom.valuerep import TEXT_VR_DELIMS

from pipeline.dicom.files.encoding import Element
from pipeline.record import ElementValue

DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
"""What DS and IS may hold; Python's own float would also take 'nan', 'inf' and '1_000'."""
TEXT_VRS = frozenset({"LO", "SH", "PN", "ST", "LT", "UT", "UC", "CS"})
UNSPLIT_VRS = frozenset({"ST", "LT", "UT", "UR"})
"""Text in which a backslash is a character, not a separator."""
STRING_VRS = TEXT_VRS | {"AE", "AS", "DA", "DT", "TM", "UI", "UR"}
DECIMAL_VRS = frozenset({"DS", "IS"})
WRITTEN_VRS = STRING_VRS | DECIMAL_VRS
"""What stands in the file as text."""
INTEGER_VRS = frozenset({"IS", "US", "SS", "UL", "SL", "UV", "SV", "US or SS"})
BINARY_NUMBERS = {
    "US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d", "UV": "Q", "SV": "q", "US or SS": "H",
}  # fmt: skip
REMEMBERED, LONGEST_REMEMBERED = 4096, 256
"""The slices of a series repeat most bytes: so many values, none longer, are read once."""
LARGEST_INTEGER_STRING = 1 << 31
ESCAPE = b"\x1b"
"""Announces another character set inside a text (ISO 2022)."""
SPECIFIC_CHARACTER_SET = 0x00080005


class Flaw(StrEnum):
    """Why an element gives no value."""

    MISSING = "missing"
    INVALID = "invalid"


@cache
def tag_of(keyword: str) -> int:
    """Return the tag of a keyword of the dictionary; raises ValueError for a word that is none."""
    tag: int | None = tag_for_keyword(keyword)
    if tag is None:
        msg = f"{keyword} is no DICOM keyword"
        raise ValueError(msg)
    return tag


@cache
def keyword_of(tag: int) -> str:
    """Return the keyword of a tag, empty where the dictionary has none (private elements)."""
    return str(keyword_for_tag(tag))


@cache
def is_single_valued(tag: int) -> bool:
    """Report whether the dictionary allows an element one value only; True for what it does not know."""
    try:
        return bool(dictionary_vm(tag) == "1")
    except KeyError:
        return True


@dataclass(frozen=True)
class Values:
    """The values of one data set's elements."""

    elements: Mapping[int, Element]
    little_endian: bool = True

    def __contains__(self, keyword: str) -> bool:
        return tag_of(keyword) in self.elements

    def element(self, keyword: str) -> Element | None:
        """Return the element as it stands in the file."""
        return self.elements.get(tag_of(keyword))

    def text(self, keyword: str) -> str:
        """Return a text as a whole, without padding; empty where the element is absent or empty."""
        element = self.elements.get(tag_of(keyword))
        return "" if element is None else decode_text(element.value, self.encodings)[0]

    def texts(self, keyword: str) -> tuple[str, ...]:
        """Return the parts of a multi-valued text."""
        text = self.text(keyword)
        return tuple(part.strip(" \0") for part in text.split("\\")) if text else ()

    def numbers(self, keyword: str, count: int | None = None) -> tuple[float, ...] | Flaw:
        """Return finite numbers, or why there are none; with ``count`` exactly so many."""
        element = self.element(keyword)
        if element is None or not (element.value.strip(b" \0") if element.vr in DECIMAL_VRS else element.value):
            return Flaw.MISSING
        values = parse_numbers(element, little_endian=self.little_endian)
        if values is None or (count is not None and len(values) != count):
            return Flaw.INVALID
        return values

    def number(self, keyword: str) -> float | Flaw:
        """Return one finite number, or why there is none."""
        values = self.numbers(keyword, count=1)
        return values if isinstance(values, Flaw) else values[0]

    def decode(self, element: Element) -> tuple[str, bool]:
        """Return an element's text, and whether its bytes fit the declared character set."""
        return decode_text(element.value, self.encodings)

    @cached_property
    def encodings(self) -> tuple[str, ...]:
        """Return the character sets of the data set's texts, by Python's names."""
        element = self.elements.get(SPECIFIC_CHARACTER_SET)
        return () if element is None else find_encodings(element.value.decode("ascii", "replace").strip(" \0"))

    def text_elements(self) -> Iterator[Element]:
        """Yield every element that holds text which a person may have typed."""
        return (element for element in self.elements.values() if element.vr in TEXT_VRS)

    def verbatim(self, element: Element) -> ElementValue:
        """Return a value as the manifest holds it: text, number, or a list of either; None where it cannot be read."""
        if element.vr in STRING_VRS:
            text = self.decode(element)[0]
            parts = [text] if element.vr in UNSPLIT_VRS else [part.strip(" \0") for part in text.split("\\")]
            return (parts[0] or None) if len(parts) == 1 else parts
        values = parse_numbers(element, little_endian=self.little_endian)
        if not values:
            return None
        numbers = [int(value) for value in values] if element.vr in INTEGER_VRS else list(values)
        return numbers[0] if len(numbers) == 1 else numbers


def decode_text(raw: bytes, encodings: tuple[str, ...]) -> tuple[str, bool]:
    """Return the text that bytes hold, without padding, and whether they fit the character sets."""
    read = _decoded_text if len(raw) <= LONGEST_REMEMBERED else _decoded_text.__wrapped__
    return read(raw, encodings)


@lru_cache(maxsize=REMEMBERED)
def _decoded_text(raw: bytes, encodings: tuple[str, ...]) -> tuple[str, bool]:
    raw = raw.rstrip(b" \0")
    if raw.isascii() and ESCAPE not in raw:
        return raw.decode("ascii").lstrip(" "), True
    return decode(raw, encodings)


@cache
def find_encodings(declared: str) -> tuple[str, ...]:
    """Translate SpecificCharacterSet (PS3.3 C.12.1.1.2) to Python's names; empty where it names one that is unknown.

    Its default is ASCII, which pydicom takes for Latin-1.
    """
    try:
        encodings = [python_encoding[term.strip()] for term in declared.split("\\")]
    except KeyError:
        return ()
    return tuple("ascii" if encoding == default_encoding else encoding for encoding in encodings)


def decode(raw: bytes, encodings: tuple[str, ...]) -> tuple[str, bool]:
    """Decode bytes that are not ASCII, strictly, in the first encoding that takes them; else as Latin-1, said so."""
    if ESCAPE in raw and len(encodings) > 1:
        return _decode_extended(raw, encodings)
    for encoding in encodings:
        try:
            return raw.decode(encoding).strip(" \0"), True
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1").strip(" \0"), False


def _decode_extended(raw: bytes, encodings: tuple[str, ...]) -> tuple[str, bool]:
    """Decode a text that changes its character set on the way (ISO 2022); it does not fit where pydicom guesses."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return decode_bytes(raw, list(encodings), TEXT_VR_DELIMS).strip(" \0"), True
    except (UnicodeDecodeError, UserWarning):
        return raw.decode("latin-1").strip(" \0"), False


def parse_numbers(element: Element, *, little_endian: bool) -> tuple[float, ...] | None:
    """Return the numbers that an element holds, None where one of them is no finite number."""
    read = _numbers if len(element.value) <= LONGEST_REMEMBERED else _numbers.__wrapped__
    return read(element.vr, element.value, little_endian)


@lru_cache(maxsize=REMEMBERED)
def _numbers(vr: str, raw: bytes, little_endian: bool) -> tuple[float, ...] | None:  # noqa: FBT001  a cache's key
    if vr in BINARY_NUMBERS:
        return _unpacked(raw, BINARY_NUMBERS[vr], little_endian=little_endian)
    parts = raw.decode("latin-1").split("\\")
    values = tuple(float(part) for part in (part.strip(" \0") for part in parts) if DECIMAL.fullmatch(part))
    usable = isfinite if vr != "IS" else _fits_integer_string
    return values if len(values) == len(parts) and all(usable(value) for value in values) else None


def parse_day(text: str) -> int | None:
    """Return the number of a day that is written as DA (PS3.5 section 6.2), None for anything else."""
    try:
        return datetime.strptime(text, "%Y%m%d").toordinal()  # noqa: DTZ007  a day has no time zone
    except ValueError:
        return None


def _fits_integer_string(value: float) -> bool:
    """Report whether a number is within the 32 bits of an IS (PS3.5 section 6.2)."""
    return abs(value) <= LARGEST_INTEGER_STRING


def _unpacked(raw: bytes, code: str, *, little_endian: bool) -> tuple[float, ...] | None:
    size = struct.calcsize(f"={code}")
    if not raw or len(raw) % size:
        return None
    values = struct.unpack(f"{'<' if little_endian else '>'}{len(raw) // size}{code}", raw)
    return tuple(float(value) for value in values) if all(isfinite(value) for value in values) else None
