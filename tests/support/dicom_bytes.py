"""DICOM bytes for tests, written by hand: what no library would write is the point."""

import struct
from io import BytesIO
from pathlib import Path

from pydicom.datadict import dictionary_VR, tag_for_keyword

from pipeline.dicom.files.encoding import (
    EXPLICIT_LE,
    EXPLICIT_LITTLE,
    ITEM,
    ITEM_END,
    LONG_VRS,
    SEQUENCE_END,
    UNDEFINED,
    Element,
    Encoding,
    FileWindow,
)
from pipeline.dicom.files.part10 import DataSet
from pipeline.dicom.files.structure import Walker
from pipeline.dicom.files.values import Values
from pipeline.dicom.headers.read import KnownElements, SliceReader
from pipeline.sources.files import FoundFile

DICM = bytes(128) + b"DICM"


def element(
    tag: int, vr: str, value: bytes = b"", *, length: int | None = None, encoding: Encoding = EXPLICIT_LITTLE
) -> bytes:
    """Write one element; ``length`` lies about its length."""
    head = encoding.layout("HH").pack(tag >> 16, tag & 0xFFFF)
    told = len(value) if length is None else length
    if not encoding.explicit:
        return head + encoding.layout("L").pack(told) + value
    if vr.encode() in LONG_VRS:
        return head + vr.encode() + bytes(2) + encoding.layout("L").pack(told) + value
    return head + vr.encode() + encoding.layout("H").pack(told) + value


def item(content: bytes = b"", *, length: int | None = None, encoding: Encoding = EXPLICIT_LITTLE) -> bytes:
    """Write an item; of length ``UNDEFINED`` it gets its delimiter."""
    head = _bare(ITEM, len(content) if length is None else length, encoding)
    return head + content + (_bare(ITEM_END, 0, encoding) if length == UNDEFINED else b"")


def endless(tag: int, content: bytes, vr: str = "SQ", encoding: Encoding = EXPLICIT_LITTLE) -> bytes:
    """Write a sequence, or pixel data in fragments, of undefined length, with its delimiter."""
    return element(tag, vr, content, length=UNDEFINED, encoding=encoding) + _bare(SEQUENCE_END, 0, encoding)


def delimiter(tag: int) -> bytes:
    """Write a delimiter."""
    return _bare(tag, 0, EXPLICIT_LITTLE)


def _bare(tag: int, length: int, encoding: Encoding) -> bytes:
    return encoding.layout("HHL").pack(tag >> 16, tag & 0xFFFF, length)


def walker(content: bytes, encoding: Encoding = EXPLICIT_LITTLE, max_nesting: int = 60) -> Walker:
    """Return a walker over bytes that has not set out yet."""
    return Walker(FileWindow(BytesIO(content)), len(content), encoding, max_nesting)


def file_bytes(data_set: bytes, transfer_syntax: str = EXPLICIT_LE) -> bytes:
    """Write a file: preamble, file meta information with nothing but the transfer syntax, data set."""
    even = transfer_syntax.encode() + b"\0" * (len(transfer_syntax) % 2)
    return DICM + element(0x00020010, "UI", even) + data_set


def put_file(path: Path, content: bytes) -> FoundFile:
    """Write a file, and return it as a scan finds it."""
    path.write_bytes(content)
    return found_file(path)


def found_file(path: Path) -> FoundFile:
    """Return a file as a scan finds it."""
    return FoundFile.of(str(path), path.stat())


def read_element(keyword: str, value: bytes, vr: str | None = None) -> Element:
    """Return an element as it is read; its VR is the dictionary's unless told."""
    tag = tag_for_keyword(keyword)
    assert tag is not None
    return Element(tag, vr or dictionary_VR(tag), 0, len(value), value)


def values(*elements: Element) -> Values:
    """Return the values of a data set of a few elements."""
    return Values({each.tag: each for each in elements})


def known(*elements: Element, reader: SliceReader | None = None) -> KnownElements:
    """Return a data set of a few elements as a reader of slices knows it."""
    data_set = DataSet(elements={each.tag: each for each in elements})
    return (reader or SliceReader(frozenset())).read(FoundFile("/in/1", 1, 0), data_set)[1]


def us(*numbers: int) -> bytes:
    """Write unsigned shorts."""
    return struct.pack(f"<{len(numbers)}H", *numbers)
