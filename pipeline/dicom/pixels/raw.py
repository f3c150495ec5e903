"""The bytes of a slice's pixels: read where the header found them, and only from the file that was scanned.

Frames of compressed pixel data lie in fragments (DICOM PS3.5 annex A.4).  Slices with the same bytes are copies.
"""

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from struct import unpack

from pipeline.dicom.files.encoding import COMPRESSED_SYNTAXES, DEFLATED_LE, StructureError
from pipeline.dicom.files.part10 import inflate_data_set
from pipeline.dicom.headers.slice import SliceHeader
from pipeline.errors import SeriesRefusedError
from pipeline.limits import Limits
from pipeline.sources.files import FoundFile, SourceError, open_unchanged
from pipeline.vocabulary import Reason, SeriesWarning

Read = Callable[[int, int], bytes]
"""Returns what lies at an offset of a file: so many bytes, or as many as there are."""

ITEM, END_OF_SEQUENCE = (0xFFFE, 0xE000), (0xFFFE, 0xE0DD)
UNDEFINED_LENGTH = 0xFFFFFFFF
JPEG_END = b"\xff\xd9"
OPENING_BYTES = 8
"""What fragments are compared by: the beginnings of two codestreams of one image are equal that far."""
MARKER_REACH = 10
"""The marker that ends a frame is among the last bytes of its last fragment: zeros may fill it up."""


class FragmentsError(ValueError):
    """Fragments cannot be found, or cannot be assigned to frames."""


@dataclass(frozen=True)
class Fragment:
    """A part of a frame's codestream: the ``offset`` of its first byte in the file, and its length."""

    offset: int
    length: int


FrameFragments = tuple[Fragment, ...]


@dataclass(frozen=True)
class Frames:
    """The fragments of each frame; ``fits_table`` is False where they contradict the Basic Offset Table."""

    fragments: list[FrameFragments]
    fits_table: bool = True


def find_frames(read: Read, offset: int, n_frames: int) -> Frames:
    """Return the fragments of each frame of the element whose value begins at ``offset``.

    They follow from the Basic Offset Table; where there is none, or a wrong one, from their number, or from the markers
    that end frames.  Raises FragmentsError.
    """
    table, *fragments = [*_items(read, offset)] or [Fragment(offset, 0)]
    if not fragments:
        msg = "there is no fragment"
        raise FragmentsError(msg)
    if n_frames == 1 and _holds_several_images(read, fragments):
        msg = "the fragments hold several images, and one frame is declared"
        raise FragmentsError(msg)
    by_table = _by_table(fragments, _starts(read(table.offset, table.length)), n_frames)
    if by_table:
        return Frames(by_table)
    frames = _by_fragments(read, fragments, n_frames)
    if table.length and len({read(first.offset, 2) for first, *_ in frames}) > 1:
        msg = "the Basic Offset Table does not fit the fragments, and they do not begin alike"
        raise FragmentsError(msg)
    return Frames(frames, fits_table=not table.length)


def _by_fragments(read: Read, fragments: Sequence[Fragment], n_frames: int) -> list[FrameFragments]:
    """Give each frame its fragments by their number, else by the markers that end frames."""
    if n_frames == 1:
        return [tuple(fragments)]
    if len(fragments) == n_frames:
        return [(fragment,) for fragment in fragments]
    frames = list(_by_end_markers(read, fragments))
    if len(frames) != n_frames:
        msg = f"{len(fragments)} fragments cannot be given to {n_frames} frames"
        raise FragmentsError(msg)
    return frames


def _holds_several_images(read: Read, fragments: Sequence[Fragment]) -> bool:
    """Report fragments of which a later one begins as the first one does: with a codestream, not within one."""
    first, *later = [read(fragment.offset, min(fragment.length, OPENING_BYTES)) for fragment in fragments]
    return len(first) == OPENING_BYTES and first in later


def _items(read: Read, offset: int) -> Iterator[Fragment]:
    """Step from item to item, the first of which is the table, to the end of the sequence or of the file."""
    while len(head := read(offset, 8)) >= 4 and head.strip(b"\0"):  # zeros may stand for the end
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


def _by_table(fragments: Sequence[Fragment], starts: Sequence[int], n_frames: int) -> list[FrameFragments]:
    """Give each frame the fragments from its start to the next; return nothing for a table that does not fit them.

    It has a start for each frame, the first at the first fragment, and each at a later one.
    """
    items = {fragment.offset - fragments[0].offset: k for k, fragment in enumerate(fragments)}
    firsts = [items.get(start, -1) for start in starts]
    if len(firsts) != n_frames or firsts[0] != 0 or firsts != sorted(set(firsts)):
        return []
    return [tuple(fragments[first:last]) for first, last in pairwise([*firsts, len(fragments)])]


def _by_end_markers(read: Read, fragments: Sequence[Fragment]) -> Iterator[FrameFragments]:
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


Buffer = bytes | memoryview


class PixelReader:
    """Reads slices' pixels as they are stored; remembers where the frames of a multi-frame file lie."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._frames: dict[str, list[FrameFragments]] = {}
        self.warnings: set[SeriesWarning] = set()

    def raw_pixels(self, header: SliceHeader) -> Buffer:
        """Return one native frame, or one frame's codestream; good until the next slice is read.

        Equal bytes of slices with equal ``Pixels`` mean equal images.  Raises SeriesRefusedError with UNREADABLE,
        UNSTABLE, PIXELS_LENGTH or PIXEL_DECODE.
        """
        pixels = header.pixels
        is_compressed = pixels.transfer_syntax in COMPRESSED_SYNTAXES
        if is_compressed != pixels.encapsulated:
            detail = "the pixel data is not encoded as the transfer syntax says"
            raise SeriesRefusedError(Reason.PIXEL_DECODE, detail)
        if is_compressed:
            return self._codestream(header)
        raw = self._inflated(header) if pixels.transfer_syntax == DEFLATED_LE else self._native(header)
        if len(raw) < pixels.frame_bytes:
            raise SeriesRefusedError(Reason.PIXELS_LENGTH, "the pixel data is too short")
        return raw

    def _native(self, header: SliceHeader) -> memoryview:
        n_bytes = header.pixels.frame_bytes
        if len(self._buffer) < n_bytes:
            self._buffer = bytearray(n_bytes)
        frame = memoryview(self._buffer)[:n_bytes]
        with _opened(header.file) as (descriptor, begin):
            offset = _frame_offset(header)
            frame = frame[: max(0, header.file.size - offset)]  # behind a member of an archive lies another
            return frame[: os.preadv(descriptor, [frame], begin + offset)]

    def _inflated(self, header: SliceHeader) -> bytes:
        with _opened(header.file):  # it checks the file before and after
            try:
                whole = inflate_data_set(header.file, self._limits)
            except StructureError as error:
                raise SeriesRefusedError(error.reason, error.detail) from error
        offset = _frame_offset(header)
        return whole[offset : offset + header.pixels.frame_bytes]

    def _codestream(self, header: SliceHeader) -> bytes:
        with _opened(header.file) as (descriptor, begin):
            read = _reading(descriptor, begin, header.file.size)
            try:
                frame = self._frame_of(header, read)
            except FragmentsError as error:
                raise SeriesRefusedError(Reason.PIXEL_DECODE, str(error)) from error
            return b"".join(read(fragment.offset, fragment.length) for fragment in frame)

    def _frame_of(self, header: SliceHeader, read: Read) -> FrameFragments:
        path, pixels, index = header.file.path, header.pixels, (header.frame or 1) - 1
        frames = self._frames.get(path)
        if frames is None:
            found = find_frames(read, pixels.offset, pixels.n_frames)
            self.warnings |= set() if found.fits_table else {SeriesWarning.W_META_REPAIRED}
            frames = found.fragments
        if pixels.n_frames > 1:
            self._frames[path] = frames
        if index >= len(frames):
            msg = f"the fragments hold {len(frames)} frames, and {pixels.n_frames} are declared"
            raise FragmentsError(msg)
        return frames[index]


def _frame_offset(header: SliceHeader) -> int:
    return header.pixels.offset + ((header.frame or 1) - 1) * header.pixels.frame_bytes


def _reading(descriptor: int, begin: int, size: int) -> Read:
    """Return a function that reads from the file at ``begin``, never more than there is: a length may be hostile."""

    def read(offset: int, n_bytes: int) -> bytes:
        return os.pread(descriptor, max(0, min(n_bytes, size - offset)), begin + offset)

    return read


@contextmanager
def _opened(found: FoundFile) -> Iterator[tuple[int, int]]:
    """Open a file as `open_unchanged` does; what it raises becomes a reason to refuse the series."""
    try:
        with open_unchanged(found) as opened:
            yield opened
    except SourceError as error:
        raise SeriesRefusedError(error.reason, error.detail) from error
    except OSError as error:
        detail = f"reading failed ({type(error).__name__})"
        raise SeriesRefusedError(Reason.UNREADABLE, detail) from error


@dataclass(frozen=True, eq=False)
class UniqueSlices:
    """Slices with identical copies dropped; ``dropped`` in the order of their paths."""

    slices: tuple[SliceHeader, ...]
    dropped: tuple[SliceHeader, ...]

    @property
    def warnings(self) -> set[SeriesWarning]:
        """W_DUPLICATE_SERIES where every slice is there again in another folder, else W_DUPLICATE_DROPPED."""
        if not self.dropped:
            return set()
        kept_in = {header.file.folder for header in self.slices}
        elsewhere = all(header.file.folder not in kept_in for header in self.dropped)
        if elsewhere and len(self.dropped) >= len(self.slices):
            return {SeriesWarning.W_DUPLICATE_SERIES}
        return {SeriesWarning.W_DUPLICATE_DROPPED}


def drop_copies(slices: Sequence[SliceHeader], limits: Limits) -> UniqueSlices:
    """Drop slices that repeat another's position, rescale and pixels; the first by path is kept.

    Pixels are read only where two slices share a position.
    """
    by_place: dict[tuple[object, ...], list[SliceHeader]] = defaultdict(list)
    for header in slices:
        by_place[_place(header)].append(header)
    dropped, reader = set(), PixelReader(limits)
    for group in by_place.values():
        seen = set()
        for header in group if len(group) > 1 else ():
            digest = _pixel_hash(header, reader)
            if digest in seen:
                dropped.add(id(header))
            seen.add(digest)
    return UniqueSlices(
        tuple(header for header in slices if id(header) not in dropped),
        tuple(header for header in slices if id(header) in dropped),
    )


def _place(header: SliceHeader) -> tuple[object, ...]:
    return header.plane.position, header.rescale.slope, header.rescale.intercept


def _pixel_hash(header: SliceHeader, reader: PixelReader) -> bytes:
    return hashlib.sha256(reader.raw_pixels(header)).digest()
