import numpy as np
import pytest
from headers import slice_at
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dicom.stack.stack import (
    build_stack,
    find_usual_step_mm,
    fit_even_step,
    measure_deviation_mm,
    number_planes,
)
from pipeline.geometry import Xyz
from pipeline.vocabulary import Verdict


def after(*gaps: float) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum(gaps)])


def test_the_smallest_interval_that_occurs_often_is_the_usual_one() -> None:
    assert find_usual_step_mm(after(5, 5, 5, 5, 2.5, 2.5, 2.5)) == 2.5
    assert find_usual_step_mm(after(5, 5, 5, 5, 2.5, 2.5)) == 5


def test_an_interval_that_is_rare_in_a_long_stack_is_not_the_usual_one() -> None:
    assert find_usual_step_mm(after(*[1.0] * 3, *[5.0] * 27)) == 1
    assert find_usual_step_mm(after(*[1.0] * 3, *[5.0] * 28)) == 5


def test_intervals_within_one_per_cent_are_one() -> None:
    assert find_usual_step_mm(after(2.5, 2.52, 2.51, 7, 7, 7, 7)) == pytest.approx(2.51)
    assert find_usual_step_mm(after(2.5, 2.6, 2.7, 7, 7, 7, 7)) == 7


def test_without_a_habit_the_median_counts() -> None:
    assert find_usual_step_mm(after(1, 2, 3, 4, 9)) == 3


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=20), st.floats(0.3, 12), st.floats(-0.09, 0.09))
def test_missing_slices_skip_their_planes(skips: list[int], step_mm: float, jitter: float) -> None:
    planes = np.concatenate([[0], np.cumsum(skips)])
    positions = (planes + jitter * (np.arange(len(planes)) % 2)) * step_mm
    np.testing.assert_array_equal(number_planes(positions, step_mm), planes)
    fitted, deviation = fit_even_step(positions, planes)
    assert deviation <= 0.1 * step_mm
    assert fitted == pytest.approx(step_mm, rel=0.1)


def test_neighbours_that_are_close_together_still_have_planes_of_their_own() -> None:
    assert number_planes(np.array([0.0, 0.3, 2.0]), 1.0).tolist() == [0, 1, 3]


def test_the_deviation_is_from_the_step_that_is_told() -> None:
    positions = np.array([0, 2.6, 3.6, 4.6, 7.2, 8.2])
    planes = number_planes(positions, 1.0)
    assert measure_deviation_mm(positions, planes, 1.0) == pytest.approx(0.4667, abs=1e-3)
    assert measure_deviation_mm(planes * 2.5, planes, 2.5) == pytest.approx(0, abs=1e-9)


def test_gaps_of_no_whole_number_of_steps_are_not_even_whatever_step_would_fit_them_best() -> None:
    stack = build_stack([slice_at(0, plane={"position": Xyz(0, 0, z)}) for z in (0, 2.6, 3.6, 4.6, 7.2, 8.2)])
    assert stack.verdict is Verdict.GAP
    assert not stack.is_even
