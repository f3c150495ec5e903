"""A compressed frame to its values, by a named decoder for each transfer syntax; JPEG lossless by a loop of our own."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from rle.utils import decode_pixel_data

from pipeline.dicom.files.encoding import (
    JPEG_2000_SYNTAXES,
    JPEG_LOSSLESS_SYNTAXES,
    JPEG_LS_SYNTAXES,
    JPEG_SYNTAXES,
    RLE_LOSSLESS,
)
from pipeline.dicom.headers.slice import Pixels
from pipeline.dicom.pixels.raw import JPEG_END
from pipeline.errors import SeriesRefusedError
from pipeline.kernels.lossless import BROKEN, Codes, Values, list_steps, put_values, remove_stuffing
from pipeline.vocabulary import Reason

JPEG_START = b"\xff\xd8"
JPEG_2000_SIZE = b"\xff\x4f\xff\x51"
"""Start of codestream and, always next, its size (ISO/IEC 15444-1, A.5.1)."""
JPEG_2000_PRECISION = 42
"""Where the precision of the first component lies: its depth less one, and its sign (ISO/IEC 15444-1, A.5.1)."""
FRAME_MARKERS = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
"""What begins a frame of JPEG (ITU-T T.81, table B.1) or of JPEG-LS (ITU-T T.87, C.1.1)."""
SCAN_MARKER = 0xDA


def read_size(codestream: bytes) -> tuple[int, int] | None:
    """Return the rows and columns in a codestream, None where it holds none, as in RLE."""
    if codestream.startswith(JPEG_START):
        return next(
            (read_frame_size(found) for marker, found, _ in walk_segments(codestream) if marker in FRAME_MARKERS), None
        )
    start = codestream.find(JPEG_2000_SIZE)
    return None if start < 0 else _jpeg_2000_size(codestream[start + 8 : start + 24])


def read_precision(codestream: bytes) -> int | None:
    """Return the number of bits of the values in a codestream, None where it holds none, as in RLE."""
    if codestream.startswith(JPEG_START):
        frames = (found for marker, found, _ in walk_segments(codestream) if marker in FRAME_MARKERS)
        return next((frame[0] for frame in frames if frame), None)
    start = codestream.find(JPEG_2000_SIZE)
    if start < 0 or len(codestream) <= start + JPEG_2000_PRECISION:
        return None
    return (codestream[start + JPEG_2000_PRECISION] & 0x7F) + 1


def walk_segments(codestream: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Step from marker to marker of a JPEG to the start of its scan: each marker, its content, and where that ends."""
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
    """Report whether a codestream of the JPEG family ends with its marker; CharLS takes seconds to miss it.

    After the marker there may be bytes of 0 or 0xFF, which fill a fragment up to an even length.
    """
    return codestream.rstrip(b"\0\xff").endswith(JPEG_END)


def read_frame_size(frame: bytes) -> tuple[int, int]:
    """Return the rows and columns in the segment of a frame, which follow its precision."""
    return _number(frame[1:3]), _number(frame[3:5])


def _jpeg_2000_size(sizes: bytes) -> tuple[int, int]:
    """Return the extent of the reference grid less the image's offset in it."""
    right, bottom, left, top = (_number(sizes[place : place + 4]) for place in (0, 4, 8, 12))
    return bottom - top, right - left


def _number(digits: bytes) -> int:
    return int.from_bytes(digits, "big")


FRAME, TABLES, RESTART_INTERVAL = 0xC3, 0xC4, 0xDD
RESTARTS = tuple(bytes((0xFF, 0xD0 + k)) for k in range(8))
LAST_CATEGORY = 16
"""Of a difference modulo 2**16 (T.81, table H.2)."""
SPARE = 12
"""The loop looks so many bytes ahead, at most."""


@dataclass(frozen=True)
class LosslessScan:
    """One component of JPEG lossless: values of ``precision`` bits, of which the lowest ``shift`` are not coded.

    ``table`` has the numbers of codes of 1 to 16 bits, and the category of each code; ``restart`` says after how many
    values prediction begins anew, 0 for never; the bits begin at ``place``.  Raises SeriesRefusedError with
    PIXEL_DECODE for what the standard does not allow.
    """

    rows: int
    columns: int
    precision: int
    shift: int
    predictor: int
    restart: int
    table: bytes
    place: int

    def __post_init__(self) -> None:
        taken = sum(count << 16 - length for length, count in enumerate(self.table[:16], 1))
        if not (
            self.columns > 0
            and self.shift < self.precision <= 16
            and 1 <= self.predictor <= 7
            and self.restart % self.columns == 0
            and len(self.table) == 16 + sum(self.table[:16])
            and taken <= 1 << 16
        ):
            raise SeriesRefusedError(Reason.PIXEL_DECODE, "the codestream is not as the standard says")


def find_scan(codestream: bytes) -> LosslessScan | None:
    """Return the scan of a codestream, None where it is no single component of JPEG lossless."""
    found: dict[int, bytes] = {}
    tables: dict[int, bytes] = {}
    end = 0
    for marker, content, end in walk_segments(codestream):  # noqa: B007  the bits begin at the end of the last one
        found.setdefault(marker, content)
        tables.update(_tables(content) if marker == TABLES else ())
    frame, scan = found.get(FRAME, b""), found.get(SCAN_MARKER, b"")
    if frame[5:6] != b"\1" or len(found.keys() & FRAME_MARKERS) > 1:
        return None
    if len(scan) != 6 or scan[:2] != frame[5:7] or scan[2] >> 4 not in tables:
        raise SeriesRefusedError(Reason.PIXEL_DECODE, "the codestream has no scan of its image")
    rows, columns = read_frame_size(frame)
    return LosslessScan(
        rows=rows,
        columns=columns,
        precision=frame[0],
        shift=scan[5] & 0x0F,
        predictor=scan[3],
        restart=int.from_bytes(found.get(RESTART_INTERVAL, b""), "big"),
        table=tables[scan[2] >> 4],
        place=end,
    )


def decode_lossless(codestream: bytes, scan: LosslessScan) -> Values:
    """Return the values [y, x] of a scan, modulo 2**16.

    Each stretch between restarts must end in the byte of its last value, so a codestream that was cut, or has lost or
    won bytes, is refused; one with other bits in their place need not be.  Raises SeriesRefusedError with PIXEL_DECODE.
    """
    stuffed, plain = np.frombuffer(codestream, np.uint8), np.zeros(len(codestream) + SPARE, np.uint8)
    codes, first = _codes(scan.table), 1 << scan.precision - scan.shift - 1
    tables = codes, list_steps(codes)
    values = np.empty((scan.rows, scan.columns), np.uint16)
    place = scan.place
    for k, stretch in enumerate(_stretches(scan, values)):
        place = _after_restart(codestream, place, k) if k else place
        n_bytes, place = remove_stuffing(stuffed, place, plain)
        words = plain[: n_bytes + SPARE & ~3].view(">u4").astype(np.uint32)
        n_bits = put_values(words, tables, scan.predictor, first, stretch)
        if n_bits == BROKEN or not 0 <= n_bytes * 8 - n_bits < 8:
            raise SeriesRefusedError(Reason.PIXEL_DECODE, "the codestream has not the bits of its pixels")
    return values << np.uint16(scan.shift)


def _stretches(scan: LosslessScan, values: Values) -> Iterator[Values]:
    """Part rows where prediction begins anew."""
    rows = scan.restart // scan.columns or scan.rows
    return (values[y : y + rows] for y in range(0, scan.rows, rows))


def _after_restart(codestream: bytes, place: int, k: int) -> int:
    """Step over the marker before the ``k``th stretch; they are numbered, and come in turn."""
    if codestream[place : place + 2] != RESTARTS[(k - 1) % 8]:
        raise SeriesRefusedError(Reason.PIXEL_DECODE, "the codestream has not the restarts that it tells")
    return place + 2


def _tables(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Step from table to table of a segment, each with its number (T.81, B.2.4.2)."""
    while content:
        end = 17 + sum(content[1:17])
        yield content[0], content[1:end]
        content = content[end:]


def _codes(table: bytes) -> Codes:
    """Give codes from 0 upwards, the shorter first: what begins with each lies side by side (T.81, annex C).

    Some tables have codes for categories that no difference has: such a code is none, and refused where it is used.
    """
    codes, first = np.zeros(1 << 16, np.uint16), 0
    categories = iter(table[16:])
    for length, count in enumerate(table[:16], 1):
        for category in islice(categories, count):
            last = first + (1 << 16 - length)
            if category <= LAST_CATEGORY:
                codes[first:last] = length << 8 | category
            first = last
    return codes


Frame = NDArray[np.integer[Any]]

DECODERS = dict.fromkeys(JPEG_2000_SYNTAXES, "pylibjpeg") | dict.fromkeys(JPEG_LS_SYNTAXES, "pyjpegls")
"""The decoder that pydicom is to use for a syntax; gdcm for what loses something (benchmarks/decoders.py)."""

OTHER_SIZE = "the codestream has another size than the header"


def decode_frame(codestream: bytes, pixels: Pixels) -> Frame:
    """Decode one frame to [y, x]; any error of a decoder means that it refuses the frame.

    Sign and unused bits are the decoder's.  Raises SeriesRefusedError with PIXEL_DECODE.
    """
    decode = _rle if pixels.transfer_syntax == RLE_LOSSLESS else _jpeg
    try:
        frame = decode(codestream, pixels)
    except (KeyboardInterrupt, MemoryError, SystemExit, SeriesRefusedError):
        raise
    except BaseException as error:  # each decoder has its own tree of errors; a panic in Rust is no Exception
        detail = f"the decoder refuses the pixels ({type(error).__name__})"
        raise SeriesRefusedError(Reason.PIXEL_DECODE, detail) from error
    if frame.shape != (pixels.rows, pixels.columns):
        raise SeriesRefusedError(Reason.PIXEL_DECODE, OTHER_SIZE)
    return frame


def _rle(codestream: bytes, pixels: Pixels) -> Frame:
    """Decode RLE (PS3.5 annex G), which holds no size; without pydicom, which would take half as long again."""
    flat = decode_pixel_data(
        codestream, version=2, rows=pixels.rows, columns=pixels.columns, bits_allocated=pixels.bits_allocated
    )
    kind = "i" if pixels.signed else "u"
    return np.frombuffer(flat, f"<{kind}{pixels.bits_allocated // 8}").reshape(pixels.rows, pixels.columns)


def _jpeg(codestream: bytes, pixels: Pixels) -> Frame:
    """Decode one of the JPEG family."""
    _check_codestream(codestream, pixels)
    if pixels.transfer_syntax in JPEG_LOSSLESS_SYNTAXES and (scan := find_scan(codestream)):
        return decode_lossless(codestream, scan).view(np.int16 if pixels.signed else np.uint16)
    return _by_pydicom(codestream, pixels)


def _by_pydicom(codestream: bytes, pixels: Pixels) -> Frame:
    """Decode by one of the decoders that pydicom knows."""
    options: dict[str, Any] = {
        "rows": pixels.rows,
        "columns": pixels.columns,
        "samples_per_pixel": 1,
        "photometric_interpretation": pixels.photometric,
        "number_of_frames": 1,
        "bits_allocated": pixels.bits_allocated,
        "bits_stored": pixels.bits_stored,
        "pixel_representation": int(pixels.signed),
        "pixel_keyword": "PixelData",
    }
    decoder, plugin = get_decoder(pixels.transfer_syntax), DECODERS.get(pixels.transfer_syntax, "gdcm")
    frame: Frame = decoder.as_array(
        encapsulate([codestream], has_bot=False), raw=True, decoding_plugin=plugin, **options
    )[0]
    return frame


def _check_codestream(codestream: bytes, pixels: Pixels) -> None:
    """Refuse a frame of another size than its header, or one that breaks off, before a decoder spends time on it.

    More bits than JPEG has (PS3.5, 8.2.1) are refused too: they make gdcm abort the process.
    """
    if pixels.transfer_syntax in JPEG_SYNTAXES and pixels.bits_allocated > 16:
        raise SeriesRefusedError(Reason.PIXEL_DECODE, "JPEG has not so many bits as the header tells")
    if read_size(codestream) not in {None, (pixels.rows, pixels.columns)}:
        raise SeriesRefusedError(Reason.PIXEL_DECODE, OTHER_SIZE)
    if pixels.transfer_syntax in JPEG_LS_SYNTAXES and not has_end(codestream):
        raise SeriesRefusedError(Reason.PIXEL_DECODE, "the codestream breaks off")
