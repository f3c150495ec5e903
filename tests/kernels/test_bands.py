from typing import Any

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.kernels.bands import BLOCK, between, between_measured, in_plane, lined, warm, whole_numbers
from pipeline.lines import ClampedLine

LOOPS = (between, between_measured, in_plane, lined, whole_numbers)
EXAMPLES = settings(max_examples=60, deadline=None)
hounsfield = st.floats(-32768, 32767, width=32)
weights = st.floats(-1, 2)
halves = st.integers(-99, 99).map(lambda n: n / 2)


@st.composite
def bands(draw: st.DrawFn, source_n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw first samples [n] and weights [n, taps] of a band that stays within the source."""
    taps, n = draw(st.integers(1, min(source_n, 4))), draw(st.integers(1, 5))
    firsts = draw(arrays(np.intp, n, elements=st.integers(0, source_n - taps)))
    return firsts, draw(arrays(np.float64, (n, taps), elements=weights))


@EXAMPLES
@given(st.data(), st.tuples(st.integers(1, 7), st.integers(1, 7)))
def test_sums_within_a_plane_are_those_of_two_matrices(data: st.DataObject, shape: tuple[int, int]) -> None:
    source = data.draw(arrays(np.float32, shape, elements=hounsfield))
    rows, columns = (data.draw(bands(n)) for n in shape)
    target = np.full((len(rows[0]), len(columns[0])), np.nan, np.float32)
    in_plane(source, *rows, *columns, target)
    y, x = (oracles.band_matrix(*band, n) for band, n in zip((rows, columns), shape, strict=True))
    expected = y @ source.astype(np.float64) @ x.T
    np.testing.assert_allclose(target, expected.astype(np.float32), rtol=1e-6, atol=1e-6)


@EXAMPLES
@given(st.data(), st.integers(1, 4), st.integers(1, 9))
def test_sums_between_planes_are_rounded_once(data: st.DataObject, taps: int, n: int) -> None:
    planes = data.draw(arrays(np.float32, (5, n), elements=hounsfield))
    slots = data.draw(arrays(np.intp, taps, elements=st.integers(0, 4)))
    each = data.draw(arrays(np.float64, taps, elements=weights))
    target = np.empty(n, np.float32)
    between(planes, slots, each, target)
    total = each[0] * planes[slots[0]].astype(np.float64)
    for slot, weight in zip(slots[1:], each[1:], strict=True):
        total = total + weight * planes[slot].astype(np.float64)
    np.testing.assert_array_equal(target, total.astype(np.float32))


@EXAMPLES
@given(st.data(), st.sampled_from([1, 7, BLOCK - 1, BLOCK, BLOCK + 3]))
def test_measured_sums_are_divided_by_their_weight_where_there_is_enough(data: st.DataObject, n: int) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    whole = data.draw(arrays(np.bool_, 3))
    shares = np.where(whole[:, None], np.nan, rng.integers(0, 5, (3, n)) / 4).astype(np.float32)
    plain = rng.normal(0, 1000, (3, n)).astype(np.float32)
    sums = np.where(whole[:, None], np.nan, plain * np.nan_to_num(shares)).astype(np.float32)
    slots, each = np.array([2, 0, 1]), np.array([0.25, 0.5, 0.25])
    target, share = np.empty((2, n), np.float32)
    between_measured((plain, sums, shares, whole), slots, each, 0.3, target, share)
    measured = np.where(whole[:, None], 1, shares).astype(np.float64)
    values = np.where(whole[:, None], plain, sums).astype(np.float64)
    weight, total, unasked = (each @ layer[slots].astype(np.float64) for layer in (measured, values, plain))
    np.testing.assert_allclose(share, weight, rtol=1e-6)
    expected = np.where(weight > 0.3, total / np.where(weight > 0.3, weight, 1), unasked)
    np.testing.assert_allclose(target, expected, rtol=1e-6, atol=1e-3)


@EXAMPLES
@given(hounsfield, st.integers(1, 6), st.integers(0, 99))
def test_a_constant_stays_exactly_constant(value: float, taps: int, seed: int) -> None:
    """Weights that sum to 1 but for the last digit of a double never move the last digit of a single."""
    each = np.random.default_rng(seed).random((4, taps))
    each /= each.sum(axis=1, keepdims=True)
    firsts = np.arange(4)
    target = np.empty((4, 4), np.float32)
    in_plane(np.full((4 + taps, 4 + taps), value, np.float32), firsts, each, firsts, each, target)
    np.testing.assert_array_equal(target, np.float32(value))
    between(np.full((taps, 16), value, np.float32), np.arange(taps), each[0], target.ravel())
    np.testing.assert_array_equal(target, np.float32(value))


@EXAMPLES
@given(
    arrays(np.float32, 9, elements=hounsfield),
    st.floats(1e-4, 3),
    st.floats(-2000, 2000),
    st.floats(-1000, 0),
    st.data(),
)
def test_a_line_over_an_array_is_the_line_bit_for_bit(
    values: np.ndarray, a: float, b: float, low: float, data: st.DataObject
) -> None:
    line = ClampedLine(a, b, low, data.draw(st.one_of(st.just(np.inf), st.floats(low, 3000))))
    target = np.empty_like(values)
    lined(values, tuple(np.float32(number) for number in (line.a, line.b, line.low, line.high)), target)
    np.testing.assert_array_equal(target, line(values))


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.uint16])
@pytest.mark.parametrize("packing", [(1.0, 0.0), (1 / 1400, -1000 / 1400), (0.25, 3.5)])
@EXAMPLES
@given(values=arrays(np.float32, 9, elements=st.one_of(halves, st.floats(-(2.0**100), 2.0**100, width=32))))
def test_whole_numbers_are_nearest_or_even_and_never_wrap(
    dtype: Any, packing: tuple[float, float], values: np.ndarray
) -> None:
    target = np.empty(9, dtype)
    whole_numbers(values, packing, target)
    step, offset = packing
    limits = np.iinfo(dtype)
    exact = np.clip((values.astype(np.float64) - offset) / step, limits.min, limits.max)
    np.testing.assert_array_equal(target, np.rint(exact).astype(dtype))


def test_sums_are_taken_as_they_are_written_by_one_thread() -> None:
    for loop in LOOPS:
        options = loop.targetoptions  # type: ignore[attr-defined]
        assert not options.get("fastmath", False)
        assert not options.get("parallel", False)
        assert options["nogil"]


def test_warming_readies_every_loop() -> None:
    warm()
    for loop in LOOPS:
        assert loop.signatures  # type: ignore[attr-defined]
