"""How elements are written: value representations, byte order, what stands before a value (DICOM PS3.5 section 7).

Also what every walk through a file uses: a window on its bytes, an element, and the error that ends the walk.
"""

import struct
from dataclasses import dataclass
from functools import cache
from typing import BinaryIO, NamedTuple

from pydicom.datadict import dictionary_VR

from pipeline.vocabulary import Reason

WINDOW_BYTES = 1 << 14
"""Read at once: most headers are shorter, and what follows them is pixels, which are not wanted."""

IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
DEFLATED_LE = "1.2.840.10008.1.2.1.99"
EXPLICIT_BE = "1.2.840.10008.1.2.2"
RLE_LOSSLESS = "1.2.840.10008.1.2.5"

NATIVE_SYNTAXES = frozenset({IMPLICIT_LE, EXPLICIT_LE, DEFLATED_LE, EXPLICIT_BE})
JPEG_SYNTAXES = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70))
JPEG_LOSSLESS_SYNTAXES = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (57, 70))
JPEG_LS_SYNTAXES = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (80, 81))
JPEG_2000_SYNTAXES = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (90, 91, 201, 202, 203))
COMPRESSED_SYNTAXES = JPEG_SYNTAXES | JPEG_LS_SYNTAXES | JPEG_2000_SYNTAXES | {RLE_LOSSLESS}

LOSSY_SYNTAXES = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 81))
"""Always lossy; JPEG 2000 and HTJ2K may be, and LossyImageCompression says so."""

EFFORT = (
    dict.fromkeys(JPEG_SYNTAXES | JPEG_LS_SYNTAXES, 3.0)
    | dict.fromkeys(JPEG_LOSSLESS_SYNTAXES, 1.5)
    | dict.fromkeys(JPEG_2000_SYNTAXES, 12.0)
)
"""How much longer a series takes that must be decoded, against 1 for native pixels; good for an order only."""


UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
STRAY_DELIMITERS = frozenset({ITEM_END, SEQUENCE_END})
"""What may stand behind the pixels without harm."""
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
HEAD_BYTES = 8
"""What every element begins with: its tag, and its length or the beginning of that."""
REMEMBERED_HEADS = 4096
"""Files of one kind begin their elements alike: so many heads are read once."""


@cache
def dictionary_vr(tag: int) -> str:
    """Return the value representation that the dictionary gives an element, UN where it knows none."""
    try:
        return str(dictionary_VR(tag))
    except KeyError:
        return "UN"


@cache
def known_vr(tag: int) -> str:
    """Return what an element that is written as UN is by the dictionary; UN where that leaves a choice, or is none."""
    name = dictionary_vr(tag)
    return "UN" if " or " in name else name


def tag_text(tag: int) -> str:
    """Write a tag as ``gggg,eeee``."""
    return f"{tag >> 16:04x},{tag & 0xFFFF:04x}"


@dataclass(frozen=True)
class Encoding:
    """How elements are written."""

    explicit: bool = True
    little_endian: bool = True

    def layout(self, codes: str) -> struct.Struct:
        """Return how whole numbers lie in the file; ``codes`` are those of the struct module."""
        return _layout(("<" if self.little_endian else ">") + codes)


EXPLICIT_LITTLE = Encoding()
EXPLICIT_BIG = Encoding(little_endian=False)
IMPLICIT_LITTLE = Encoding(explicit=False)

_layout = cache(struct.Struct)

PlainHead = tuple[int, str, int]
"""Tag, value representation and length of a value; -1 for a length that lies in the four bytes that follow."""


class PlainHeads(dict[bytes, PlainHead | None]):
    """Maps the first eight bytes of a plain element to its head; to None what the short cut leaves to the full walk.

    That are sequences, delimiters, pixels, padding, elements of the dictionary that are written as UN, what is no
    element at all, and other groups than ``group``.
    """

    def __init__(self, encoding: Encoding, group: int | None) -> None:
        super().__init__()
        self._encoding = encoding
        self._group = group

    def __missing__(self, raw: bytes) -> PlainHead | None:
        if len(self) == REMEMBERED_HEADS:
            self.clear()
        head = self[raw] = self._read(raw)
        return head

    def _read(self, raw: bytes) -> PlainHead | None:
        group, number, length = self._encoding.layout("HHL").unpack(raw)
        tag = group << 16 | number
        if tag == 0 or tag in DELIMITERS or tag in PIXEL_TAGS or self._group not in {None, group}:
            return None
        if not self._encoding.explicit:
            name = dictionary_vr(tag)
            return None if name == "SQ" else (tag, name, length)
        vr = raw[4:6]
        if vr == b"UN" and known_vr(tag) != "UN":
            return None
        if vr in SHORT_VRS:
            return tag, VR_NAMES[vr], self._encoding.layout("H").unpack_from(raw, 6)[0]
        return (tag, VR_NAMES[vr], -1) if vr in LONG_VRS and vr != b"SQ" else None


@cache
def plain_heads(encoding: Encoding, group: int | None = None) -> PlainHeads:
    """Return the heads of an encoding that were read so far; with ``group`` those of one group alone."""
    return PlainHeads(encoding, group)


class FileWindow:
    """A stream from its present place on.

    ``at`` is the place that is read next; ``content`` is what lies in memory, from the place ``start`` on.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.at = self.start = stream.tell()
        self.content = stream.read(WINDOW_BYTES)

    def peek(self, n: int) -> bytes:
        """Return the next ``n`` bytes, fewer where the stream ends."""
        if not self.start <= self.at <= self.start + len(self.content) - n:
            self._fill(n)
        begin = self.at - self.start
        return self.content[begin : begin + n]

    def take(self, n: int) -> bytes:
        """Return the next ``n`` bytes, fewer where the stream ends, and pass them."""
        raw = self.peek(n)
        self.at += len(raw)
        return raw

    def rest(self) -> BinaryIO:
        """Return the stream, set to the place that is read next."""
        self.stream.seek(self.at)
        return self.stream

    def _fill(self, n: int) -> None:
        self.content = self.rest().read(max(n, WINDOW_BYTES))
        self.start = self.at


KEPT_BYTES = 1 << 20
"""Of a longer value only its beginning is kept; nothing that is read by keyword comes near."""


class StructureError(Exception):
    """The walk stopped: the elements so far are kept by the walker."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Element(NamedTuple):
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
