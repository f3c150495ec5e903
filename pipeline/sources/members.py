"""Files that lie in a container, opened: as a stream for their headers, and for their pixels at an offset.

What lies there as it is, is read there.  What is compressed is copied into a private file without a name: all files of
a series at once where they are announced by `hold_files`.  Such a file is gone with the process, however that ends.
"""

import hashlib
import io
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from itertools import accumulate, groupby
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import Any, BinaryIO, cast

from pipeline.sources.cache import open_cached
from pipeline.sources.files import (
    IN_PLACE,
    OBJECT,
    PLAIN,
    REQUESTS_AT_ONCE,
    WHOLE,
    ZIP_DEFLATED,
    FileExtent,
    FoundFile,
    SourceError,
    State,
    open_stream,
    open_unchanged,
)
from pipeline.sources.places import find_place, find_present
from pipeline.sources.spans import (
    Inflated,
    PartOfSpan,
    Span,
    Unpacked,
    Writable,
    copy_content,
    find_content,
    iterate_content,
    iterate_whole,
    open_container,
    open_file,
    unpack_within,
)

HEAD_BYTES = 1 << 16
"""What is read of a file in a compressed tar as it comes by: most headers end there."""
LOCAL_HEAD_BYTES = 1 << 10
"""What may stand before the content of a member of a zip, mostly."""
FETCHED_BYTES = 1 << 23
INFLATED_BYTES = 1 << 14
"""A compressed header is inflated so many bytes at a time."""
OPEN_FILES = "/dev/fd"
"""Where the system shows the files that a process has open, also those without a name."""


@contextmanager
def _open_extent(extent: FileExtent) -> Iterator[Span]:
    """Open what the offset of an extent counts in."""
    with ExitStack() as stack:
        span = stack.enter_context(open_container(extent.container, (extent.size, extent.mtime_ns, extent.ctime_ns)))
        yield stack.enter_context(unpack_within(span, extent.within)) if extent.within else span


def open_member(found: FoundFile) -> BinaryIO:
    """Return the bytes of a file in a container, from the first; raises SourceError where they cannot be had."""
    found, extent = find_present(found)
    if extent.packing in WHOLE:
        return cast("BinaryIO", _open_whole(found, extent))
    with ExitStack() as stack:
        span = stack.enter_context(_open_extent(extent))
        offset = find_content(span, extent.packing, extent.offset)
        content = PartOfSpan(span, offset, extent.packed)
        reader = _InflatedReader(content, found.size) if extent.packing == ZIP_DEFLATED else content
        return cast("BinaryIO", _Stream(reader, found.size, stack.pop_all()))


class _Stream(io.RawIOBase):
    """A span as a stream."""

    def __init__(self, span: Span, size: int, stack: ExitStack) -> None:
        self._span, self._size, self._stack = span, size, stack
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._size - self._at)
        raw = self._span.read(self._at, left if size is None or size < 0 else min(size, left))
        self._at += len(raw)
        return raw

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        if not self.closed:
            self._stack.close()
        super().close()


class _InflatedReader:
    """What comes out of a deflated span, read at any offset; inflated as far as that, or again."""

    def __init__(self, span: Span, size: int) -> None:
        self._span = span
        self.size = size
        self._restart()

    def _restart(self) -> None:
        self._inflated = Inflated(self._span, INFLATED_BYTES)
        self._block, self._begin = b"", 0

    def read(self, offset: int, n: int) -> bytes:
        if offset < self._begin:
            self._restart()
        parts = []
        while n > 0:
            if offset >= self._begin + len(self._block):
                self._begin += len(self._block)
                self._block = self._inflated.next_block()
                if not self._block:
                    break
                continue
            part = self._block[offset - self._begin :][:n]
            parts.append(part)
            offset, n = offset + len(part), n - len(part)
        return b"".join(parts)


class _Cursor(threading.local):
    """The compressed tar that was read last in this thread, and how far; the next file mostly lies behind that."""

    extent: FileExtent | None = None
    unpacked: Unpacked | None = None
    stack: ExitStack | None = None

    def at(self, extent: FileExtent) -> Unpacked:
        """Return what comes out of a tar, at most as far as the extent begins."""
        is_same = self.extent is not None and _tar_of(self.extent) == _tar_of(extent)
        if self.unpacked is None or not is_same or self.unpacked.at > extent.offset:
            self.close()
            self.stack = ExitStack()
            span = self.stack.enter_context(_open_extent(extent))
            self.extent, self.unpacked = extent, Unpacked(span, extent.packing)
        return self.unpacked

    def close(self) -> None:
        """Let go of the tar."""
        if self.stack is not None:
            stack, self.stack, self.unpacked = self.stack, None, None
            with suppress(SourceError):  # that it changed is said to those who read it
                stack.close()


_cursor = _Cursor()


def _tar_of(extent: FileExtent) -> tuple[Any, ...]:
    return (*extent[:5], extent.within)


def _open_whole(found: FoundFile, extent: FileExtent) -> io.RawIOBase:
    """Return a file of a compressed tar: its head is read, and the whole of it where more is asked for."""
    head = b"".join(iterate_whole(_cursor.at(extent), extent.offset, min(found.size, HEAD_BYTES)))
    return _Stream(_HeadReader(found, head), found.size, ExitStack())


class _HeadReader:
    """A file of which the head lies in memory."""

    def __init__(self, found: FoundFile, head: bytes) -> None:
        self._found, self._head = found, head
        self.size = found.size

    def read(self, offset: int, n: int) -> bytes:
        if offset + n > len(self._head) < self.size:
            with open_copy(self._found) as file:
                self._head = file.read()
        return self._head[offset : offset + n]


@contextmanager
def hold_files(files: Iterable[FoundFile], cache_bytes: int = 0) -> Iterator[Mapping[str, FoundFile]]:
    """Yield files by their paths as they can be read in place; those that lie compressed are unpacked once for that.

    Those that lie in a bucket are fetched, and cached where there may be a cache.  Raises SourceError where one of them
    cannot be had, ConnectionError where a bucket does not answer.
    """
    states: dict[str, State] = {}
    inside = {file.path: file for file in files if _is_inside(file)}
    present = [find_present(file, None if _is_object(file) else states) for file in inside.values()]
    held = {file.path: file for file, _ in present}
    _check_in_place([pair for pair in present if not _is_to_be_copied(pair[1])])
    wanted = sorted((pair for pair in present if _is_to_be_copied(pair[1])), key=_by_container)
    if not wanted:
        yield held
        return
    begins = [0, *accumulate(file.size for file, _ in wanted)]
    with _open_copy(wanted, begins, cache_bytes) as copy:
        place, status = f"{OPEN_FILES}/{copy.fileno()}", os.fstat(copy.fileno())
        state = status.st_size, status.st_mtime_ns, status.st_ctime_ns
        for (file, _), begin in zip(wanted, begins, strict=False):
            held[file.path] = replace(file, extent=FileExtent(place, *state, PLAIN, begin, file.size))
        yield held


def _check_in_place(files: Sequence[tuple[FoundFile, FileExtent]]) -> None:
    """Raise SourceError where a file that is read where it lies is not what the directory of its archive says."""
    checked = ((file, extent) for file, extent in files if file.crc is not None)
    for _, group in groupby(sorted(checked, key=_by_container), key=lambda pair: _tar_of(pair[1])):
        pairs = list(group)
        with _open_extent(pairs[0][1]) as span:
            for file, extent in pairs:
                _copy_member(span, file, extent, _Nowhere())


class _Nowhere:
    """What is only read is written there."""

    def write(self, content: bytes) -> None:
        """Do nothing."""


def _is_object(file: FoundFile) -> bool:
    return file.extent is not None and file.extent.packing == OBJECT


@contextmanager
def _open_copy(
    wanted: Sequence[tuple[FoundFile, FileExtent]], begins: Sequence[int], cache_bytes: int
) -> Iterator[BinaryIO]:
    """Yield a private file that holds these files, one behind another; those from a bucket may be there already."""

    def fill(copy: BinaryIO) -> None:
        placed = [(*pair, begin) for pair, begin in zip(wanted, begins, strict=False)]
        _fetch_all([one for one in placed if _is_fetched_alone(one[1])], copy)
        others = (one for one in placed if not _is_fetched_alone(one[1]))
        for _, group in groupby(others, key=lambda one: _tar_of(one[1])):
            _copy_group(list(group), copy)

    if cache_bytes and any(extent.is_remote for _, extent in wanted):
        names = [(extent.container, *extent[1:4], extent.offset, file.checksum) for file, extent in wanted]
        key = hashlib.blake2b(repr(names).encode(errors="surrogatepass"), digest_size=20).hexdigest()
        with open_cached(key, begins[-1], cache_bytes, fill) as copy:
            yield copy
        return
    with TemporaryFile() as copy:
        fill(copy)
        copy.flush()
        yield copy


def _is_inside(file: FoundFile) -> bool:
    return file.extent is not None and file.refusal is None


def _is_to_be_copied(extent: FileExtent) -> bool:
    return extent.packing not in IN_PLACE or bool(extent.within) or extent.is_remote


def _by_container(pair: tuple[FoundFile, FileExtent]) -> tuple[Any, ...]:
    return *_tar_of(pair[1]), pair[1].offset


class _Part:
    """A part of a file that is written from front to back, while others write other parts."""

    def __init__(self, file: BinaryIO, begin: int) -> None:
        self._descriptor, self._at = file.fileno(), begin

    def write(self, content: bytes) -> None:
        self._at += os.pwrite(self._descriptor, content, self._at)


Placed = tuple[FoundFile, FileExtent, int]
"""A file, where it lies, and where in a copy it is to begin."""


def _is_fetched_alone(extent: FileExtent) -> bool:
    return extent.is_remote and extent.packing not in WHOLE and not extent.within


def _fetch_all(files: Sequence[Placed], copy: BinaryIO) -> None:
    """Copy files that lie in buckets, several at a time."""

    def fetch(one: Placed) -> None:
        file, extent, begin = one
        with _open_extent(extent) as span:
            span.read(extent.offset, min(extent.packed + LOCAL_HEAD_BYTES, FETCHED_BYTES))  # one request for most
            _copy_member(span, file, extent, _Part(copy, begin))

    if files:
        with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
            list(pool.map(fetch, files))


def _copy_group(group: Sequence[Placed], copy: BinaryIO) -> None:
    """Copy files of one container to where each is to begin, in the order in which they lie."""
    first = group[0][1]
    if first.packing in WHOLE:
        for file, extent, begin in group:
            blocks = iterate_whole(_cursor.at(extent), extent.offset, file.size)
            copy_content(blocks, _Part(copy, begin), file.size, file.crc)
        return
    with _open_extent(first) as span:
        for file, extent, begin in group:
            _copy_member(span, file, extent, _Part(copy, begin))


def _copy_member(span: Span, file: FoundFile, extent: FileExtent, target: Writable) -> None:
    """Write a member of a zip or a plain tar; raises SourceError where it is not what its archive says."""
    copy_content(iterate_content(span, extent.packing, extent.offset, extent.packed), target, file.size, file.crc)


@contextmanager
def open_copy(found: FoundFile) -> Iterator[BinaryIO]:
    """Yield a private copy of one file, from its first byte."""
    with hold_files([found]) as held, open_stream(held.get(found.path, found)) as file:
        yield file


@contextmanager
def open_member_unchanged(found: FoundFile) -> Iterator[tuple[int, int]]:
    """Yield a descriptor, and where in it the file begins, as `files.open_unchanged` does."""
    found, extent = find_present(found)
    if _is_to_be_copied(extent):
        with hold_files([replace(found, refusal=None)]) as held, open_unchanged(held[found.path]) as opened:
            yield opened
        return
    with open_file(extent.container, extent[1:4]) as span:
        yield span.descriptor, find_content(span, extent.packing, extent.offset)


@contextmanager
def copy_of_place(place: str) -> Iterator[str]:
    """Yield the path of a private copy of what lies at a place; raises OSError where nothing does."""
    if os.path.lexists(place):  # a folder may be called so
        yield place
        return
    with hold_files([replace(find_place(place), refusal=None)]) as held:
        file = held.get(place) or find_place(place)
        with open_stream(file) as stream, TemporaryFile() as copy:
            copyfileobj(stream, copy)
            copy.flush()
            yield f"{OPEN_FILES}/{copy.fileno()}"
