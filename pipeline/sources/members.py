"""Files that lie in a container, opened: as a stream for their headers, and for their pixels at an offset.

What lies there as it is, is read there.  What is compressed is copied into a private file without a name: all files of
a series at once where they are announced by `hold_files`.  Such a file is gone with the process, however that ends.
"""

import io
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import lru_cache
from itertools import groupby
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import Any, BinaryIO, cast

from pipeline.limits import Limits
from pipeline.sources.archives import list_archive
from pipeline.sources.files import (
    CHANGED,
    IN_PLACE,
    INSIDE,
    PLAIN,
    WHOLE,
    ZIP_DEFLATED,
    FileExtent,
    FoundFile,
    SourceError,
    open_stream,
    open_unchanged,
)
from pipeline.sources.spans import (
    Inflated,
    PartOfSpan,
    Span,
    Unpacked,
    copy_content,
    iterate_content,
    iterate_whole,
    open_container,
    unpack_within,
)
from pipeline.sources.zips import find_data
from pipeline.vocabulary import Reason

HEAD_BYTES = 1 << 16
"""What is read of a file in a compressed tar as it comes by: most headers end there."""
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
    found, extent = _find_present(found)
    if extent.packing in WHOLE:
        return cast("BinaryIO", _open_whole(found, extent))
    with ExitStack() as stack:
        span = stack.enter_context(_open_extent(extent))
        offset = extent.offset if extent.packing == PLAIN else find_data(span.read, extent.offset)
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
    """What comes out of a deflated span, read at any offset; inflated as far as that, or once more."""

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


def _find_present(found: FoundFile) -> tuple[FoundFile, FileExtent]:
    """Return a file with where it lies now: an archive may be another that holds the same member."""
    extent = found.extent
    if extent is None:
        raise SourceError(Reason.UNREADABLE, "it lies in no container")
    status = os.stat(extent.container)  # noqa: PTH116  a str path
    if extent.is_of(status) or not found.checksum:
        return found, extent
    now = _list_container(extent.container, status.st_size, status.st_mtime_ns, status.st_ctime_ns).get(found.path)
    if now is None or now.extent is None or (now.checksum, now.size) != (found.checksum, found.size):
        raise SourceError(Reason.UNSTABLE, CHANGED)
    return now, now.extent


@lru_cache(maxsize=1)
def _list_container(path: str, size: int, mtime_ns: int, ctime_ns: int) -> dict[str, FoundFile]:
    container = FoundFile(path, size, mtime_ns, ctime_ns=ctime_ns)
    return {file.path: file for file in list_archive(container, Limits())}


@contextmanager
def hold_files(files: Iterable[FoundFile]) -> Iterator[Mapping[str, FoundFile]]:
    """Yield files by their paths as they can be read in place; those that lie compressed are unpacked once for that.

    Raises SourceError where one of them cannot be had.
    """
    present = [_find_present(file) for file in {file.path: file for file in files if _is_inside(file)}.values()]
    held = {file.path: file for file, _ in present}
    wanted = [pair for pair in present if _is_to_be_copied(pair[1])]
    if not wanted:
        yield held
        return
    with TemporaryFile() as copy:
        begins: dict[str, int] = {}
        for _, group in groupby(sorted(wanted, key=_by_container), key=lambda pair: _tar_of(pair[1])):
            begins.update(_copy_group(list(group), copy))
        copy.flush()
        place, status = f"{OPEN_FILES}/{copy.fileno()}", os.fstat(copy.fileno())
        state = status.st_size, status.st_mtime_ns, status.st_ctime_ns
        for file, _ in wanted:
            extent = FileExtent(place, *state, PLAIN, begins[file.path], file.size)
            held[file.path] = replace(file, extent=extent)
        yield held


def _is_inside(file: FoundFile) -> bool:
    return file.extent is not None and file.refusal is None


def _is_to_be_copied(extent: FileExtent) -> bool:
    return extent.packing not in IN_PLACE or bool(extent.within)


def _by_container(pair: tuple[FoundFile, FileExtent]) -> tuple[Any, ...]:
    return *_tar_of(pair[1]), pair[1].offset


def _copy_group(group: Sequence[tuple[FoundFile, FileExtent]], copy: BinaryIO) -> Iterator[tuple[str, int]]:
    """Copy files of one container, in the order in which they lie; yield where each begins."""
    first = group[0][1]
    if first.packing in WHOLE:
        for file, extent in group:
            yield file.path, copy.tell()
            blocks = iterate_whole(_cursor.at(extent), extent.offset, file.size)
            copy_content(blocks, copy, file.size, file.crc)
        return
    with _open_extent(first) as span:
        for file, extent in group:
            yield file.path, copy.tell()
            blocks = iterate_content(span, extent.packing, extent.offset, extent.packed)
            copy_content(blocks, copy, file.size, file.crc)


@contextmanager
def open_copy(found: FoundFile) -> Iterator[BinaryIO]:
    """Yield a private copy of one file, from its first byte."""
    with hold_files([found]) as held, open_stream(held.get(found.path, found)) as file:
        yield file


@contextmanager
def open_member_unchanged(found: FoundFile) -> Iterator[tuple[int, int]]:
    """Yield a descriptor, and where in it the file begins, as `files.open_unchanged` does."""
    found, extent = _find_present(found)
    if _is_to_be_copied(extent):
        with hold_files([replace(found, refusal=None)]) as held, open_unchanged(held[found.path]) as opened:
            yield opened
        return
    with open_container(extent.container, extent[1:4]) as span:
        offset = extent.offset if extent.packing == PLAIN else find_data(span.read, extent.offset)
        yield span.descriptor, offset


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


def find_place(place: str) -> FoundFile:
    """Return the file at a place in an archive; raises FileNotFoundError where there is none."""
    parts = place.split(INSIDE + "/")
    for n in range(1, len(parts)):
        container = (INSIDE + "/").join(parts[:n])
        if os.path.isfile(container):  # noqa: PTH113  a str path
            status = os.stat(container)  # noqa: PTH116  a str path
            files = _list_container(container, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            if place in files:
                return files[place]
    raise FileNotFoundError(place)
