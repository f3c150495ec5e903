from math import inf

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.volume import ClampedLine

HU = np.linspace(-1100, 3100, 421, dtype=np.float32)


@st.composite
def lines(draw: st.DrawFn) -> ClampedLine:
    a, b = draw(st.floats(1e-3, 10)), draw(st.floats(-2000, 2000))
    low, high = sorted((draw(st.floats(-3000, 3000)), draw(st.floats(-3000, 3000))))
    return ClampedLine(a, b, draw(st.sampled_from([low, -inf])), draw(st.sampled_from([high, inf])))


@given(lines(), lines())
def test_a_line_after_a_line_is_one_line(first: ClampedLine, second: ClampedLine) -> None:
    expected = oracles.line(oracles.line(HU, first), second)
    np.testing.assert_allclose(oracles.line(HU, first.then(second)), expected, rtol=1e-9, atol=1e-7)


@given(lines(), lines(), lines())
def test_folding_does_not_depend_on_where_one_begins(a: ClampedLine, b: ClampedLine, c: ClampedLine) -> None:
    left, right = a.then(b).then(c), a.then(b.then(c))
    np.testing.assert_allclose(oracles.line(HU, left), oracles.line(HU, right), rtol=1e-9, atol=1e-6)


@given(lines())
def test_a_line_equals_float64_up_to_rounding(line: ClampedLine) -> None:
    expected = oracles.line(HU, line)
    scale = line.a * 3100 + abs(line.b)
    np.testing.assert_allclose(line(HU), expected, rtol=1.2e-7, atol=3e-7 * scale + 1e-6)
    assert line(HU).dtype == np.float32


@given(lines(), st.floats(-1100, 3100))
def test_a_value_and_an_array_are_transformed_alike(line: ClampedLine, x: float) -> None:
    assert line.at(x) == pytest.approx(float(oracles.line(np.array([x]), line)[0]))


def test_the_line_that_does_nothing_changes_no_bit_and_copies_nothing() -> None:
    array = np.array([-0.0, 0.0, 1e-30, -1024, 3.0000002], np.float32)
    assert ClampedLine()(array) is array


def test_a_line_leaves_its_input_as_it_was() -> None:
    array = HU.copy()
    ClampedLine(2, 3, 0, 100)(array)
    ClampedLine(low=0, high=100)(array)
    np.testing.assert_array_equal(array, HU)


@given(lines())
def test_clamping_twice_is_clamping_once(line: ClampedLine) -> None:
    clamp = ClampedLine(low=line.low, high=line.high)
    np.testing.assert_array_equal(clamp(clamp(HU)), clamp(HU))


@given(lines(), st.floats(-1100, 3100))
def test_the_inverse_leads_back_between_the_clamps(line: ClampedLine, x: float) -> None:
    y = line.at(x)
    if line.low < y < line.high:
        assert line.inverse is not None
        slope, intercept = line.inverse
        assert slope * y + intercept == pytest.approx(x, abs=1e-6 * (1 + 1 / line.a) * 3000)


def test_a_flat_line_has_no_inverse() -> None:
    assert ClampedLine(high=0).then(ClampedLine(low=100)).inverse is None


def test_a_line_between_two_intervals_meets_their_ends() -> None:
    line = ClampedLine.between((-1000, 400), (-1, 1))
    assert [line.at(x) for x in (-2000, -1000, -300, 400, 3000)] == pytest.approx([-1, -1, 0, 1, 1])
    assert line.bounded


@pytest.mark.parametrize(
    "wrong", [{"a": 0}, {"a": -1}, {"a": inf}, {"a": np.nan}, {"b": inf}, {"low": 1, "high": 0}, {"low": np.nan}]
)
def test_a_line_that_falls_or_is_not_finite_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"line|above"):
        ClampedLine(**wrong)
