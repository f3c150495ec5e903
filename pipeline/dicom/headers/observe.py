"""A data set to observations: what each of its elements holds, inside sequences and private ones too, as text."""

import hashlib
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.dicom.files.encoding import PIXEL_TAGS, Element, tag_text
from pipeline.dicom.files.listing import CREATOR_NUMBERS, name_creators
from pipeline.dicom.files.values import (
    BINARY_NUMBERS,
    SPECIFIC_CHARACTER_SET,
    UNSPLIT_VRS,
    WRITTEN_VRS,
    Values,
    is_single_valued,
    keyword_of,
    tag_of,
)
from pipeline.dicom.headers.parts import read_padding
from pipeline.dicom.headers.read import KnownElement, KnownElements, is_long
from pipeline.elements import SEPARATOR, Observation, canonical

LONGEST_TEXT = 256
"""A longer value is cut, and its length and a hash are added."""
ITEM_JOINT = " | "
PADDING_TAGS = frozenset({tag_of("PixelPaddingValue"), tag_of("PixelPaddingRangeLimit")})
CONTEXT_TAGS = (SPECIFIC_CHARACTER_SET, tag_of("PixelRepresentation"), tag_of("BitsStored"))
"""What decides how the bytes of other elements are read."""

Elements = Mapping[int, Element]
Creators = Mapping[int, str]


@dataclass
class Observer:
    """Observes one data set after another; ``pool`` holds each distinct observation once, by its number."""

    pool: list[Observation] = field(default_factory=list)
    _numbers: dict[Observation, int] = field(default_factory=dict)
    _memories: dict[Any, dict[KnownElement, tuple[int, ...]]] = field(default_factory=dict)

    def observe(self, known: KnownElements) -> list[int]:
        """Return the numbers of a data set's observations; each keyword comes once."""
        values = known.values
        creators = name_creators(values.elements, values)
        context = (values.little_endian, *(_value(values.elements, tag) for tag in CONTEXT_TAGS), *creators.items())
        memory = self._memories.setdefault(context, {})
        numbers: list[int] = []
        for one in known.by_tag.values():
            found = memory.get(one)
            if found is None:
                found = tuple(self._number(each) for each in _observed(one.element, values, creators, values))
                if not is_long(one.element):
                    memory[one] = found
            numbers += found
        return numbers

    def _number(self, observation: Observation) -> int:
        number = self._numbers.setdefault(observation, len(self.pool))
        if number == len(self.pool):
            self.pool.append(observation)
        return number


def _value(elements: Elements, tag: int) -> bytes:
    return elements[tag].value if tag in elements else b""


def _observed(element: Element, values: Values, creators: Creators, whole: Values) -> Iterator[Observation]:
    """Yield the observation of an element, then those inside it, their items taken together.

    ``values`` and ``creators`` are of the item that holds the element, ``whole`` of the data set around it.
    """
    name = _name(element.tag, creators)
    raw = _raw(element, values)
    has_parts = not _is_whole(element)
    yield Observation(tag_text(element.tag), name, element.vr, raw, _canonical(element, raw, values), has_parts)
    if element.items:
        yield from _observed_inside(element, name, values, whole)


def _observed_inside(element: Element, name: str, values: Values, whole: Values) -> Iterator[Observation]:
    inside: dict[tuple[str, str], list[Observation]] = {}
    for item in element.items:
        nested = Values(item, values.little_endian)
        owners = name_creators(item, whole)
        for one in (one for child in item.values() for one in _observed(child, nested, owners, whole)):
            inside.setdefault((one.tag, one.keyword), []).append(one)
    for (tag, keyword), several in inside.items():
        raw, reading = (_joined(getattr(one, of) for one in several) for of in ("raw", "canonical"))
        has_parts = several[0].has_parts and ITEM_JOINT not in raw
        yield Observation(f"{tag_text(element.tag)}.{tag}", f"{name}.{keyword}", several[0].vr, raw, reading, has_parts)


def _joined(texts: Iterator[str]) -> str:
    """Return the distinct values of a sequence's items in their order."""
    return _shortened(ITEM_JOINT.join(dict.fromkeys(texts)))


def _is_whole(element: Element) -> bool:
    """Report an element that is counted as one value: by its nature, or because the dictionary allows it only one."""
    if element.vr in UNSPLIT_VRS or not (element.vr in WRITTEN_VRS or element.vr in BINARY_NUMBERS):
        return True
    return is_single_valued(element.tag) or element.length > LONGEST_TEXT


def _name(tag: int, creators: Creators) -> str:
    """Return the keyword; of a private element its creator, group and low byte; else the tag."""
    if keyword := keyword_of(tag):
        return keyword
    group, number = tag >> 16, tag & 0xFFFF
    if not group & 1:
        return "GroupLength" if number == 0 else f"unknown:{tag_text(tag)}"
    if number in CREATOR_NUMBERS:
        return f"private creator:{tag_text(tag)}"
    name = _shortened(creators.get(group << 16 | number >> 8, ""))
    return f"private:{name}:{group:04x},{number & 0xFF:02x}"


def _raw(element: Element, values: Values) -> str:
    """Return a value as it is written, without the padding to even length."""
    if element.vr == "SQ":
        return f"{len(element.items)} items" if element.items else ""
    if element.tag in PIXEL_TAGS:
        return "fragments" if element.encapsulated else f"{element.length} bytes"
    if not element.value:
        return ""
    if element.vr in WRITTEN_VRS:
        return _shortened(values.decode(element)[0])
    return _shortened(_raw_numbers(element, little_endian=values.little_endian) or _hashed(element))


def _raw_numbers(element: Element, *, little_endian: bool) -> str:
    if element.vr == "AT":
        code = "H"
    elif element.vr in BINARY_NUMBERS:
        code = BINARY_NUMBERS[element.vr]
    else:
        return ""
    size = struct.calcsize(f"={code}")
    if len(element.value) % size:
        return ""
    layout = f"{'<' if little_endian else '>'}{len(element.value) // size}{code}"
    return SEPARATOR.join(map(str, struct.unpack(layout, element.value)))


def _hashed(element: Element) -> str:
    return f"{element.length} bytes {_digest(element.value)}"


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=6).hexdigest()


def _shortened(text: str) -> str:
    if len(text) <= LONGEST_TEXT:
        return text
    digest = _digest(text.encode("utf-8", "surrogatepass"))
    return f"{text[:LONGEST_TEXT]} ... {len(text)} characters {digest}"


def _canonical(element: Element, raw: str, values: Values) -> str:
    """Return the canonical reading; padding is read as the pixels can hold it."""
    if element.tag in PADDING_TAGS and element.value:
        return str(_padding(element, values) or canonical(raw, element.vr))
    return canonical(raw, element.vr) if element.vr not in UNSPLIT_VRS else raw.strip()


def _padding(element: Element, values: Values) -> str:
    signed, bits_stored = values.number("PixelRepresentation") == 1, values.number("BitsStored")
    bits = int(bits_stored) if isinstance(bits_stored, float) and 0 < bits_stored <= 64 else 16
    # Read as the value itself: the same repairs apply to the other end of the range.
    alone = Values({**values.elements, tag_of("PixelPaddingValue"): element}, values.little_endian)
    value = read_padding(alone, signed=signed, bits_stored=bits).value
    return "" if value is None else str(value)
