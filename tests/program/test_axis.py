from dataclasses import replace

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.program.axis import AxisMap, Method, axis_weights

METHODS: tuple[Method, ...] = ("linear", "nearest", "cubic", "bspline")


@st.composite
def axes(draw: st.DrawFn) -> AxisMap:
    step = draw(st.floats(0.1, 6)) * draw(st.sampled_from([1, -1]))
    return AxisMap(
        n=draw(st.integers(1, 20)),
        source_n=draw(st.integers(1, 20)),
        start=draw(st.floats(-3, 22)),
        step=step,
        method=draw(st.sampled_from(METHODS)),
        antialias=draw(st.booleans()),
    )


def dense(axis: AxisMap, positions: list[float] | None = None) -> oracles.Floats:
    at = None if positions is None else np.array(positions, np.float64)
    return oracles.band_matrix(*axis_weights(replace(axis, samples=None if at is None else tuple(at))), axis.source_n)


@given(axes())
def test_weights_sum_to_one_and_lie_on_samples_that_exist(axis: AxisMap) -> None:
    first, weights = axis_weights(axis)
    assert first.min() >= 0
    assert (first + weights.shape[1]).max() <= axis.source_n
    np.testing.assert_allclose(weights.sum(axis=1), 1)


@given(axes())
def test_turning_the_source_turns_the_weights(axis: AxisMap) -> None:
    mirrored = replace(axis, start=axis.source_n - 1 - axis.start, step=-axis.step)
    np.testing.assert_allclose(dense(mirrored), dense(axis)[:, ::-1], atol=1e-9)


def test_a_linear_position_lies_between_its_neighbours() -> None:
    np.testing.assert_allclose(dense(AxisMap(2, 4, start=0.25, step=1)), [[0.75, 0.25, 0, 0], [0, 0.75, 0.25, 0]])


def test_beyond_the_source_a_position_is_moved_to_the_rim() -> None:
    for method in METHODS[:3]:
        weights = dense(AxisMap(3, 2, start=-1, step=1.5, method=method, antialias=False))
        np.testing.assert_allclose(weights[[0, 2]], [[1, 0], [0, 1]], atol=1e-12)


@pytest.mark.parametrize("step", [1.0, 1.7, 2.857, 4.0])
def test_a_coarser_axis_is_filtered_by_a_triangle_as_wide_as_its_step(step: float) -> None:
    axis = AxisMap(5, 24, start=0.3, step=step)
    expected = [oracles.triangle_row(at, step, np.arange(24.0)) for at in axis.positions]
    np.testing.assert_allclose(dense(axis), expected, atol=1e-12)


def test_without_antialias_and_on_finer_axes_nothing_is_filtered() -> None:
    coarse = AxisMap(5, 24, start=0.3, step=3.0, antialias=False)
    assert axis_weights(coarse)[1].shape[1] == 2
    fine = AxisMap(9, 5, start=0.2, step=0.5)
    np.testing.assert_array_equal(dense(fine), dense(replace(fine, antialias=False)))


def test_of_two_equally_near_samples_the_later_is_nearest() -> None:
    for start in (0.5, 0.5 - 1e-9, 0.5 + 1e-9):
        np.testing.assert_array_equal(axis_weights(AxisMap(3, 6, start, 2.0, "nearest"))[0], [1, 3, 5])


def test_cubic_goes_through_the_samples_and_reproduces_a_parabola() -> None:
    samples = np.arange(10.0) ** 2
    axis = AxisMap(9, 10, start=2.0, step=0.5, method="cubic")
    np.testing.assert_allclose(dense(axis) @ samples, axis.positions**2)


def test_uneven_samples_are_interpolated_between_their_neighbours() -> None:
    at = [0.0, 1.0, 1.5, 4.0, 5.0]
    axis = AxisMap(21, 5, start=0.0, step=0.25)
    np.testing.assert_allclose(dense(axis, at) @ np.array(at), axis.positions)
    np.testing.assert_allclose(
        dense(axis, at) @ np.array([0, 9, 1, 7, 3]), np.interp(axis.positions, at, [0, 9, 1, 7, 3])
    )


def test_a_filter_spans_a_gap() -> None:
    at = [0.0, 1.0, 2.0, 8.0, 9.0]
    weights = dense(AxisMap(1, 5, start=5.0, step=1.5), at)
    np.testing.assert_allclose(weights[0], oracles.triangle_row(5.0, 6.0, np.array(at)))


def test_even_positions_given_are_the_default() -> None:
    axis = AxisMap(7, 12, start=0.4, step=1.6)
    np.testing.assert_array_equal(dense(axis, list(map(float, range(12)))), dense(axis))


@pytest.mark.parametrize("n", [1, 2, 5, 40])
def test_a_spline_goes_through_the_samples_and_repeats_those_at_the_rims(n: int) -> None:
    np.testing.assert_allclose(dense(AxisMap(n, n, method="bspline")), np.eye(n), atol=1e-7)
    fine = AxisMap(6 * n + 9, n, start=-1.5, step=1 / 6, method="bspline")
    long = AxisMap(fine.n, n + 60, start=28.5, step=1 / 6, method="bspline")
    repeated = np.pad(np.eye(n), ((30, 30), (0, 0)), mode="edge")
    np.testing.assert_allclose(dense(fine), dense(long) @ repeated, atol=1e-7)
