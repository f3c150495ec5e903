"""Bytes to elements: walks a DICOM data set to its end, within limits, before anything believes it.

Libraries return a file that was cut after 300 bytes as if it were whole, inflate without bound, and recurse as deep as
a file asks.  This walk does none of that; it knows lengths and nesting (DICOM PS3.5 section 7) and no meaning.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import BinaryIO, NoReturn

from pydicom.datadict import dictionary_VR

from pipeline.vocabulary import Reason

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
DELIMITERS = frozenset({ITEM, ITEM_END, SEQUENCE_END})
PIXEL_DATA, FLOAT_PIXEL_DATA, DOUBLE_PIXEL_DATA = 0x7FE00010, 0x7FE00008, 0x7FE00009
PIXEL_TAGS = frozenset({PIXEL_DATA, FLOAT_PIXEL_DATA, DOUBLE_PIXEL_DATA})

LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
"""Value representations whose length takes four bytes, after two reserved ones (PS3.5 section 7.1.2)."""
SHORT_VRS = frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT"}
    | {b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"}
)
VR_NAMES = {vr: vr.decode() for vr in LONG_VRS | SHORT_VRS}
KEPT_BYTES = 1 << 20
"""Of a longer value only its beginning is kept; nothing that is read by keyword comes near."""


@cache
def dictionary_vr(tag: int) -> str:
    """Return the value representation that the dictionary gives an element, UN where it knows none."""
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


class StructureError(Exception):
    """The walk stopped: the elements so far are kept by the walker."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Element:
    """One element as it stands in the file; ``offset`` and ``length`` are of its value, ``items`` of a sequence."""

    tag: int
    vr: str
    offset: int
    length: int
    value: bytes = b""
    items: tuple[dict[int, "Element"], ...] = ()

    @property
    def encapsulated(self) -> bool:
        """True for pixel data in fragments (PS3.5 annex A.4)."""
        return self.length == UNDEFINED


@dataclass(frozen=True)
class Encoding:
    """How elements are written."""

    explicit: bool = True
    little_endian: bool = True

    def layout(self, codes: str) -> struct.Struct:
        """Return how whole numbers lie in the file; ``codes`` are those of the struct module."""
        return struct.Struct(("<" if self.little_endian else ">") + codes)


EXPLICIT_LITTLE = Encoding()
IMPLICIT_LITTLE = Encoding(explicit=False)


class Walker:
    """Walks one data set; ``elements`` holds what was read, also after an error.

    Raises StructureError with CORRUPT where the structure breaks, LIMIT where it nests too deep.
    """

    def __init__(self, stream: BinaryIO, end: int, encoding: Encoding, max_nesting: int) -> None:
        self.stream = stream
        self.end = end
        self.max_nesting = max_nesting
        self.elements: dict[int, Element] = {}
        self.trailing_bytes = 0
        self._use(encoding)

    def _use(self, encoding: Encoding) -> None:
        self.encoding = encoding
        self._tag, self._short, self._long = (encoding.layout(codes) for codes in ("HH", "H", "L"))

    def walk(self) -> dict[int, Element]:
        """Read every element from where the stream stands to the end."""
        for element in self._elements(self.end, depth=0, delimited=False):
            self.elements[element.tag] = element
        return self.elements

    def walk_group(self, group: int) -> dict[int, Element]:
        """Read the elements of one group, and leave the stream before the next."""
        while True:
            start = self.stream.tell()
            if self._next_group() != group:
                self.stream.seek(start)
                return self.elements
            self.stream.seek(start)
            element = self._element(self.stream.read(4), self.end, depth=0)
            self.elements[element.tag] = element

    def _next_group(self) -> int | None:
        raw = self.stream.read(2)
        return self._short.unpack(raw)[0] if len(raw) == 2 else None

    def _elements(self, end: int, depth: int, *, delimited: bool) -> Iterator[Element]:
        """Yield elements up to ``end``; those of a delimited item up to its delimiter, which must come before."""
        while self.stream.tell() < end:
            head = self.stream.read(4)
            if depth == 0 and not head.strip(b"\0"):
                self._pass_padding(len(head))
                return
            element = self._element(head, end, depth)
            if element.tag != ITEM_END:
                yield element
            elif delimited:
                return
            else:
                raise StructureError(Reason.CORRUPT, "a delimiter stands outside an item")
        if delimited:
            raise StructureError(Reason.CORRUPT, "an item has no end")

    def _pass_padding(self, n_bytes: int) -> None:
        """Check that nothing but zero bytes follows the first few, as copies on block devices leave it."""
        start = self.stream.tell() - n_bytes
        while block := self.stream.read(1 << 16):
            if block.strip(b"\0"):
                raise StructureError(Reason.CORRUPT, "bytes that are no element follow the data set")
        self.trailing_bytes = self.end - start

    def _element(self, head: bytes, end: int, depth: int) -> Element:
        """Read an element, of which ``head`` holds the tag."""
        tag = self._tag_in(head)
        if tag in DELIMITERS:
            return self._delimiter(tag)
        vr, length = self._vr_and_length(tag)
        if length == UNDEFINED:
            return self._undefined(tag, vr, end, depth)
        offset = self.stream.tell()
        if offset + length > end:
            return self._cut(Element(tag, vr, offset, length), depth)
        if vr == "SQ" and length:
            return Element(tag, vr, offset, length, items=self._items(offset + length, depth + 1, delimited=False))
        value = b"" if tag in PIXEL_TAGS else self.stream.read(min(length, KEPT_BYTES))
        if len(value) != length:
            self.stream.seek(offset + length)
        return Element(tag, vr, offset, length, value)

    def _tag_in(self, raw: bytes) -> int:
        group, element = self._tag.unpack(_whole(raw, 4))
        return int(group << 16 | element)

    def _exactly(self, n: int) -> bytes:
        return _whole(self.stream.read(n), n)

    def _delimiter(self, tag: int) -> Element:
        self._exactly(4)
        if tag == ITEM_END:
            return Element(tag, "", self.stream.tell(), 0)
        raise StructureError(Reason.CORRUPT, "a delimiter stands outside a sequence")

    def _vr_and_length(self, tag: int) -> tuple[str, int]:
        if not self.encoding.explicit:
            return dictionary_vr(tag), self._long.unpack(self._exactly(4))[0]
        raw = self._exactly(4)
        vr = raw[:2]
        if vr in SHORT_VRS:
            return VR_NAMES[vr], self._short.unpack_from(raw, 2)[0]
        if vr in LONG_VRS:
            return VR_NAMES[vr], self._long.unpack(self._exactly(4))[0]
        raise StructureError(Reason.CORRUPT, "an element has no known value representation")

    def _cut(self, element: Element, depth: int) -> NoReturn:
        if element.tag not in PIXEL_TAGS or depth:
            raise StructureError(Reason.CORRUPT, "an element is longer than what holds it")
        self.elements[element.tag] = element
        raise StructureError(Reason.PIXELS_LENGTH, "the file ends inside the pixel data")

    def _undefined(self, tag: int, vr: str, end: int, depth: int) -> Element:
        offset = self.stream.tell()
        if tag in PIXEL_TAGS:
            self._skip_fragments()
            return Element(tag, vr, offset, UNDEFINED)
        if vr not in {"SQ", "UN"}:
            raise StructureError(Reason.CORRUPT, "an element that is no sequence has no length")
        outer = self.encoding
        if vr == "UN":  # an unknown sequence is written in implicit VR (PS3.5 section 6.2.2)
            self._use(IMPLICIT_LITTLE)
        items = self._items(end, depth + 1, delimited=True)
        self._use(outer)
        return Element(tag, "SQ", offset, self.stream.tell() - offset, items=items)

    def _items(self, end: int, depth: int, *, delimited: bool) -> tuple[dict[int, Element], ...]:
        """Read items up to ``end``; those of a delimited sequence up to its delimiter, which must come before."""
        if depth > self.max_nesting:
            raise StructureError(Reason.LIMIT, f"sequences nest deeper than max_nesting {self.max_nesting}")
        items = []
        has_ended = False
        while not has_ended and self.stream.tell() < end:
            tag, length = self._tag_in(self.stream.read(4)), self._long.unpack(self._exactly(4))[0]
            has_ended = tag == SEQUENCE_END
            if not has_ended:
                items.append(self._item(tag, length, end, depth))
        if not (has_ended if delimited else self.stream.tell() == end):
            raise StructureError(Reason.CORRUPT, "a sequence does not end where it should")
        return tuple(items)

    def _item(self, tag: int, length: int, limit: int, depth: int) -> dict[int, Element]:
        """Read one item, which may not be longer than its sequence."""
        if tag != ITEM:
            raise StructureError(Reason.CORRUPT, "a sequence holds something that is no item")
        delimited = length == UNDEFINED
        end = limit if delimited else self.stream.tell() + length
        if end > limit:
            raise StructureError(Reason.CORRUPT, "an item is longer than its sequence")
        return {element.tag: element for element in self._elements(end, depth, delimited=delimited)}

    def _skip_fragments(self) -> None:
        while True:
            tag, length = self._tag_in(self.stream.read(4)), self._long.unpack(self._exactly(4))[0]
            if tag == SEQUENCE_END:
                return
            if tag != ITEM or self.stream.tell() + length > self.end:
                raise StructureError(Reason.CORRUPT, "the fragments of the pixel data break off")
            self.stream.seek(length, 1)


def _whole(raw: bytes, n: int) -> bytes:
    """Return the bytes that were read, if all ``n`` are there."""
    if len(raw) < n:
        raise StructureError(Reason.CORRUPT, "the data set ends inside an element")
    return raw
