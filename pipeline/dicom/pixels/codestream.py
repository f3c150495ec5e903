"""What a compressed frame says of its own size: a header must not give it another shape, nor a decoder believe it."""

from collections.abc import Iterator

JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
JPEG_2000_SIZE = b"\xff\x4f\xff\x51"
"""Start of codestream and, always next, its size (ISO/IEC 15444-1, A.5.1)."""
FRAME_MARKERS = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
"""What begins a frame of JPEG (ITU-T T.81, table B.1) or of JPEG-LS (ITU-T T.87, C.1.1)."""
SCAN_MARKER = 0xDA


def size_told(codestream: bytes) -> tuple[int, int] | None:
    """Return the rows and columns that a codestream tells, None where it tells none, as RLE does not."""
    if codestream.startswith(JPEG_START):
        return next((frame_size(told) for marker, told, _ in segments(codestream) if marker in FRAME_MARKERS), None)
    start = codestream.find(JPEG_2000_SIZE)
    return None if start < 0 else _jpeg_2000_size(codestream[start + 8 : start + 24])


def segments(codestream: bytes) -> Iterator[tuple[int, bytes, int]]:
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


def frame_size(frame: bytes) -> tuple[int, int]:
    """Return the rows and columns that the segment of a frame tells, after its bits."""
    return _number(frame[1:3]), _number(frame[3:5])


def _jpeg_2000_size(sizes: bytes) -> tuple[int, int]:
    """Return the extent of the reference grid less the image's offset in it."""
    right, bottom, left, top = (_number(sizes[place : place + 4]) for place in (0, 4, 8, 12))
    return bottom - top, right - left


def _number(digits: bytes) -> int:
    return int.from_bytes(digits, "big")
