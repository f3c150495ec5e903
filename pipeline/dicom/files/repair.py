"""The one reading of a data set that is not written as its transfer syntax says.

Archives hold explicit files with private elements whose VR is blank or left out, implicit elements among explicit ones,
and explicit elements under UN.  Here every way to read such an element is tried; what counts is a reading that reaches
the end of the data set, and that no other one does.  Rules that hold for every sound file keep chance out: tags rise,
a private element's block is reserved by a creator (DICOM PS3.5 section 7.8.1), any other is in the dictionary.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

from pipeline.dicom.files.encoding import (
    DELIMITERS,
    IMPLICIT_LITTLE,
    ITEM,
    ITEM_END,
    KEPT_BYTES,
    LONG_VRS,
    PIXEL_TAGS,
    SEQUENCE_END,
    SHORT_VRS,
    STRAY_DELIMITERS,
    UNDEFINED,
    VR_NAMES,
    Element,
    Encoding,
    FileWindow,
    StructureError,
    dictionary_vr,
    known_vr,
)
from pipeline.dicom.files.values import is_single_valued
from pipeline.vocabulary import Reason

MOST_STEPS = 1_000_000
"""So many steps a search takes at most: noise dies out long before, and a hostile file here."""
LEAST_STEPS = 20_000
ENOUGH = 2
"""Readings that are looked for: a second one shows that there is no certain one."""
RESERVING = range(0x10, 0x100)
"""Numbers of the elements that reserve a block for the private elements of their group."""

BINARY_SIZES = {"US": 2, "SS": 2, "US or SS": 2, "UL": 4, "SL": 4, "FL": 4, "AT": 4, "FD": 8, "UV": 8, "SV": 8}
_TEXT = re.compile(rb"[^\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]*\0?")
FORMS = (
    dict.fromkeys(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"), _TEXT)
    | dict.fromkeys(("AS", "DA", "DT", "TM"), re.compile(rb"[0-9.:+\-DWMY \\]*\0?"))
    | dict.fromkeys(("DS", "IS"), re.compile(rb"[0-9eE.+\- \\]*\0?"))
    | {"UI": re.compile(rb"[0-9. \\]*\0?")}
)
LONGEST_TEXT = 1 << 14

Items = tuple[dict[int, Element], ...]


class Head(NamedTuple):
    """One way to read what an element begins with; ``is_odd`` where the file declares another."""

    vr: str
    length: int
    offset: int
    is_odd: bool = False


class DataSetReading(NamedTuple):
    """The elements of a data set or an item in one reading, and where it stops."""

    elements: dict[int, Element]
    stop: int


class ItemsReading(NamedTuple):
    """The items of a sequence in one reading, and where it stops."""

    items: list[dict[int, Element]]
    stop: int


@dataclass
class Extent:
    """Where a data set, an item or a sequence has to end: at ``end``, or at a delimiter before it."""

    end: int
    is_delimited: bool
    depth: int


def find_only_reading(
    window: FileWindow, begin: int, end: int, encoding: Encoding, max_nesting: int
) -> dict[int, Element] | None:
    """Return the elements of a data set from ``begin`` on as the only reading has them; None where there is no such.

    Raises StructureError with LIMIT where sequences nest too deep.
    """
    search = _Search(window, end - begin, max_nesting, names_un=encoding.little_endian)
    readings = search.read_data_set(begin, Extent(end, is_delimited=False, depth=0), encoding)
    return search.take_values(readings[0].elements) if search.is_certain(readings) else None


def find_unknown_items(window: FileWindow, element: Element, depth: int, max_nesting: int) -> Items | None:
    """Return the items of a sequence that is written as UN with a length; None where they are uncertain.

    They are implicit (PS3.5 section 6.2.2), and some programs leave them explicit.  Raises StructureError with LIMIT.
    """
    search = _Search(window, element.length, max_nesting)
    extent = Extent(element.offset + element.length, is_delimited=False, depth=depth)
    readings = search.read_items(element.offset, extent, IMPLICIT_LITTLE)
    return tuple(map(search.take_values, readings[0].items)) if search.is_certain(readings) else None


class _Search:
    """Looks for readings; elements have no values until the reading is found."""

    def __init__(self, window: FileWindow, n_bytes: int, max_nesting: int, *, names_un: bool = True) -> None:
        self.window = window
        self.max_nesting = max_nesting
        self.names_un = names_un
        self.steps_left = min(max(LEAST_STEPS, n_bytes // 4), MOST_STEPS)

    def is_certain(self, readings: Sequence[object]) -> bool:
        """Report one reading, after a search that was not given up."""
        return len(readings) == 1 and self.steps_left > 0

    def read_data_set(self, begin: int, extent: Extent, encoding: Encoding) -> list[DataSetReading]:
        """Return the readings of a data set or an item, no more than two."""
        found: list[DataSetReading] = []
        waiting = [DataSetReading({}, begin)]
        while waiting and len(found) < ENOUGH and self.steps_left > 0:
            elements, at = waiting.pop()
            ways = list(self._read_element(elements, at, extent, encoding))
            stop = self._end_of_data_set(elements, at, extent, encoding)
            if stop is not None:
                found.append(DataSetReading(dict(elements), stop))
            for element, behind in ways:
                own = elements if len(ways) == 1 else dict(elements)
                own[element.tag] = element
                waiting.append(DataSetReading(own, behind))
            self.steps_left -= len(elements) * (len(ways) > 1)
        return found

    def read_items(self, begin: int, extent: Extent, encoding: Encoding) -> list[ItemsReading]:
        """Return the readings of a sequence's items, no more than two."""
        if extent.depth > self.max_nesting:
            raise StructureError(Reason.LIMIT, f"sequences nest deeper than max_nesting {self.max_nesting}")
        found: list[ItemsReading] = []
        waiting = [ItemsReading([], begin)]
        while waiting and len(found) < ENOUGH and self.steps_left > 0:
            items, at = waiting.pop()
            tag, length = self._delimiter(at, encoding)
            if tag == SEQUENCE_END and extent.is_delimited:
                found.append(ItemsReading(items, at + 8))
            elif at == extent.end and not extent.is_delimited:
                found.append(ItemsReading(items, at))
            elif tag == ITEM:
                readings = self._read_item(at + 8, length, extent, encoding)
                waiting += self._add_item(items, readings)
        return found

    def _read_item(self, begin: int, length: int, extent: Extent, encoding: Encoding) -> list[DataSetReading]:
        is_delimited = length == UNDEFINED
        end = extent.end if is_delimited else begin + length
        if end > extent.end:
            return []
        return self.read_data_set(begin, Extent(end, is_delimited, extent.depth), encoding)

    def _add_item(self, items: list[dict[int, Element]], readings: Sequence[DataSetReading]) -> Iterator[ItemsReading]:
        """Yield the items with one more; each of several ways goes on from a copy of its own."""
        for elements, stop in readings:
            if len(readings) == 1:
                items.append(elements)
                yield ItemsReading(items, stop)
            else:
                self.steps_left -= len(items)
                yield ItemsReading([*items, elements], stop)

    def take_values(self, elements: Mapping[int, Element]) -> dict[int, Element]:
        """Return the elements with their values."""
        return {tag: self._take_value(element) for tag, element in elements.items()}

    def _take_value(self, element: Element) -> Element:
        if element.items or element.vr == "SQ":
            return element._replace(items=tuple(map(self.take_values, element.items)))
        if element.tag in PIXEL_TAGS:
            return element
        self.window.at = element.offset
        vr = known_vr(element.tag) if element.vr == "UN" and self.names_un else element.vr
        return element._replace(vr=vr, value=self.window.take(min(element.length, KEPT_BYTES)))

    def _end_of_data_set(
        self, elements: Mapping[int, Element], at: int, extent: Extent, encoding: Encoding
    ) -> int | None:
        """Return the place behind a data set that may end here, None where it may not."""
        if extent.is_delimited:
            return at + 8 if self._delimiter(at, encoding)[0] == ITEM_END else None
        if at == extent.end:
            return at
        if extent.depth or PIXEL_TAGS.isdisjoint(elements):
            return None
        while self._delimiter(at, encoding)[0] in STRAY_DELIMITERS and self.steps_left > 0:
            at += 8
        return extent.end if self._is_padding(at, extent.end) else None

    def _is_padding(self, at: int, end: int) -> bool:
        while at < end and self.steps_left > 0:
            block = self._peek(at, min(1 << 14, end - at))
            if block.strip(b"\0"):
                return False
            at += len(block)
        return True

    def _read_element(
        self, before: Mapping[int, Element], at: int, extent: Extent, encoding: Encoding
    ) -> Iterator[tuple[Element, int]]:
        """Yield the ways to read the element that begins here, each with the place behind it."""
        raw = self._peek(at, 12)
        if len(raw) < 8 or at + 8 > extent.end:
            return
        group, number = encoding.layout("HH").unpack_from(raw)
        tag = group << 16 | number
        if tag <= next(reversed(before), 0) or tag in DELIMITERS:
            return
        for head in dict.fromkeys(_read_heads(raw, at, tag, encoding, before)):
            if not head.is_odd or self._fits(tag, head, extent):
                yield from self._read_value(tag, head, extent, encoding)

    def _fits(self, tag: int, head: Head, extent: Extent) -> bool:
        """Report a value that its VR may have: what a wrong length swallows is heads, and those are no text."""
        vr, length, offset, _ = head
        if vr in BINARY_SIZES:
            return length in {0, BINARY_SIZES[vr]} if is_single_valued(tag) else length % BINARY_SIZES[vr] == 0
        if vr not in FORMS:
            return True
        if length > LONGEST_TEXT or offset + length > extent.end:
            return False
        return FORMS[vr].fullmatch(self._peek(offset, length)) is not None

    def _read_value(self, tag: int, head: Head, extent: Extent, encoding: Encoding) -> Iterator[tuple[Element, int]]:
        vr, length, offset, _ = head
        if tag in PIXEL_TAGS and length == UNDEFINED:
            stop = self._pass_fragments(offset, extent.end, encoding)
            if stop is not None:
                yield Element(tag, vr, offset, UNDEFINED), stop
            return
        if length != UNDEFINED and offset + length > extent.end:
            return
        if not _may_hold_items(tag, vr, length):
            if length != UNDEFINED:
                yield Element(tag, vr, offset, length), offset + length
            return
        is_delimited = length == UNDEFINED
        inner = Extent(extent.end if is_delimited else offset + length, is_delimited, extent.depth + 1)
        inside = IMPLICIT_LITTLE if vr == "UN" else encoding
        for items, stop in self.read_items(offset, inner, inside):
            yield Element(tag, "SQ", offset, stop - offset if is_delimited else length, items=tuple(items)), stop

    def _pass_fragments(self, at: int, end: int, encoding: Encoding) -> int | None:
        """Return the place behind the fragments of pixel data, None where they break off."""
        for n_items in count():
            if n_items > 1 and ends_without_delimiter(self._peek(at, 8), encoding):
                return end if self._is_padding(at + 8, end) else None
            tag, length = self._delimiter(at, encoding)
            at += 8
            if tag == SEQUENCE_END:
                return at
            if tag != ITEM or at + length > end:
                break
            at += length
        return None

    def _delimiter(self, at: int, encoding: Encoding) -> tuple[int, int]:
        raw = self._peek(at, 8)
        if len(raw) < 8:
            return 0, 0
        group, number, length = encoding.layout("HHL").unpack(raw)
        return group << 16 | number, length

    def _peek(self, at: int, n: int) -> bytes:
        self.steps_left -= 1
        self.window.at = at
        return self.window.peek(n)


def ends_without_delimiter(raw: bytes, encoding: Encoding) -> bool:
    """Report the bytes behind whole fragments where their delimiter is missing: none, a part of it, or zeros."""
    delimiter = encoding.layout("HHL").pack(SEQUENCE_END >> 16, SEQUENCE_END & 0xFFFF, 0)
    return not raw.strip(b"\0") or (len(raw) < len(delimiter) and delimiter.startswith(raw))


def _read_heads(raw: bytes, at: int, tag: int, encoding: Encoding, before: Mapping[int, Element]) -> Iterator[Head]:
    """Yield the ways to read the first bytes of an element."""
    explicit = _explicit_head(raw, at, encoding)
    if explicit:
        yield explicit._replace(is_odd=not encoding.explicit)
    if encoding.explicit and (explicit or not _is_known(tag, before)):
        return
    name = "UL" if tag & 0xFFFF == 0 else dictionary_vr(tag)
    yield Head(name, encoding.layout("L").unpack_from(raw, 4)[0], at + 8, is_odd=encoding.explicit)
    if encoding.explicit:
        yield Head(name, encoding.layout("H").unpack_from(raw, 6)[0], at + 8, is_odd=True)
        if raw[6:8] == b"\0\0" and len(raw) == 12:
            yield Head(name, encoding.layout("L").unpack_from(raw, 8)[0], at + 12, is_odd=True)


def _explicit_head(raw: bytes, at: int, encoding: Encoding) -> Head | None:
    """Return the head that a value representation announces, None where there is none."""
    vr = raw[4:6]
    if vr in SHORT_VRS:
        return Head(VR_NAMES[vr], encoding.layout("H").unpack_from(raw, 6)[0], at + 8)
    if vr in LONG_VRS and len(raw) == 12:
        return Head(VR_NAMES[vr], encoding.layout("L").unpack_from(raw, 8)[0], at + 12)
    return None


def _is_known(tag: int, before: Mapping[int, Element]) -> bool:
    """Report an element of the dictionary, a creator of private elements, and an element whose creator came before."""
    group, number = tag >> 16, tag & 0xFFFF
    if group % 2 == 0:
        return number == 0 or dictionary_vr(tag) != "UN"
    return number in RESERVING or (group << 16 | number >> 8) in before


def _may_hold_items(tag: int, vr: str, length: int) -> bool:
    """Report an element whose value is a sequence: it says so, or the dictionary says so of a UN."""
    if vr == "UN":
        return length == UNDEFINED or (length > 0 and dictionary_vr(tag) == "SQ")
    return vr == "SQ" and length > 0
