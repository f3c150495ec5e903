"""One file to a flat list of its elements, each as one line of text; nested and private ones have names too."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from typing import BinaryIO

from pydicom import datadict
from pydicom.datadict import dictionary_has_tag
from pydicom.encaps import generate_fragments

from pipeline.dicom.files.encoding import DEFLATED_LE, PIXEL_TAGS, Element, StructureError, dictionary_vr, tag_text
from pipeline.dicom.files.part10 import DataSet, inflate_data_set, read_data_set
from pipeline.dicom.files.values import (
    BINARY_NUMBERS,
    SPECIFIC_CHARACTER_SET,
    TEXT_VRS,
    UNSPLIT_VRS,
    WRITTEN_VRS,
    Flaw,
    Values,
    keyword_of,
)
from pipeline.limits import Limits
from pipeline.privacy import ALLOWED_ELEMENTS, clean_text
from pipeline.sources.files import FoundFile, open_stream
from pipeline.vocabulary import Refusal

CREATOR_NUMBERS = range(0x10, 0x100)
"""Element numbers that reserve blocks for private elements (PS3.5 section 7.8.1)."""
PRODUCTS: frozenset[str] = frozenset(datadict.private_dictionaries)
WITHHELD = "untold"
WORD = re.compile(r"[^\W_]{3,}")


def name_creators(elements: Mapping[int, Element], values: Values) -> dict[int, str]:
    """Return the name of each private creator among a data set's elements, by tag."""
    names = {
        tag: values.decode(element)[0]
        for tag, element in elements.items()
        if tag & 0x10000 and tag & 0xFFFF in CREATOR_NUMBERS
    }
    unknown = [tag for tag, name in names.items() if name not in PRODUCTS]
    identifying = _identifying_words(values) if unknown else set()
    return {
        tag: WITHHELD if tag in unknown and _words(name) & identifying else clean_text(name)
        for tag, name in names.items()
    }


def _identifying_words(values: Values) -> set[str]:
    """Return the words of every text that may not leave ``private/``, but for other creators."""
    texts = (
        values.decode(element)[0]
        for element in values.text_elements()
        if element.vr in TEXT_VRS and keyword_of(element.tag) and keyword_of(element.tag) not in ALLOWED_ELEMENTS
    )
    return {word for text in texts for word in _words(text)}


def _words(text: str) -> set[str]:
    return set(WORD.findall(text.casefold()))


DIGEST_DIGITS = 16
"""Of the SHA-256 that stands for a value of bytes."""


@dataclass(frozen=True)
class ListedElement:
    """One element as text.

    ``place`` is its tag, after the tags and the item numbers (from 1) of the sequences that hold it.
    """

    place: tuple[int, ...]
    value: str

    @property
    def tag(self) -> str:
        """The place as ``gggg,eeee``, in a sequence ``gggg,eeee[1].gggg,eeee``."""
        *outer, own = self.place
        pairs = zip(outer[::2], outer[1::2], strict=True)
        return "".join(f"{tag_text(tag)}[{item}]." for tag, item in pairs) + tag_text(own)


@dataclass(frozen=True)
class Listing:
    """A file's elements by name, and why the file could not be read to its end, if so.

    A name is the keyword, ``private:<creator>:gggg,ee``, or else the tag; in a sequence ``SequenceKeyword[1].Keyword``.
    """

    elements: dict[str, ListedElement] = field(default_factory=dict)
    refusal: Refusal | None = None


def list_elements(found: FoundFile, limits: Limits) -> Listing:
    """List what a file holds, as far as it can be read; raises OSError where the system refuses."""
    data_set = read_data_set(found, limits)
    listing = Listing(refusal=data_set.refusal)
    with _opened(found, data_set, limits) as stream:
        _add(listing, _Lister(Values(data_set.meta), stream))
        _add(listing, _Lister(Values(data_set.elements, data_set.little_endian), stream))
    return listing


def _add(listing: Listing, lister: "_Lister") -> None:
    """Add elements by name; where a creator owns two blocks of a group, the second is named with its tags."""
    for name, element in lister.list_all():
        listing.elements[f"{name}({element.tag})" if name in listing.elements else name] = element


def _opened(found: FoundFile, data_set: DataSet, limits: Limits) -> BinaryIO:
    """Return the stream in which the offsets of the elements count."""
    if data_set.transfer_syntax != DEFLATED_LE:
        return open_stream(found)
    try:
        return BytesIO(inflate_data_set(found, limits))
    except StructureError:
        return BytesIO()


@dataclass(frozen=True)
class _Lister:
    """Tells the elements of one data set or item; ``place`` and ``name`` are those of the item."""

    values: Values
    stream: BinaryIO
    place: tuple[int, ...] = ()
    name: str = ""
    inherited: Mapping[int, Element] = field(default_factory=dict)

    def list_all(self) -> Iterator[tuple[str, ListedElement]]:
        """Yield name and text of each element, those of a sequence behind it."""
        for tag, element in sorted(self.values.elements.items()):
            if tag in self.inherited:
                continue
            name, place = self.name + self._name(tag), (*self.place, tag)
            yield name, ListedElement(place, self._text(element))
            for number, item in enumerate(element.items, start=1):
                yield from self._inside(item, (*place, number), f"{name}[{number}].").list_all()

    def _inside(self, item: Mapping[int, Element], place: tuple[int, ...], name: str) -> "_Lister":
        """Return the lister of an item, which has the character set of what holds it (PS3.3 C.12.1.1.2)."""
        outer = self.values.elements.get(SPECIFIC_CHARACTER_SET)
        inherited = {} if outer is None or SPECIFIC_CHARACTER_SET in item else {SPECIFIC_CHARACTER_SET: outer}
        values = Values({**inherited, **item}, self.values.little_endian)
        return _Lister(values, self.stream, place, name, inherited)

    def _name(self, tag: int) -> str:
        group, block, low = tag >> 16, tag >> 8 & 0xFF, tag & 0xFF
        if creator := self.values.elements.get(group << 16 | block) if group % 2 and block >= 0x10 else None:
            return f"private:{clean_text(self.values.decode(creator)[0])}:{group:04x},{low:02x}"
        return keyword_of(tag) if dictionary_has_tag(tag) else f"{keyword_of(tag)}({tag_text(tag)})"

    def _text(self, element: Element) -> str:
        if element.vr == "SQ":
            return f"{len(element.items)} item{'s' * (len(element.items) != 1)}"
        if element.tag in PIXEL_TAGS:
            return self._pixels(element)
        if element.length > len(element.value):  # only its beginning was kept
            return describe_bytes(self._content(element))
        text = self._readable(element, dictionary_vr(element.tag) if element.vr == "UN" else element.vr)
        return describe_bytes(element.value) if text is None else _shown(text, element.value)

    def _readable(self, element: Element, vr: str) -> str | None:
        """Return text and numbers as they are written, None for what is neither."""
        if not element.value:
            return ""
        if vr in UNSPLIT_VRS:
            return self.values.decode(element)[0]
        if vr in WRITTEN_VRS:
            return "\\".join(part.strip(" \0") for part in self.values.decode(element)[0].split("\\"))
        known = Element(element.tag, vr, element.offset, element.length, element.value)
        numbers = self.values.verbatim(known) if vr in BINARY_NUMBERS else None
        if numbers is None:
            return None
        return "\\".join(map(str, numbers)) if isinstance(numbers, list) else str(numbers)

    def _pixels(self, element: Element) -> str:
        sizes = (self.values.number(keyword) for keyword in ("NumberOfFrames", "Rows", "Columns"))
        shape = " x ".join(f"{size:g}" for size in sizes if not isinstance(size, Flaw))
        return ", ".join(filter(None, (shape, describe_bytes(self._content(element)))))

    def _content(self, element: Element) -> bytes:
        """Return the bytes of a value that was left where it is; of pixel data in fragments those of all fragments."""
        self.stream.seek(element.offset)
        if not element.encapsulated:
            return self.stream.read(element.length)
        return b"".join(generate_fragments(self.stream))


def describe_bytes(content: bytes) -> str:
    """Return what stands for bytes: how many there are, and the beginning of their SHA-256."""
    return f"{len(content)} bytes, sha256 {sha256(content).hexdigest()[:DIGEST_DIGITS]}"


def _shown(text: str, content: bytes) -> str:
    """Return a text without control characters; where that takes something away, with its digest."""
    shown = clean_text(text)
    return shown if shown == text else f"{shown} ({describe_bytes(content)})"
