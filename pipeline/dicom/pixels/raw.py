"""The bytes of a slice's pixels: read where the header found them, and only from the file that was scanned."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.dicom.files.encoding import COMPRESSED_SYNTAXES, DEFLATED_LE
from pipeline.dicom.files.part10 import inflate_data_set
from pipeline.dicom.files.structure import StructureError
from pipeline.dicom.headers.slice import SliceHeader
from pipeline.dicom.pixels.encapsulated import FragmentsError, Frame, Read, find_frames
from pipeline.errors import SeriesRefusedError
from pipeline.limits import Limits
from pipeline.sources.folders import FoundFile
from pipeline.vocabulary import Reason

Buffer = bytes | memoryview


class PixelReader:
    """Reads slices' pixels as they are stored; remembers where the frames of a multi-frame file lie."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._frames: dict[str, list[Frame]] = {}

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
        with _opened(header.file) as descriptor:
            return frame[: os.preadv(descriptor, [frame], _frame_offset(header))]

    def _inflated(self, header: SliceHeader) -> bytes:
        with _opened(header.file):  # which looks at the file before and after
            try:
                whole = inflate_data_set(header.file, self._limits)
            except StructureError as error:
                raise SeriesRefusedError(error.reason, error.detail) from error
        offset = _frame_offset(header)
        return whole[offset : offset + header.pixels.frame_bytes]

    def _codestream(self, header: SliceHeader) -> bytes:
        with _opened(header.file) as descriptor:
            read = _reading(descriptor, header.file.size)
            try:
                frame = self._frame_of(header, read)
            except FragmentsError as error:
                raise SeriesRefusedError(Reason.PIXEL_DECODE, str(error)) from error
            return b"".join(read(fragment.offset, fragment.length) for fragment in frame)

    def _frame_of(self, header: SliceHeader, read: Read) -> Frame:
        path, pixels, index = header.file.path, header.pixels, (header.frame or 1) - 1
        frames = self._frames.get(path) or find_frames(read, pixels.offset, pixels.n_frames)
        if pixels.n_frames > 1:
            self._frames[path] = frames
        if index >= len(frames):
            msg = f"the fragments hold {len(frames)} frames, and {pixels.n_frames} are told"
            raise FragmentsError(msg)
        return frames[index]


def _frame_offset(header: SliceHeader) -> int:
    return header.pixels.offset + ((header.frame or 1) - 1) * header.pixels.frame_bytes


def _reading(descriptor: int, size: int) -> Read:
    """Return what reads from a file, and never asks for more than there is: the length may be hostile."""

    def read(offset: int, n_bytes: int) -> bytes:
        return os.pread(descriptor, max(0, min(n_bytes, size - offset)), offset)

    return read


@contextmanager
def _opened(found: FoundFile) -> Iterator[int]:
    """Open a file that is the one that was scanned, before it is read and after."""
    try:
        descriptor = os.open(found.path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe in its place must not make it wait
        try:
            _check_unchanged(found, descriptor)
            yield descriptor
            _check_unchanged(found, descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        detail = f"reading failed ({type(error).__name__})"
        raise SeriesRefusedError(Reason.UNREADABLE, detail) from error


def _check_unchanged(found: FoundFile, descriptor: int) -> None:
    status = os.fstat(descriptor)
    if (status.st_size, status.st_mtime_ns) != (found.size, found.mtime_ns):
        raise SeriesRefusedError(Reason.UNSTABLE, "a file changed between scan and reading")
