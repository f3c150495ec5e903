"""Where each frame of an encapsulated element lies: its fragments, walked once a file (DICOM PS3.5 annex A.4)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from struct import unpack

from pipeline.dicom.pixels.codestream import JPEG_END

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


def frames_in(read: Read, offset: int, n_frames: int) -> list[Frame]:
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
