import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dataset.window import PatchWindow

START = st.tuples(*[st.integers(-9, 9)] * 3)
SHAPE = st.tuples(*[st.integers(1, 8)] * 3)
ARRAY = np.arange(5 * 4 * 6).reshape(5, 4, 6) + 1


@given(start=START, shape=SHAPE)
def test_a_window_holds_what_padding_first_and_slicing_then_would(
    start: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    window = PatchWindow.on(ARRAY.shape, start, shape)
    padded = np.pad(ARRAY, 20, constant_values=-7)
    expected = padded[tuple(slice(first + 20, first + 20 + n) for first, n in zip(start, shape, strict=True))]
    np.testing.assert_array_equal(window.fill(ARRAY[window.taken], [-7]), expected)


def test_each_channel_has_its_own_outside() -> None:
    window = PatchWindow.on((5, 4, 6), (-1, 0, 0), (2, 1, 1))
    filled = window.fill(np.stack([ARRAY, ARRAY])[(..., *window.taken)], [-7, -8])
    assert filled[:, 0].ravel().tolist() == [-7, -8]
    assert filled[:, 1].ravel().tolist() == [1, 1]


def test_a_window_inside_is_what_was_taken_itself() -> None:
    window = PatchWindow.on((5, 4, 6), (1, 1, 1), (2, 2, 2))
    part = ARRAY[window.taken]
    assert window.fill(part, [0]) is part
