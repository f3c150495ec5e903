from typing import Any

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.kernels.bands import (
    ALL,
    NONE,
    SOME,
    add_valid,
    apply_line,
    blend_between_planes,
    blend_in_plane,
    blend_valid_in_plane,
    classify_extents,
    divide_by_weight,
    round_to_integers,
    warm,
)
from pipeline.volume import ClampedLine

LOOPS = (
    add_valid,
    blend_between_planes,
    divide_by_weight,
    classify_extents,
    blend_in_plane,
    blend_valid_in_plane,
    apply_line,
    round_to_integers,
)
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
    blend_in_plane(source, *rows, *columns, target)
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
    blend_between_planes(planes, slots, each, target)
    total = each[0] * planes[slots[0]].astype(np.float64)
    for slot, weight in zip(slots[1:], each[1:], strict=True):
        total = total + weight * planes[slot].astype(np.float64)
    np.testing.assert_array_equal(target, total.astype(np.float32))


@EXAMPLES
@given(st.data(), st.tuples(st.integers(1, 7), st.integers(1, 7)))
def test_an_extent_is_none_some_or_all_valid(data: st.DataObject, shape: tuple[int, int]) -> None:
    valid = data.draw(arrays(np.bool_, shape))
    rows, columns = (data.draw(bands(n)) for n in shape)
    found = np.full((len(rows[0]), len(columns[0])), 9, np.uint8)
    classify_extents(valid, (*rows, *columns), found)
    for (j, i), extent in np.ndenumerate(found):
        y, x = rows[0][j], columns[0][i]
        samples = valid[y : y + rows[1].shape[1], x : x + columns[1].shape[1]]
        assert extent == (ALL if samples.all() else SOME if samples.any() else NONE)


@EXAMPLES
@given(st.data(), st.tuples(st.integers(1, 7), st.integers(1, 7)))
def test_valid_sums_equal_those_of_a_masked_plane_bit_for_bit(data: st.DataObject, shape: tuple[int, int]) -> None:
    source = data.draw(arrays(np.float32, shape, elements=hounsfield))
    valid = data.draw(arrays(np.bool_, shape))
    rows, columns = (data.draw(bands(n)) for n in shape)
    found, whole = np.full((2, len(rows[0]), len(columns[0])), -7, np.float32)
    asked = data.draw(arrays(np.bool_, whole.size))
    blend_in_plane(source * valid, *rows, *columns, whole)
    blend_valid_in_plane(source, valid, (*rows, *columns), np.flatnonzero(asked).astype(np.int32), found)
    np.testing.assert_array_equal(found.ravel(), np.where(asked, whole.ravel(), -7))


@EXAMPLES
@given(st.integers(0, 99), st.integers(1, 40))
def test_valid_sums_are_divided_by_their_weight(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    parts = rng.integers(0, 3, (3, n)).astype(np.uint8)
    shares = np.where(parts == SOME, rng.integers(0, 5, (3, n)) / 4, np.nan).astype(np.float32)
    plain = rng.normal(0, 1000, (3, n)).astype(np.float32)
    sums = np.where(parts == SOME, plain * shares, np.nan).astype(np.float32)
    pixels = np.flatnonzero(rng.random(n) < 0.7).astype(np.int32)
    each, totals = (0.25, 0.5, 0.25), np.zeros((2, len(pixels)))
    for t in range(3):
        add_valid(each[t], (plain[t], sums[t], shares[t], parts[t]), pixels, totals)
    values, weights = (
        np.select([parts == ALL, parts == SOME], layers)[:, pixels] for layers in ((plain, sums), (1, shares))
    )
    np.testing.assert_allclose(totals, [each @ values.astype(np.float64), each @ weights], rtol=1e-12, atol=1e-9)
    target, enough = np.full(n, -7, np.float32), np.zeros(n, np.bool_)
    divide_by_weight(totals, (0.3, 0.5), pixels, target, enough)
    some = totals[1] > 0.3
    expected = np.full(n, -7, np.float32)
    expected[pixels[some]] = totals[0, some] / totals[1, some]
    np.testing.assert_array_equal(target, expected)
    assert set(np.flatnonzero(enough)) == set(pixels[totals[1] >= 0.5])


@EXAMPLES
@given(hounsfield, st.integers(1, 6), st.integers(0, 99))
def test_a_constant_stays_exactly_constant(value: float, taps: int, seed: int) -> None:
    """Weights that sum to 1 but for the last digit of a double never move the last digit of a single."""
    each = np.random.default_rng(seed).random((4, taps))
    each /= each.sum(axis=1, keepdims=True)
    firsts = np.arange(4)
    target = np.empty((4, 4), np.float32)
    blend_in_plane(np.full((4 + taps, 4 + taps), value, np.float32), firsts, each, firsts, each, target)
    np.testing.assert_array_equal(target, np.float32(value))
    blend_between_planes(np.full((taps, 16), value, np.float32), np.arange(taps), each[0], target.ravel())
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
    apply_line(values, tuple(np.float32(number) for number in (line.a, line.b, line.low, line.high)), target)
    np.testing.assert_array_equal(target, line(values))


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.uint16])
@pytest.mark.parametrize("packing", [(1.0, 0.0), (1 / 1400, -1000 / 1400), (0.25, 3.5)])
@EXAMPLES
@given(values=arrays(np.float32, 9, elements=st.one_of(halves, st.floats(-(2.0**100), 2.0**100, width=32))))
def test_whole_numbers_are_nearest_or_even_and_never_wrap(
    dtype: Any, packing: tuple[float, float], values: np.ndarray
) -> None:
    target = np.empty(9, dtype)
    round_to_integers(values, packing, target)
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
