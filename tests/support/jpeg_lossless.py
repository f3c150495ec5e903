"""A plain encoder of JPEG lossless (ITU-T T.81, annex H) in any form that the standard allows."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

FLAT = bytes((0, 0, 0, 0, 17, *bytes(11)))
"""How many codes there are of 1 to 16 bits: each category has one of 5."""
DEEP = bytes((*(1,) * 15, 2))
"""One of each length, and two of the longest."""
PREDICTORS = range(1, 8)


@dataclass(frozen=True)
class Form:
    """How values are encoded; ``restart_rows`` 0 for no restarts, ``before`` the segments before the frame."""

    precision: int = 12
    predictor: int = 1
    shift: int = 0
    restart_rows: int = 0
    lengths: bytes = field(default=FLAT, repr=False)
    before: bytes = field(default=b"", repr=False)
    fill: bytes = field(default=b"", repr=False)


def encoded(values: NDArray[np.integer], form: Form) -> bytes:
    """Return a codestream of values [y, x], whose lowest ``form.shift`` bits are lost."""
    rows, columns = values.shape
    shifted = values.astype(int) >> form.shift
    step = form.restart_rows or rows
    stretches = [_bits(shifted[y : y + step], form) for y in range(0, rows, step)]
    frame = bytes((form.precision, *rows.to_bytes(2, "big"), *columns.to_bytes(2, "big"), 1, 1, 0x11, 0))
    restart = _segment(0xDD, (form.restart_rows * columns).to_bytes(2, "big"), form) if form.restart_rows else b""
    return b"".join((
        b"\xff\xd8", form.before, _segment(0xC3, frame, form),
        _segment(0xC4, b"\0" + form.lengths + bytes(range(17)), form), restart,
        _segment(0xDA, bytes((1, 1, 0, form.predictor, 0, form.shift)), form),
        stretches[0], *(bytes((0xFF, 0xD0 + k % 8)) + bits for k, bits in enumerate(stretches[1:])),
        form.fill, b"\xff\xd9",
    ))  # fmt: skip


def _segment(marker: int, content: bytes, form: Form) -> bytes:
    return form.fill + bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content


def _bits(values: NDArray[np.int_], form: Form) -> bytes:
    """Encode what lies between two restarts, filled up with ones to whole bytes."""
    codes, digits = _codes(form.lengths), []
    for (y, x), value in np.ndenumerate(values):
        difference = (int(value) - _expected(values, y, x, form)) & 0xFFFF
        difference -= 0x10000 if difference > 0x8000 else 0
        category = abs(difference).bit_length()
        told = difference if difference > 0 else difference + (1 << category) - 1
        digits += [codes[category], f"{told:0{category}b}" if 0 < category < 16 else ""]
    text = "".join(digits)
    text += "1" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\0")


def _expected(values: NDArray[np.int_], y: int, x: int, form: Form) -> int:
    if y == 0:
        return int(values[0, x - 1]) if x else 1 << (form.precision - form.shift - 1)
    if x == 0:
        return int(values[y - 1, 0])
    left, above, corner = (int(each) for each in (values[y, x - 1], values[y - 1, x], values[y - 1, x - 1]))
    return (
        left,
        above,
        corner,
        left + above - corner,
        left + ((above - corner) >> 1),
        above + ((left - corner) >> 1),
        (left + above) >> 1,
    )[form.predictor - 1]


def _codes(lengths: bytes) -> list[str]:
    """Return the code of each category as digits (T.81, annex C)."""
    codes, code = [], 0
    for length, count in enumerate(lengths, 1):
        for _ in range(count):
            codes.append(f"{code:0{length}b}")
            code += 1
        code <<= 1
    return codes
