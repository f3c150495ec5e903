"""Bytes to elements: walks a DICOM data set to its end, within limits, before anything believes it.

Libraries return a file that was cut after 300 bytes as if it were whole, inflate without bound, and recurse as deep as
a file asks.  This walk does none of that; it knows lengths and nesting (DICOM PS3.5 section 7) and no meaning.
"""

from functools import partial
from itertools import count
from typing import NoReturn

from pipeline.dicom.files.encoding import (
    DELIMITERS,
    HEAD_BYTES,
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
    plain_heads,
    tag_text,
)
from pipeline.dicom.files.repair import ends_without_delimiter, find_unknown_items
from pipeline.vocabulary import Reason

_element = partial(tuple.__new__, Element)
"""What makes an element of all its fields, several times faster than its own name does."""


class Walker:
    """Walks one data set; ``elements`` holds what was read, also after an error.

    Raises StructureError with CORRUPT where the structure breaks, LIMIT where it nests too deep.
    """

    def __init__(self, window: FileWindow, end: int, encoding: Encoding, max_nesting: int) -> None:
        self.window = window
        self.end = end
        self.max_nesting = max_nesting
        self.elements: dict[int, Element] = {}
        self.is_repaired = False
        self._group: int | None = None
        self.declared = encoding
        self._use(encoding)

    def _use(self, encoding: Encoding) -> None:
        self.encoding = encoding
        self._plain_heads = plain_heads(encoding, self._group)
        self._tag, self._short, self._long = (encoding.layout(codes) for codes in ("HH", "H", "L"))

    def walk(self) -> dict[int, Element]:
        """Read every element from the window's place to the end."""
        self._read_into(self.elements, self.end, depth=0, delimited=False)
        return self.elements

    def walk_group(self, group: int) -> dict[int, Element]:
        """Read the elements of one group, and leave the window before the next."""
        self._group = group
        self._use(self.encoding)
        while self._next_group() == group:
            element = self._element(self.window.take(4), self.end, depth=0)
            self.elements[element.tag] = element
            self._read_plain(self.elements, self.end)
        return self.elements

    def _next_group(self) -> int | None:
        raw = self.window.peek(2)
        return self._short.unpack(raw)[0] if len(raw) == 2 else None

    def _read_into(self, elements: dict[int, Element], end: int, depth: int, *, delimited: bool) -> None:
        """Read elements up to ``end``; those of a delimited item up to its delimiter, which must come before."""
        self._read_plain(elements, end)
        while self.window.at < end:
            head = self.window.take(4)
            if depth == 0 and self._passes_padding(head):
                continue
            element = self._element(head, end, depth)
            if element.tag == ITEM_END:
                if delimited:
                    return
                raise StructureError(Reason.CORRUPT, "a delimiter stands outside an item")
            elements[element.tag] = element
            self._read_plain(elements, end)
        if delimited:
            raise StructureError(Reason.CORRUPT, "an item has no end")

    def _read_plain(self, elements: dict[int, Element], end: int) -> None:
        """Read elements up to the first that is more than a tag, a length and a value, or that leaves the window.

        A short cut of `_element` for nearly all that a header holds: what it passes by is left to that.
        """
        content, start, heads, long = self.window.content, self.window.start, self._plain_heads, self._long
        place, stop = self.window.at - start, min(end - start, len(content))
        while place + HEAD_BYTES + 4 <= stop:
            head = heads[content[place : place + HEAD_BYTES]]
            if head is None:
                break
            tag, vr, length = head
            begin = place + HEAD_BYTES
            if length < 0:
                length, begin = long.unpack_from(content, begin)[0], begin + 4
            if begin + length > stop:
                break
            place = begin + length
            elements[tag] = _element((tag, vr, start + begin, length, content[begin:place], ()))
        self.window.at = start + place

    def _passes_padding(self, head: bytes) -> bool:
        """Pass what may follow the elements: zero bytes to the end, and delimiters behind the pixels."""
        if not head.strip(b"\0"):
            self._pass_zeros()
        elif not (self._ends_with_pixels() and self._tag_in(head.ljust(4, b"\0")) in STRAY_DELIMITERS):
            return False
        else:
            self.window.take(4)
        self.is_repaired = True
        return True

    def _ends_with_pixels(self) -> bool:
        return next(reversed(self.elements), 0) in PIXEL_TAGS

    def _pass_zeros(self) -> None:
        """Check that nothing but zero bytes follows, as copies on block devices leave it."""
        while block := self.window.take(1 << 16):
            if block.strip(b"\0"):
                raise StructureError(Reason.CORRUPT, "bytes that are no element follow the data set")

    def _element(self, head: bytes, end: int, depth: int) -> Element:
        """Read an element, of which ``head`` holds the tag."""
        tag = self._tag_in(head)
        if tag in DELIMITERS:
            return self._delimiter(tag)
        vr, length = self._vr_and_length(tag)
        if length == UNDEFINED:
            return self._undefined(tag, vr, end, depth)
        offset = self.window.at
        if offset + length > end:
            return self._cut(Element(tag, vr, offset, length), depth)
        if vr == "SQ" and length:
            return Element(tag, vr, offset, length, items=self._items(offset + length, depth + 1, delimited=False))
        value = b"" if tag in PIXEL_TAGS else self.window.take(min(length, KEPT_BYTES))
        self.window.at = offset + length
        element = Element(tag, vr, offset, length, value)
        return self._name_vr(element, depth) if vr == "UN" else element

    def _name_vr(self, element: Element, depth: int) -> Element:
        """Return an element that is written as UN as the dictionary has it (PS3.5 section 6.2.2).

        A sequence whose items cannot be found with certainty, and what a file in big endian holds, stay unknown.
        """
        name = known_vr(element.tag)
        if name != "SQ":
            return element._replace(vr=name) if self.encoding.little_endian else element
        behind = self.window.at
        items = find_unknown_items(self.window, element, depth + 1, self.max_nesting) if element.length else ()
        self.window.at = behind
        return element if items is None else element._replace(vr=name, value=b"", items=items)

    def _tag_in(self, raw: bytes) -> int:
        group, element = self._tag.unpack(_whole(raw, 4))
        return int(group << 16 | element)

    def _exactly(self, n: int) -> bytes:
        return _whole(self.window.take(n), n)

    def _delimiter(self, tag: int) -> Element:
        self._exactly(4)
        if tag == ITEM_END:
            return Element(tag, "", self.window.at, 0)
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
        raise StructureError(Reason.CORRUPT, f"{tag_text(tag)} has no known value representation")

    def _cut(self, element: Element, depth: int) -> NoReturn:
        if element.tag not in PIXEL_TAGS or depth:
            raise StructureError(Reason.CORRUPT, f"{tag_text(element.tag)} is longer than what holds it")
        self.elements[element.tag] = element
        raise StructureError(Reason.PIXELS_LENGTH, "the file ends inside the pixel data")

    def _undefined(self, tag: int, vr: str, end: int, depth: int) -> Element:
        offset = self.window.at
        if tag in PIXEL_TAGS:
            self._skip_fragments()
            return Element(tag, vr, offset, UNDEFINED)
        if vr not in {"SQ", "UN"}:
            raise StructureError(Reason.CORRUPT, f"{tag_text(tag)} has no length, and is no sequence")
        outer = self.encoding
        if vr == "UN":  # an unknown sequence is written in implicit VR (PS3.5 section 6.2.2)
            self._use(IMPLICIT_LITTLE)
        items = self._items(end, depth + 1, delimited=True)
        self._use(outer)
        return Element(tag, "SQ", offset, self.window.at - offset, items=items)

    def _items(self, end: int, depth: int, *, delimited: bool) -> tuple[dict[int, Element], ...]:
        """Read items up to ``end``; those of a delimited sequence up to its delimiter, which must come before."""
        if depth > self.max_nesting:
            raise StructureError(Reason.LIMIT, f"sequences nest deeper than max_nesting {self.max_nesting}")
        items = []
        has_ended = False
        while not has_ended and self.window.at < end:
            tag, length = self._tag_in(self.window.take(4)), self._long.unpack(self._exactly(4))[0]
            has_ended = tag == SEQUENCE_END
            if not has_ended:
                items.append(self._item(tag, length, end, depth))
        if not (has_ended if delimited else self.window.at == end):
            raise StructureError(Reason.CORRUPT, "a sequence does not end where it should")
        return tuple(items)

    def _item(self, tag: int, length: int, limit: int, depth: int) -> dict[int, Element]:
        """Read one item, which may not be longer than its sequence."""
        if tag != ITEM:
            raise StructureError(Reason.CORRUPT, "a sequence holds something that is no item")
        delimited = length == UNDEFINED
        end = limit if delimited else self.window.at + length
        if end > limit:
            raise StructureError(Reason.CORRUPT, "an item is longer than its sequence")
        elements: dict[int, Element] = {}
        self._read_into(elements, end, depth, delimited=delimited)
        return elements

    def _skip_fragments(self) -> None:
        for n_items in count():
            if n_items > 1 and self._lacks_end():  # the first item is the offset table
                return
            tag, length = self._tag_in(self.window.take(4)), self._long.unpack(self._exactly(4))[0]
            if tag == SEQUENCE_END:
                return
            if tag != ITEM or self.window.at + length > self.end:
                raise StructureError(Reason.CORRUPT, "the fragments of the pixel data break off")
            self.window.at += length

    def _lacks_end(self) -> bool:
        """Report fragments whose delimiter is missing; a part of it is passed."""
        head = self.window.peek(HEAD_BYTES)
        if not ends_without_delimiter(head, self.encoding):
            return False
        self.window.take(HEAD_BYTES if head.strip(b"\0") else 0)
        self.is_repaired = True
        return True


def _whole(raw: bytes, n: int) -> bytes:
    """Return the bytes that were read, if all ``n`` are there."""
    if len(raw) < n:
        raise StructureError(Reason.CORRUPT, "the data set ends inside an element")
    return raw
