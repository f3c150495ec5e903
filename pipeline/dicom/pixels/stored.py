"""A slice's pixels: read where the header found them, decoded by a named decoder, never trusted beyond their length."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder

from pipeline.dicom.files.find import FoundFile
from pipeline.dicom.files.part10 import inflated
from pipeline.dicom.files.structure import StructureError
from pipeline.dicom.files.syntax import (
    COMPRESSED_SYNTAXES,
    DEFLATED_LE,
    JPEG_2000_SYNTAXES,
    JPEG_LS_SYNTAXES,
    RLE_LOSSLESS,
)
from pipeline.dicom.headers.slice import Pixels, SliceHeader
from pipeline.dicom.pixels.codestream import has_end, size_told
from pipeline.errors import SeriesRefusedError
from pipeline.limits import Limits
from pipeline.vocabulary import Reason

Stored = NDArray[np.int64]

DECODERS = (
    dict.fromkeys(JPEG_2000_SYNTAXES, "pylibjpeg")
    | dict.fromkeys(JPEG_LS_SYNTAXES, "pyjpegls")
    | {RLE_LOSSLESS: "pylibjpeg"}
)
"""The decoder for each syntax; gdcm for the JPEG family.  Left to itself pydicom tries its own, slow RLE first."""

OTHER_SIZE = "the codestream has another size than the header"


@dataclass(frozen=True, eq=False)
class StoredSlice:
    """Stored values [y, x], sign and unused bits put right; ``has_high_bits`` where bits above BitsStored were set."""

    values: Stored
    has_high_bits: bool


def read_stored(header: SliceHeader, limits: Limits) -> StoredSlice:
    """Read one slice's stored values.

    Raises SeriesRefusedError with UNREADABLE, UNSTABLE, PIXELS_LENGTH or PIXEL_DECODE.
    """
    raw = raw_pixels(header, limits)
    pixels = header.pixels
    if pixels.transfer_syntax in COMPRESSED_SYNTAXES:
        frame = _decoded(raw, pixels, index=(header.frame or 1) - 1)
    else:
        frame = np.frombuffer(raw, _native_dtype(pixels)).reshape(pixels.rows, pixels.columns)
    return _put_right(frame, header)


def _native_dtype(pixels: Pixels) -> np.dtype[np.integer]:
    order, kind = "<" if pixels.little_endian else ">", "i" if pixels.signed else "u"
    return np.dtype(f"{order}{kind}{pixels.bits_allocated // 8}")


def raw_pixels(header: SliceHeader, limits: Limits) -> bytes:
    """Return the bytes of a slice's pixels as stored: one native frame, or the whole encapsulated element.

    Equal bytes of slices with equal ``Pixels`` mean equal images.
    """
    pixels = header.pixels
    is_compressed = pixels.transfer_syntax in COMPRESSED_SYNTAXES
    if is_compressed != pixels.encapsulated:
        detail = "the pixel data is not encoded as the transfer syntax says"
        raise SeriesRefusedError(Reason.PIXEL_DECODE, detail)
    _check_unchanged(header.file)
    if pixels.transfer_syntax == DEFLATED_LE:
        source = _inflated(header.file, limits)
        raw = source[_frame_offset(header) :][: pixels.frame_bytes]
    elif is_compressed:
        raw = _read(header.file, pixels.offset, header.file.size - pixels.offset)
    else:
        raw = _read(header.file, _frame_offset(header), pixels.frame_bytes)
    _check_unchanged(header.file)
    if not is_compressed and len(raw) < pixels.frame_bytes:
        raise SeriesRefusedError(Reason.PIXELS_LENGTH, "the pixel data is too short")
    return raw


def _frame_offset(header: SliceHeader) -> int:
    return header.pixels.offset + ((header.frame or 1) - 1) * header.pixels.frame_bytes


def _read(found: FoundFile, offset: int, n_bytes: int) -> bytes:
    try:
        descriptor = os.open(found.path, os.O_RDONLY)
        try:
            return os.pread(descriptor, n_bytes, offset)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _unreadable(error) from error


def _inflated(found: FoundFile, limits: Limits) -> bytes:
    try:
        return inflated(found, limits)
    except StructureError as error:
        raise SeriesRefusedError(error.reason, error.detail) from error
    except OSError as error:
        raise _unreadable(error) from error


def _check_unchanged(found: FoundFile) -> None:
    """Refuse a file that is no longer the one that was scanned."""
    try:
        status = os.stat(found.path)  # noqa: PTH116  a str path, as it came from the walk
    except OSError as error:
        raise _unreadable(error) from error
    if (status.st_size, status.st_mtime_ns) != (found.size, found.mtime_ns):
        raise SeriesRefusedError(Reason.UNSTABLE, "a file changed between scan and reading")


def _unreadable(error: OSError) -> SeriesRefusedError:
    return SeriesRefusedError(Reason.UNREADABLE, f"reading failed ({type(error).__name__})")


def _decoded(raw: bytes, pixels: Pixels, index: int) -> NDArray[np.integer]:
    """Decode one frame; whatever a decoder raises means that it refuses."""
    _check_codestream(raw, pixels, index)
    options: dict[str, Any] = {
        "rows": pixels.rows,
        "columns": pixels.columns,
        "samples_per_pixel": 1,
        "photometric_interpretation": pixels.photometric,
        "number_of_frames": pixels.n_frames,
        "bits_allocated": pixels.bits_allocated,
        "bits_stored": pixels.bits_stored,
        "pixel_representation": int(pixels.signed),
        "pixel_keyword": "PixelData",
    }
    plugin = DECODERS.get(pixels.transfer_syntax, "gdcm")
    try:
        decoder = get_decoder(pixels.transfer_syntax)
        frame, _ = decoder.as_array(raw, index=index, raw=True, decoding_plugin=plugin, **options)
    except (KeyboardInterrupt, MemoryError, SystemExit):
        raise
    except BaseException as error:  # each decoder has its own tree of errors; a panic in Rust is no Exception
        raise _undecodable(error) from error
    if frame.shape != (pixels.rows, pixels.columns):
        raise SeriesRefusedError(Reason.PIXEL_DECODE, OTHER_SIZE)
    return frame


def _check_codestream(raw: bytes, pixels: Pixels, index: int) -> None:
    """Refuse a frame that tells another size than its header, or breaks off, before a decoder spends time on it."""
    try:
        codestream = get_frame(raw, index, number_of_frames=pixels.n_frames)
    except Exception as error:
        raise _undecodable(error) from error
    if size_told(codestream) not in {None, (pixels.rows, pixels.columns)}:
        raise SeriesRefusedError(Reason.PIXEL_DECODE, OTHER_SIZE)
    if pixels.transfer_syntax in JPEG_LS_SYNTAXES and not has_end(codestream):
        raise SeriesRefusedError(Reason.PIXEL_DECODE, "the codestream breaks off")


def _undecodable(error: BaseException) -> SeriesRefusedError:
    return SeriesRefusedError(Reason.PIXEL_DECODE, f"the decoder refuses the pixels ({type(error).__name__})")


def _put_right(frame: NDArray[np.integer], header: SliceHeader) -> StoredSlice:
    """Keep BitsStored bits and the sign that PixelRepresentation says, whatever a codestream or an overlay put there.

    Padding is left as it is: its value may need more bits than the image (PS3.3 C.7.5.1.1.2).
    """
    values = frame.astype(np.int64)
    pixels = header.pixels
    low = values & ((1 << pixels.bits_stored) - 1)
    if pixels.signed:
        sign_bit = 1 << (pixels.bits_stored - 1)
        low = (low ^ sign_bit) - sign_bit
    differs = low != values
    if header.rescale.padding is not None:
        differs &= values != header.rescale.padding
    return StoredSlice(np.where(differs, low, values), has_high_bits=bool(differs.any()))
