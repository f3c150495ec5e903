import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.kernels.lossless import BROKEN, STEP_BITS, list_steps, put_values, remove_stuffing, warm

NOTHING, TWO, HALF = "0", "10", "1111111111111110"
"""Codes of categories 0, 2 and 16."""
CODES = np.zeros(1 << 16, np.uint16)
CODES[: 1 << 15] = 1 << 8
CODES[1 << 15 : 3 << 14] = 2 << 8 | 2
CODES[0xFFFE] = 16 << 8 | 16


def taken(digits: str, plane: NDArray[np.uint16], *, predictor: int = 1) -> int:
    words = np.frombuffer(int(digits.ljust(96, "1"), 2).to_bytes(12, "big"), ">u4").astype(np.uint32)
    return put_values(words, (CODES, list_steps(CODES)), predictor, 8, plane)


@pytest.mark.parametrize(
    ("stuffed", "plain", "place"),
    [
        (b"ab\xff\0c\xff\xd9zz", b"ab\xffc", 5),
        (b"\xff\xd9", b"", 0),
        (b"a\xff\0\xff\0", b"a\xff\xff", 5),
        (b"a\xff", b"a", 1),
        (b"abc", b"abc", 3),
        (b"a\xff\xff\xd9", b"a", 1),
    ],
)
def test_bytes_are_unstuffed_up_to_the_next_marker(stuffed: bytes, plain: bytes, place: int) -> None:
    found = np.zeros(16, np.uint8)
    n, marker = remove_stuffing(np.frombuffer(b"skip" + stuffed, np.uint8), 4, found)
    assert (found[:n].tobytes(), marker) == (plain, 4 + place)


def test_a_step_holds_a_difference_and_its_number_of_bits() -> None:
    steps = list_steps(CODES)
    told = {digits: int(steps[int(digits.ljust(STEP_BITS, "0"), 2)]) for digits in (NOTHING, TWO + "00", TWO + "11")}
    assert told == {NOTHING: 1, TWO + "00": -3 * 64 + 4, TWO + "11": 3 * 64 + 4}
    assert steps[-1] == 0  # of a longer code, or of none


def test_differences_are_added_to_the_prediction() -> None:
    plane = np.zeros((2, 3), np.uint16)
    digits = TWO + "11" + NOTHING + TWO + "00" + NOTHING + HALF + TWO + "01"
    assert taken(digits, plane) == len(digits)
    assert plane.tolist() == [[11, 11, 8], [11, 32779, 32777]]


def test_values_wrap_around_at_16_bits() -> None:
    plane = np.zeros((1, 4), np.uint16)
    taken(TWO + "00" + TWO + "00" + TWO + "00" + HALF, plane)
    assert plane.tolist() == [[5, 2, 65535, 32767]]


@pytest.mark.parametrize("digits", ["11", TWO + "11" + "11", NOTHING * 64, NOTHING * 96], ids=str)
def test_invalid_and_truncated_codes_are_reported(digits: str) -> None:
    assert taken(digits, np.zeros((1, 97), np.uint16)) == BROKEN


def test_warming_compiles_the_types_in_use() -> None:
    warm()
    before = [len(loop.signatures) for loop in (remove_stuffing, list_steps, put_values)]  # type: ignore[attr-defined]
    taken(NOTHING * 4, np.zeros((4, 4), np.uint16)[:2])
    remove_stuffing(np.frombuffer(b"ab", np.uint8), 0, np.zeros(4, np.uint8))
    assert [len(loop.signatures) for loop in (remove_stuffing, list_steps, put_values)] == before  # type: ignore[attr-defined]
