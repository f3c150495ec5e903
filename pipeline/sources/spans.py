"""The bytes of a container: read at any offset, or from front to back, also those that come out of a compression."""

import bz2
import lzma
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any, Protocol

from pipeline.limits import Limits
from pipeline.sources.files import (
    BUCKET_URL,
    BZIP2,
    CHANGED,
    GZIP,
    PLAIN,
    WHOLE,
    XZ,
    ZIP_DEFLATED,
    ZIP_STORED,
    ZSTD,
    SourceError,
    State,
    refuse_damaged,
)
from pipeline.sources.zips import find_data
from pipeline.vocabulary import Reason

BLOCK_BYTES = 1 << 20
"""What is read, and what may come out, at a time."""
XZ_MEMORY_BYTES = 1 << 29
"""What unpacking xz may take: its strongest preset wants 65 MiB, a hostile archive may ask for 4 GiB."""
ZSTD_WINDOW_BYTES = 1 << 28
NEEDS_ZSTD = "an archive in zstd needs the package zstandard: install ctprep[zstd]"
MAGIC = {b"\x1f\x8b": GZIP, b"BZh": BZIP2, b"\xfd7zXZ\0": XZ, b"\x28\xb5\x2f\xfd": ZSTD}


class Span(Protocol):
    """Bytes that can be read at any offset."""

    @property
    def size(self) -> int:
        """How many there are."""

    def read(self, offset: int, n: int) -> bytes:
        """Return ``n`` bytes, fewer where they end."""


@dataclass(frozen=True)
class FileSpan:
    """A part of an open file."""

    descriptor: int
    begin: int
    size: int

    def read(self, offset: int, n: int) -> bytes:
        """Return ``n`` bytes, fewer where the part ends."""
        return os.pread(self.descriptor, max(0, min(n, self.size - offset)), self.begin + offset)


@dataclass(frozen=True)
class PartOfSpan:
    """A part of a span."""

    whole: Span
    begin: int
    size: int

    def read(self, offset: int, n: int) -> bytes:
        """Return ``n`` bytes, fewer where the part ends."""
        return self.whole.read(self.begin + offset, max(0, min(n, self.size - offset)))


@contextmanager
def open_container(path: str, state: State) -> Iterator[Span]:
    """Open a file that others lie in; raises SourceError where it is not of this size and these times any more."""
    if path.startswith(BUCKET_URL):
        from pipeline.sources.objects import ObjectSpan  # noqa: PLC0415  archives of folders need no buckets

        yield ObjectSpan(path, state)
        return
    with open_file(path, state) as span:
        yield span


@contextmanager
def open_file(path: str, state: State) -> Iterator[FileSpan]:
    """Open a file of this machine; raises as `open_container` does."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe in its place must not make it wait
    try:
        _check_state(descriptor, state)
        yield FileSpan(descriptor, 0, state[0])
        _check_state(descriptor, state)
    finally:
        os.close(descriptor)


def _check_state(descriptor: int, state: State) -> None:
    status = os.fstat(descriptor)
    if (status.st_size, status.st_mtime_ns, status.st_ctime_ns) != state:
        raise SourceError(Reason.UNSTABLE, CHANGED)


def find_packing(span: Span) -> int | None:
    """Return by which method a file is compressed as a whole, None for none that is known."""
    head = span.read(0, max(map(len, MAGIC)))
    return next((packing for magic, packing in MAGIC.items() if head.startswith(magic)), None)


class PlainForward:
    """A span from front to back; what is skipped is not read."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self.at = 0

    def take(self, n: int) -> bytes:
        """Return the next ``n`` bytes, fewer where it ends."""
        raw = self._span.read(self.at, n)
        self.at += len(raw)
        return raw

    def skip(self, n: int) -> tuple[int, None]:
        """Pass ``n`` bytes; return how many there were."""
        n = max(0, min(n, self._span.size - self.at))
        self.at += n
        return n, None


class Unpacked:
    """What comes out of a compressed span, from front to back; ``at`` is how much did.

    With ``limits`` it is an error if more comes out of it than they allow.
    """

    def __init__(self, span: Span, packing: int, limits: Limits | None = None) -> None:
        self._limits = limits
        self._packed = _Packed(span)
        self._next = _make_zstd(self._packed) if packing == ZSTD else _Streams(self._packed, packing).next_block
        self._content = b""
        self._begin = 0
        self.at = 0

    def take(self, n: int) -> bytes:
        """Return the next ``n`` bytes, fewer where it ends."""
        parts: list[bytes] = []
        while n > 0 and (part := self._part(n)):
            parts.append(part)
            n -= len(part)
        return b"".join(parts)

    def skip(self, n: int) -> tuple[int, int]:
        """Pass ``n`` bytes; return how many there were, and their CRC."""
        n_passed = crc = 0
        while n_passed < n and (part := self._part(n - n_passed)):
            crc = zlib.crc32(part, crc)
            n_passed += len(part)
        return n_passed, crc

    def _part(self, n: int) -> bytes:
        """Return at most ``n`` bytes, none at the end."""
        if self._begin == len(self._content):
            self._content, self._begin = self._next(), 0
            n_out = self.at + len(self._content)
            if self._limits and n_out > self._limits.most_inflated(self._packed.at):
                detail = f"what comes out is too much for {self._packed.at} bytes ({self._limits.describe_ratio()})"
                raise SourceError(Reason.LIMIT, detail)
        part = self._content[self._begin : self._begin + n]
        self._begin += len(part)
        self.at += len(part)
        return part


class _Packed:
    """A compressed span from front to back, as a stream."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self.at = 0

    def read(self, n: int = BLOCK_BYTES) -> bytes:
        raw = self._span.read(self.at, n)
        self.at += len(raw)
        return raw


class _Streams:
    """What comes out of streams of one compression, one behind another."""

    def __init__(self, packed: _Packed, packing: int) -> None:
        self._packed = packed
        self._make: Callable[[], Any] = _DECODERS[packing]
        self._decoder = self._make()
        self._waiting = b""

    def next_block(self) -> bytes:
        """Return what comes out next, nothing at the end."""
        while True:
            if self._decoder.eof:
                self._waiting = (self._decoder.unused_data or self._packed.read()).lstrip(b"\0")
                if not any(self._waiting.startswith(magic) for magic in MAGIC):
                    return b""  # padding, or what is no compressed stream
                self._decoder = self._make()
            if not self._waiting and self._decoder.needs_input:
                self._waiting = self._packed.read()
                if not self._waiting:
                    refuse_damaged("it is cut")
            try:
                block: bytes = self._decoder.decompress(self._waiting, BLOCK_BYTES)
            except (OSError, ValueError, EOFError, zlib.error, lzma.LZMAError, MemoryError):
                refuse_damaged("its compression cannot be undone")
            self._waiting = b""
            if block:
                return block


class _Gzip:
    """zlib's decoder with the methods of those of bz2 and lzma."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._decoder.unconsumed_tail

    def decompress(self, data: bytes, most: int) -> bytes:
        return self._decoder.decompress(self._decoder.unconsumed_tail + data, most)


def _make_xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY_BYTES)


_DECODERS: dict[int, Callable[[], Any]] = {GZIP: _Gzip, BZIP2: bz2.BZ2Decompressor, XZ: _make_xz}


def _make_zstd(packed: _Packed) -> Callable[[], bytes]:
    try:
        import zstandard  # noqa: PLC0415  an extra: only who has such archives needs it
    except ImportError as error:
        raise SourceError(Reason.UNREADABLE, NEEDS_ZSTD) from error
    decoder = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES)
    reader = decoder.stream_reader(packed, read_across_frames=True)

    def next_block() -> bytes:
        try:
            block: bytes = reader.read(BLOCK_BYTES)
        except zstandard.ZstdError:
            refuse_damaged("its compression cannot be undone")
        return block

    return next_block


def find_content(span: Span, packing: int, offset: int) -> int:
    """Return where the content of a member begins: in a zip that is behind its local header."""
    return find_data(span.read, offset) if packing in {ZIP_STORED, ZIP_DEFLATED} else offset


def iterate_content(span: Span, packing: int, offset: int, packed: int) -> Iterator[bytes]:
    """Yield what a member holds that lies in a zip, or as it is, a block at a time."""
    offset = find_content(span, packing, offset)
    packed_span = PartOfSpan(span, offset, packed)
    if packing == ZIP_DEFLATED:
        yield from Inflated(packed_span)
        return
    for at in range(0, packed, BLOCK_BYTES):
        yield packed_span.read(at, BLOCK_BYTES)


class Inflated:
    """What comes out of a deflated span, from front to back."""

    def __init__(self, span: Span, block_bytes: int = BLOCK_BYTES) -> None:
        self._packed = _Packed(span)
        self._block_bytes = block_bytes
        self._decoder = zlib.decompressobj(-zlib.MAX_WBITS)

    def __iter__(self) -> Iterator[bytes]:
        while block := self.next_block():
            yield block

    def next_block(self) -> bytes:
        """Return what comes out next, nothing at the end."""
        while not self._decoder.eof:
            waiting = self._decoder.unconsumed_tail or self._packed.read(self._block_bytes)
            try:
                block = self._decoder.decompress(waiting, self._block_bytes)
            except zlib.error:
                refuse_damaged("a member cannot be inflated")
            if block:
                return block
            if not waiting:
                refuse_damaged("a member is cut")
        return b""


class Writable(Protocol):
    """What bytes are written to."""

    def write(self, content: bytes, /) -> Any:
        """Write them."""


def copy_content(blocks: Iterable[bytes], file: Writable, size: int, crc: int | None) -> None:
    """Write what comes out of a member to a file; raises SourceError where it is not what its archive says."""
    n_bytes, found = 0, 0
    for block in blocks:
        n_bytes += len(block)
        if n_bytes > size:
            break
        found = zlib.crc32(block, found)
        file.write(block)
    if n_bytes != size or crc not in {None, found}:
        refuse_damaged("a member is not what its directory says (size or CRC)")


@contextmanager
def unpack_within(span: Span, within: tuple[int, ...]) -> Iterator[Span]:
    """Yield the bytes of an archive that is a member; one that is compressed as a private copy that has no name."""
    packing, offset, packed, size, crc = within
    if packing == PLAIN:
        yield PartOfSpan(span, offset, size)
        return
    with TemporaryFile() as file:
        if packing in WHOLE:
            blocks = iterate_whole(Unpacked(span, packing), offset, size)
        else:
            blocks = iterate_content(span, packing, offset, packed)
        copy_content(blocks, file, size, crc)
        file.flush()
        yield FileSpan(file.fileno(), 0, size)


def iterate_whole(unpacked: Unpacked, offset: int, size: int) -> Iterator[bytes]:
    """Yield what lies at an offset, not before the present one, of what comes out of a compressed tar."""
    unpacked.skip(offset - unpacked.at)
    left = size
    while left and (block := unpacked.take(min(left, BLOCK_BYTES))):
        left -= len(block)
        yield block
