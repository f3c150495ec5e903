"""JPEG lossless (ITU-T T.81, annex H) to values; what has not exactly the bits of its pixels is refused."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from pipeline.dicom.pixels.encapsulated import FRAME_MARKERS, SCAN_MARKER, read_frame_size, walk_segments
from pipeline.errors import SeriesRefusedError
from pipeline.kernels.lossless import BROKEN, Codes, Values, list_steps, put_values, remove_stuffing
from pipeline.vocabulary import Reason

FRAME, TABLES, RESTART_INTERVAL = 0xC3, 0xC4, 0xDD
RESTARTS = tuple(bytes((0xFF, 0xD0 + k)) for k in range(8))
SPARE = 12
"""The loop looks so many bytes ahead, at most."""


@dataclass(frozen=True)
class LosslessScan:
    """One component of JPEG lossless: values of ``precision`` bits, of which the lowest ``shift`` are not told.

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
            and max(self.table[16:], default=0) <= 16
        ):
            raise SeriesRefusedError(Reason.PIXEL_DECODE, "the codestream is not as the standard says")


def find_scan(codestream: bytes) -> LosslessScan | None:
    """Return the scan of a codestream, None where it is no single component of JPEG lossless."""
    told: dict[int, bytes] = {}
    tables: dict[int, bytes] = {}
    end = 0
    for marker, content, end in walk_segments(codestream):  # noqa: B007  the bits begin at the end of the last one
        told.setdefault(marker, content)
        tables.update(_tables(content) if marker == TABLES else ())
    frame, scan = told.get(FRAME, b""), told.get(SCAN_MARKER, b"")
    if frame[5:6] != b"\1" or len(told.keys() & FRAME_MARKERS) > 1:
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
        restart=int.from_bytes(told.get(RESTART_INTERVAL, b""), "big"),
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
    """Give codes from 0 upwards, the shorter first: what begins with each lies side by side (T.81, annex C)."""
    codes, first = np.zeros(1 << 16, np.uint16), 0
    categories = iter(table[16:])
    for length, count in enumerate(table[:16], 1):
        for category in islice(categories, count):
            last = first + (1 << 16 - length)
            codes[first:last] = length << 8 | category
            first = last
    return codes
