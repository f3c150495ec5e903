"""Decoding of JPEG lossless: Huffman codes to differences, and differences to values (ITU-T T.81, annex H)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.kernels.compiled import compile_loop

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint32]
Values = NDArray[np.uint16]
Codes = NDArray[np.uint16]
"""For each 16 bits: the length of the code at their beginning, times 256, plus its category; 0 for no code."""
Whole = Any
"""An integer whose type numba infers."""
Steps = NDArray[np.int32]
"""For each ``STEP_BITS`` bits: the difference at their beginning, times 64, plus its length; 0 where it is longer."""

STEP_BITS = 13
"""Nearly every difference of CT fits, and the table fits the first-level cache."""
BROKEN = -1
"""Returned for an invalid code, or where no words are left."""


@compile_loop
def remove_stuffing(stuffed: Bytes, start: int, plain: Bytes) -> tuple[int, int]:
    """Copy the bytes before the next marker to ``plain``, without the zero after each 0xFF; T.81, B.1.1.5.

    Returns the number of bytes copied, and the position of the marker: the end where there is none.
    """
    n, place = 0, start
    while place < stuffed.size:
        plain[n] = stuffed[place]
        if stuffed[place] == 0xFF:
            place += 1
            if place == stuffed.size or stuffed[place] != 0:
                return n, place - 1
        n += 1
        place += 1
    return n, place


@compile_loop
def _difference(bits: Whole, codes: Codes) -> tuple[Whole, Whole]:
    """Return the difference at the beginning of 64 ``bits``, and its length, 0 for none; T.81, H.1.2.2."""
    code = np.int64(codes[bits >> np.uint64(48)])
    length, category = code >> 8, code & 0xFF
    if category % 16 == 0:  # nothing, or half the range: no bits follow
        return category << 11, length
    below = np.int64((bits << np.uint64(length)) >> np.uint64(64 - category))
    return below if below >> category - 1 else below - (1 << category) + 1, length + category


@compile_loop
def list_steps(codes: Codes) -> Steps:
    """Return a table of the differences of few bits, so that one look-up finds code and difference."""
    steps = np.zeros(1 << STEP_BITS, np.int32)
    for i in range(steps.size):
        difference, length = _difference(np.uint64(i) << np.uint64(64 - STEP_BITS), codes)
        if length <= STEP_BITS:
            steps[i] = difference * 64 + length
    return steps


@compile_loop
def _predict(predictor: int, left: Whole, above: Whole, corner: Whole) -> Whole:
    """Return the prediction of a value from its neighbours; T.81, table H.1."""
    if predictor == 2:
        return above
    if predictor == 3:
        return corner
    if predictor == 4:
        return left + above - corner
    if predictor == 5:
        return left + (above - corner >> 1)
    if predictor == 6:
        return above + (left - corner >> 1)
    return left + above >> 1


@compile_loop
def put_values(words: Words, tables: tuple[Codes, Steps], predictor: int, first: int, plane: Values) -> int:
    """Fill ``plane`` [y, x] from bits; ``first`` predicts the first value, and the left neighbour the first row.

    Returns the number of bits used, or BROKEN.  32 bits are loaded ahead, so ``words`` needs one more than are used.
    """
    codes, steps = tables
    above = np.zeros(plane.shape[1], np.int64)
    bits: Whole = np.uint64(0)
    n_bits: Whole = 0
    left, place = np.int64(first), 0
    for y in range(plane.shape[0]):
        left, corner = left if y == 0 else above[0], above[0]
        for x in range(plane.shape[1]):
            if n_bits < 32:
                if place == words.size:
                    return BROKEN
                bits |= np.uint64(words[place]) << np.uint64(32 - n_bits)
                n_bits, place = n_bits + 32, place + 1
            step = np.int64(steps[bits >> np.uint64(64 - STEP_BITS)])
            difference, length = step >> 6, step & 63
            if length == 0:
                difference, length = _difference(bits, codes)
                if length == 0:
                    return BROKEN
            bits, n_bits = bits << np.uint64(length), n_bits - length
            by_left = predictor == 1 or y == 0 or x == 0
            expected = left if by_left else _predict(predictor, left, above[x], corner)
            corner, left = above[x], expected + difference & 0xFFFF
            above[x] = plane[y, x] = left
    return int(place * 32 - n_bits)


def warm() -> None:
    """Make the machine code of every loop ready, or find it on disk: called where no series waits for it."""
    codes, plain = np.zeros(1 << 16, np.uint16), np.zeros(4, np.uint8)
    remove_stuffing(np.frombuffer(b"\0", np.uint8), 0, plain)
    put_values(plain.view(np.uint32), (codes, list_steps(codes)), 1, 0, np.zeros((1, 1), np.uint16))
