"""Where each frame of an encapsulated element lies: its fragments, walked once a file (DICOM PS3.5 annex A.4)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from struct import unpack

Read = Callable[[int, int], bytes]
"""Returns what lies at an offset of a file: so many bytes, or as many as there are."""

ITEM, END_OF_SEQUENCE = (0xFFFE, 0xE000), (0xFFFE, 0xE0DD)
UNDEFINED_LENGTH = 0xFFFFFFFF
MARKER_REACH = 10
"""The marker that ends a frame is among the last bytes of its last fragment: zeros may fill it up."""


class FragmentsError(ValueError):
    """The fragments cannot be told apart, or cannot be given to frames."""


@dataclass(frozen=True)
class Fragment:
    """A part of a frame's codestream: the ``offset`` of its first byte in the file, and its length."""

    offset: int
    length: int


Frame = tuple[Fragment, ...]


def find_frames(read: Read, offset: int, n_frames: int) -> list[Frame]:
    """Return the fragments of each frame of the element whose value begins at ``offset``.

    They are told by the Basic Offset Table; without one by their number, or by the markers that end frames.  Raises
    FragmentsError.
    """
    table, *fragments = [*_items(read, offset)] or [Fragment(offset, 0)]
    if not fragments:
        msg = "there is no fragment"
        raise FragmentsError(msg)
    if table.length:
        return _by_table(fragments, _starts(read(table.offset, table.length)))
    if len(fragments) in {1, n_frames}:
        return [(fragment,) for fragment in fragments]
    if n_frames == 1:
        return [tuple(fragments)]
    return list(_by_end_markers(read, fragments))


def _items(read: Read, offset: int) -> Iterator[Fragment]:
    """Step from item to item, the first of which is the table, to the end of the sequence or of the file."""
    while len(head := read(offset, 8)) >= 4:
        group, number = unpack("<HH", head[:4])
        if (group, number) == END_OF_SEQUENCE:
            return
        (length,) = unpack("<L", head[4:]) if len(head) == 8 else (UNDEFINED_LENGTH,)
        if (group, number) != ITEM or length == UNDEFINED_LENGTH:
            msg = "what lies between fragments is no fragment"
            raise FragmentsError(msg)
        yield Fragment(offset + 8, length)
        offset += 8 + length


def _starts(table: bytes) -> list[int]:
    """Return the first byte of each frame's first item, counted from the end of the table."""
    return list(unpack(f"<{len(table) // 4}L", table[: len(table) // 4 * 4]))


def _by_table(fragments: Sequence[Fragment], starts: Sequence[int]) -> list[Frame]:
    """Give each frame the fragments from its start to the next; a start that is none of an item is refused."""
    items = {fragment.offset - fragments[0].offset: k for k, fragment in enumerate(fragments)}
    firsts = [items.get(start, -1) for start in starts]
    if min(firsts) < 0 or firsts != sorted(set(firsts)):
        msg = "the Basic Offset Table does not fit the fragments"
        raise FragmentsError(msg)
    return [tuple(fragments[first:last]) for first, last in pairwise([*firsts, len(fragments)])]


def _by_end_markers(read: Read, fragments: Sequence[Fragment]) -> Iterator[Frame]:
    """Take fragments together up to one that ends with the marker of the JPEG family."""
    frame: list[Fragment] = []
    for fragment in fragments:
        frame.append(fragment)
        reach = min(fragment.length, MARKER_REACH)
        if JPEG_END in read(fragment.offset + fragment.length - reach, reach):
            yield tuple(frame)
            frame = []
    if frame:
        yield tuple(frame)


JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
JPEG_2000_SIZE = b"\xff\x4f\xff\x51"
"""Start of codestream and, always next, its size (ISO/IEC 15444-1, A.5.1)."""
FRAME_MARKERS = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
"""What begins a frame of JPEG (ITU-T T.81, table B.1) or of JPEG-LS (ITU-T T.87, C.1.1)."""
SCAN_MARKER = 0xDA


def read_size(codestream: bytes) -> tuple[int, int] | None:
    """Return the rows and columns that a codestream tells, None where it tells none, as RLE does not."""
    if codestream.startswith(JPEG_START):
        return next(
            (read_frame_size(told) for marker, told, _ in walk_segments(codestream) if marker in FRAME_MARKERS), None
        )
    start = codestream.find(JPEG_2000_SIZE)
    return None if start < 0 else _jpeg_2000_size(codestream[start + 8 : start + 24])


def walk_segments(codestream: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Step from marker to marker of a JPEG to the start of its scan: each marker, what it tells, where that ends."""
    place = len(JPEG_START) if codestream.startswith(JPEG_START) else len(codestream)
    while place + 4 <= len(codestream) and codestream[place] == 0xFF:
        marker = codestream[place + 1]
        if marker == 0xFF:  # any number of them may come before a marker (ITU-T T.81, B.1.1.2)
            place += 1
            continue
        start, place = place + 4, place + 2 + _number(codestream[place + 2 : place + 4])
        yield marker, codestream[start:place], place
        if marker == SCAN_MARKER:
            return


def has_end(codestream: bytes) -> bool:
    """Report whether a codestream of the JPEG family ends with its marker; CharLS takes seconds to miss it."""
    return codestream.rstrip(b"\0").endswith(JPEG_END)


def read_frame_size(frame: bytes) -> tuple[int, int]:
    """Return the rows and columns that the segment of a frame tells, after its bits."""
    return _number(frame[1:3]), _number(frame[3:5])


def _jpeg_2000_size(sizes: bytes) -> tuple[int, int]:
    """Return the extent of the reference grid less the image's offset in it."""
    right, bottom, left, top = (_number(sizes[place : place + 4]) for place in (0, 4, 8, 12))
    return bottom - top, right - left


def _number(digits: bytes) -> int:
    return int.from_bytes(digits, "big")
