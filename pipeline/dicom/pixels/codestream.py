"""What a compressed frame says of its own size: a header must not give it another shape, nor a decoder believe it."""

JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
JPEG_2000_SIZE = b"\xff\x4f\xff\x51"
"""Start of codestream and, always next, its size (ISO/IEC 15444-1, A.5.1)."""
FRAME_MARKERS = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
"""What begins a frame of JPEG (ITU-T T.81, table B.1) or of JPEG-LS (ITU-T T.87, C.1.1)."""


def size_told(codestream: bytes) -> tuple[int, int] | None:
    """Return the rows and columns that a codestream tells, None where it tells none, as RLE does not."""
    if codestream.startswith(JPEG_START):
        return _jpeg_size(codestream)
    start = codestream.find(JPEG_2000_SIZE)
    return None if start < 0 else _jpeg_2000_size(codestream[start + 8 : start + 24])


def has_end(codestream: bytes) -> bool:
    """Report whether a codestream of the JPEG family ends with its marker; CharLS takes seconds to miss it."""
    return codestream.rstrip(b"\0").endswith(JPEG_END)


def _jpeg_size(codestream: bytes) -> tuple[int, int] | None:
    """Step from marker to marker to the one that begins the frame."""
    place = len(JPEG_START)
    while place + 9 <= len(codestream) and codestream[place] == 0xFF:
        if codestream[place + 1] in FRAME_MARKERS:
            return _number(codestream[place + 5 : place + 7]), _number(codestream[place + 7 : place + 9])
        place += 2 + _number(codestream[place + 2 : place + 4])
    return None


def _jpeg_2000_size(sizes: bytes) -> tuple[int, int]:
    """Return the extent of the reference grid less the image's offset in it."""
    right, bottom, left, top = (_number(sizes[place : place + 4]) for place in (0, 4, 8, 12))
    return bottom - top, right - left


def _number(digits: bytes) -> int:
    return int.from_bytes(digits, "big")
