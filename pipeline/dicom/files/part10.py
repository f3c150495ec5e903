"""One file to its elements: preamble, file meta information, transfer syntax, inflation (DICOM PS3.10 section 7)."""

import zlib
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO

from pipeline.dicom.files.encoding import (
    DEFLATED_LE,
    EXPLICIT_BE,
    EXPLICIT_BIG,
    EXPLICIT_LE,
    EXPLICIT_LITTLE,
    IMPLICIT_LE,
    IMPLICIT_LITTLE,
    LONG_VRS,
    PIXEL_DATA,
    SHORT_VRS,
    VR_NAMES,
    Element,
    Encoding,
    FileWindow,
    StructureError,
)
from pipeline.dicom.files.repair import find_only_reading
from pipeline.dicom.files.structure import Walker
from pipeline.limits import Limits
from pipeline.sources.files import FoundFile, open_stream
from pipeline.vocabulary import Reason, Refusal, SeriesWarning

PREAMBLE_BYTES = 128
MEGABYTE = 1 << 20
INFLATED_PREFIX_BYTES = MEGABYTE
"""What is kept of a file that inflates too far: enough to say which series it belongs to."""
DEFLATED_BLOCK_BYTES = 1 << 12
"""Deflated data is read in small blocks: of a damaged one nothing is kept, and the header is in the first."""

SOP_CLASS_UID, TRANSFER_SYNTAX_UID, META_LENGTH = 0x00080016, 0x00020010, 0x00020000
SEGMENTATION_STORAGE = b"1.2.840.10008.5.1.4.1.1.66.4"

OTHER_FORMATS = (b"MZ", b"\x7fELF", b"#!", b"PK\x03\x04", b"%PDF", b"GIF8", b"\xff\xd8\xff", b"\x89PNG", b"RIFF")
"""Openings that make a program take the file for something else than DICOM (CVE-2019-11687 and its kin)."""


@dataclass
class DataSet:
    """What a file holds, as far as it could be read; ``refusal`` is why it is not whole."""

    meta: dict[int, Element] = field(default_factory=dict)
    elements: dict[int, Element] = field(default_factory=dict)
    transfer_syntax: str = ""
    little_endian: bool = True
    warnings: set[SeriesWarning] = field(default_factory=set)
    refusal: Refusal | None = None


def read_data_set(found: FoundFile, limits: Limits) -> DataSet:
    """Read a file's elements, pixels left where they are; never raises for what is in the file.

    Raises OSError where the system refuses.
    """
    data_set = DataSet()
    if found.size > limits.max_file_mb * MEGABYTE:
        data_set.refusal = Reason.LIMIT, f"a file of {found.size} bytes is over max_file_mb {limits.max_file_mb}"
        return data_set
    if found.extent and found.size > limits.most_inflated(found.extent.packed):
        detail = f"{found.size} bytes would come out of {found.extent.packed} ({limits.describe_ratio()})"
        data_set.refusal = Reason.LIMIT, detail
        return data_set
    with open_stream(found) as stream:
        try:
            _read(FileWindow(stream), found.size, data_set, limits)
        except StructureError as error:
            data_set.refusal = data_set.refusal or (error.reason, error.detail)
    return data_set


def _read(window: FileWindow, size: int, data_set: DataSet, limits: Limits) -> None:
    _skip_preamble(window, data_set)
    _read_meta(window, size, data_set, limits)
    end = size
    if data_set.transfer_syntax == DEFLATED_LE:
        inflate_data_set = _inflate_within(window, size, data_set, limits)
        window, end = FileWindow(BytesIO(inflate_data_set)), len(inflate_data_set)
    encoding = _encoding(window, data_set)
    data_set.little_endian = encoding.little_endian
    walker = Walker(window, end, encoding, limits.max_nesting)
    data_set.elements = walker.elements
    begin = window.at
    try:
        walker.walk()
    except StructureError as error:
        elements = _repaired(window, begin, walker) if error.reason is Reason.CORRUPT else None
        if elements is None:
            raise
        data_set.elements = elements
    if walker.is_repaired:
        data_set.warnings.add(SeriesWarning.W_META_REPAIRED)
    if not data_set.transfer_syntax:
        _infer_transfer_syntax(data_set, encoding)


def _repaired(window: FileWindow, begin: int, walker: Walker) -> dict[int, Element] | None:
    """Return the elements of a data set that is not written as it says, where there is one way to read it."""
    elements = find_only_reading(window, begin, walker.end, walker.declared, walker.max_nesting)
    walker.is_repaired |= elements is not None
    return elements


def _infer_transfer_syntax(data_set: DataSet, encoding: Encoding) -> None:
    """Name the transfer syntax that the elements show.

    An image in explicit VR may be in several, and is not taken on trust; in implicit VR there is one, DICOM's default
    (PS3.5 section 10.1).
    """
    pixels = data_set.elements.get(PIXEL_DATA)
    sop_class = data_set.elements.get(SOP_CLASS_UID)
    is_segmentation = sop_class is not None and sop_class.value.strip(b" \0") == SEGMENTATION_STORAGE
    if pixels and (pixels.encapsulated or (encoding.explicit and not is_segmentation)):
        data_set.refusal = Reason.TRANSFER_SYNTAX, "the file names no transfer syntax"
        return
    data_set.transfer_syntax = EXPLICIT_LE if encoding.explicit else IMPLICIT_LE
    data_set.warnings.add(SeriesWarning.W_META_REPAIRED)


def _skip_preamble(window: FileWindow, data_set: DataSet) -> None:
    """Leave the window where the elements begin; a file without preamble must begin with one of them."""
    head = window.peek(PREAMBLE_BYTES + 4)
    if head[PREAMBLE_BYTES:] == b"DICM":
        window.at += len(head)
        if head.startswith(OTHER_FORMATS):
            data_set.warnings.add(SeriesWarning.W_PREAMBLE)
        return
    if head.startswith(b"DICM"):
        window.at += 4
    elif not _begins_with_element(head):
        raise StructureError(Reason.NOT_DICOM, "there is no DICOM in the file")
    data_set.warnings.add(SeriesWarning.W_META_REPAIRED)


def _begins_with_element(head: bytes) -> bool:
    """Report whether bytes begin with an element of the file meta group, or of the identifying group."""
    if len(head) < 8 or head[:2] not in {b"\x02\0", b"\x08\0"}:
        return False
    element_number = int.from_bytes(head[2:4], "little")
    if element_number > 0x0100:
        return False
    is_explicit = head[4:6] in SHORT_VRS or head[4:6] in LONG_VRS
    return is_explicit or int.from_bytes(head[4:8], "little") <= 64


def _read_meta(window: FileWindow, size: int, data_set: DataSet, limits: Limits) -> None:
    head = window.peek(6)
    is_implicit = head[:2] == b"\2\0" and head[4:6] not in VR_NAMES
    walker = Walker(window, size, IMPLICIT_LITTLE if is_implicit else EXPLICIT_LITTLE, limits.max_nesting)
    data_set.meta = walker.elements
    walker.walk_group(0x0002)
    if is_implicit or _has_wrong_length(data_set.meta, window.at):
        data_set.warnings.add(SeriesWarning.W_META_REPAIRED)
    if TRANSFER_SYNTAX_UID in data_set.meta:
        raw = data_set.meta[TRANSFER_SYNTAX_UID].value
        data_set.transfer_syntax = raw.decode("ascii", "replace").strip(" \0")


def _has_wrong_length(meta: dict[int, Element], end: int) -> bool:
    """Report a group length that is not how many bytes follow it up to the ``end`` of the group (PS3.10 7.1)."""
    length = meta.get(META_LENGTH)
    return length is not None and length.value != (end - length.offset - length.length).to_bytes(4, "little")


def _encoding(window: FileWindow, data_set: DataSet) -> Encoding:
    """Decide how the elements are written: as the transfer syntax says, unless the first one shows otherwise."""
    declared = {
        IMPLICIT_LE: IMPLICIT_LITTLE,
        EXPLICIT_BE: EXPLICIT_BIG,
    }.get(data_set.transfer_syntax, EXPLICIT_LITTLE)
    head = window.peek(6)
    looks_explicit = head[4:6] in SHORT_VRS or head[4:6] in LONG_VRS
    if looks_explicit == declared.explicit or len(head) < 6:
        return declared
    data_set.warnings.add(SeriesWarning.W_META_REPAIRED)
    return Encoding(explicit=looks_explicit, little_endian=declared.little_endian)


def inflate(stream: BinaryIO, limit: int) -> tuple[bytes, bool]:
    """Inflate the rest of a stream (PS3.5 annex A.5), at most ``limit`` bytes and one more.

    Returns what came out, up to where the data is damaged, and whether it came to its end.
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    parts: list[bytes] = []
    n_bytes = 0
    while n_bytes <= limit and not inflater.eof:
        compressed = inflater.unconsumed_tail or stream.read(DEFLATED_BLOCK_BYTES)
        try:
            part = inflater.decompress(compressed, min(MEGABYTE, limit + 1 - n_bytes))
        except zlib.error:
            break
        if not (part or compressed):  # zlib may owe bytes after its input has ended
            break
        parts.append(part)
        n_bytes += len(part)
    return b"".join(parts), inflater.eof


def inflate_limit(n_compressed: int, limits: Limits) -> int:
    """Return how many bytes may come out of so many."""
    return min(limits.most_inflated(n_compressed), limits.max_file_mb * MEGABYTE)


def _inflate_within(window: FileWindow, size: int, data_set: DataSet, limits: Limits) -> bytes:
    limit = inflate_limit(size - window.at, limits)
    inflate_data_set, whole = inflate(window.rest(), limit)
    if len(inflate_data_set) > limit:
        detail = f"the data set inflates to more than {limit} bytes (max_inflate_ratio {limits.max_inflate_ratio})"
        data_set.refusal = Reason.LIMIT, detail
        return inflate_data_set[:INFLATED_PREFIX_BYTES]
    if not whole:
        data_set.refusal = Reason.CORRUPT, "the deflated data set is damaged or cut"
    return inflate_data_set


def inflate_data_set(found: FoundFile, limits: Limits) -> bytes:
    """Return the inflated data set of a deflated file, in which the offsets of its elements count.

    Raises StructureError where it inflates too far or not at all, OSError where the system refuses.
    """
    data_set = DataSet()
    with open_stream(found) as stream:
        window = FileWindow(stream)
        _skip_preamble(window, data_set)
        _read_meta(window, found.size, data_set, limits)
        whole = _inflate_within(window, found.size, data_set, limits)
    if data_set.refusal:
        raise StructureError(*data_set.refusal)
    return whole
