from collections.abc import Sequence
from dataclasses import dataclass
from math import atan, degrees, hypot, nan
from typing import Any

import numpy as np
import pytest
from headers import changed, slice_at
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from pipeline.dicom.headers.slice import SliceHeader
from pipeline.dicom.policy import GeometryOptions
from pipeline.dicom.stack.stack import Stack, build_stack
from pipeline.geometry import Xyz, Zyx
from pipeline.vocabulary import Verdict

START = np.array([-120.5, 33.0, 871.25])


@dataclass(frozen=True)
class Place:
    """How a stack lies in the patient: its row, column and normal direction."""

    row: np.ndarray
    column: np.ndarray

    @property
    def normal(self) -> np.ndarray:
        return np.cross(self.row, self.column)


AXIAL = Place(np.array([1.0, 0, 0]), np.array([0, 1.0, 0]))


@st.composite
def places(draw: st.DrawFn) -> Place:
    turn = Rotation.from_euler("xyz", [draw(st.floats(-180, 180)) for _ in range(3)], degrees=True).as_matrix()
    return Place(turn[0], turn[1])


def slices(
    positions_mm: Sequence[float], place: Place = AXIAL, drift: tuple[float, float] = (0, 0), **changes: Any
) -> list[SliceHeader]:
    """Return slices at positions along their normal, drifting in their plane so many millimetres a millimetre."""
    advance = place.normal + drift[0] * place.row + drift[1] * place.column
    directions = {"row_direction": Xyz(*place.row), "column_direction": Xyz(*place.column)}
    return [
        changed(slice_at(k, plane=directions | {"position": Xyz(*(START + mm * advance))}), **changes)
        for k, mm in enumerate(positions_mm)
    ]


def even(n: int = 12, step_mm: float = 2.5) -> np.ndarray:
    return np.arange(n) * step_mm


def verdict(positions_mm: Sequence[float]) -> Verdict:
    return build_stack(slices(positions_mm)).verdict


def assert_lies_where_its_slices_do(stack: Stack) -> None:
    geometry = stack.geometry()
    for k, header in enumerate(stack.slices):
        np.testing.assert_allclose(geometry.world(Zyx(k, 0, 0)), header.plane.position, atol=1e-4)
    row, column = np.array(geometry.axes.x), np.array(geometry.axes.y)
    np.testing.assert_allclose(row, stack.slices[0].plane.row_direction, atol=1e-9)
    np.testing.assert_allclose(column, stack.slices[0].plane.column_direction, atol=1e-9)


@settings(max_examples=50)
@given(places(), st.floats(0.2, 10), st.permutations(range(12)))
def test_slices_are_ordered_along_their_normal_in_any_direction(place: Place, step_mm: float, order: list[int]) -> None:
    in_order = slices(even(step_mm=step_mm), place)
    stack = build_stack([in_order[k] for k in order])
    assert stack.slices == tuple(in_order)
    assert stack.verdict is Verdict.REGULAR
    assert stack.step_mm == pytest.approx(step_mm, abs=2e-6)
    assert stack.span_mm == pytest.approx(11 * step_mm)
    np.testing.assert_allclose(stack.offsets_mm, 0, atol=1e-9)
    assert_lies_where_its_slices_do(stack)


@settings(max_examples=50)
@given(places(), st.floats(0.5, 5), st.floats(-0.6, 0.6), st.floats(-0.6, 0.6), st.permutations(range(12)))
def test_a_tilt_is_measured_from_places_alone(
    place: Place, step_mm: float, along_row: float, along_column: float, order: list[int]
) -> None:
    in_order = slices(even(step_mm=step_mm), place, drift=(along_row, along_column))
    stack = build_stack([in_order[k] for k in order])
    np.testing.assert_allclose(stack.drift, (along_row, along_column), atol=1e-7)
    assert abs(stack.tilt_deg) == pytest.approx(degrees(atan(hypot(along_row, along_column))), abs=1e-5)
    if hypot(along_row, along_column) * stack.span_mm > 0.08:
        assert stack.verdict is Verdict.TILTED
        assert_lies_where_its_slices_do(stack)
        assert stack.geometry().spacing_mm.z == pytest.approx(step_mm * hypot(1, along_row, along_column), abs=1e-5)


@pytest.mark.parametrize("tilt", [-25.0, -5.0, 5.0, 30.0])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_tilt_has_a_sign(tilt: float, axis: int) -> None:
    drift = [0.0, 0.0]
    drift[axis] = float(np.tan(np.radians(tilt)))
    stack = build_stack(slices(even(), drift=(drift[0], drift[1])))
    assert stack.tilt_deg == pytest.approx(tilt)
    assert stack.is_straight


@pytest.mark.parametrize(("drift_mm", "expected"), [(0.05, Verdict.REGULAR), (0.09, Verdict.TILTED)])
def test_a_drift_over_the_whole_stack_that_is_rounding_is_no_tilt(drift_mm: float, expected: Verdict) -> None:
    assert build_stack(slices(even(), drift=(drift_mm / 27.5, 0))).verdict is expected


@pytest.mark.parametrize(
    ("step_mm", "off_mm", "expected"),
    [
        (2.5, 0.2, Verdict.REGULAR),
        (2.5, -0.2, Verdict.REGULAR),
        (2.5, 0.35, Verdict.UNEVEN),
        (2.5, -0.35, Verdict.UNEVEN),
        (0.5, 0.055, Verdict.REGULAR),
        (0.5, 0.08, Verdict.UNEVEN),
    ],
)
def test_a_slice_may_lie_a_tenth_of_the_step_from_its_place(step_mm: float, off_mm: float, expected: Verdict) -> None:
    positions = even(30, step_mm)
    positions[15] += off_mm
    assert verdict(positions) is expected


@settings(max_examples=30)
@given(st.floats(0.5, 10), st.lists(st.floats(-0.049, 0.049), min_size=12, max_size=12))
def test_positions_written_to_a_tenth_of_a_millimetre_are_even(step_mm: float, noise: list[float]) -> None:
    assert verdict(even(step_mm=step_mm) + noise) is Verdict.REGULAR


@pytest.mark.parametrize(
    ("apart_mm", "expected"), [(0.0, Verdict.DUPLICATE), (0.02, Verdict.DUPLICATE), (0.03, Verdict.UNEVEN)]
)
def test_slices_share_a_position_within_a_hundredth_of_the_step(apart_mm: float, expected: Verdict) -> None:
    assert verdict([*even(), 12.5 + apart_mm]) is expected


def test_slices_at_one_place_keep_the_order_they_came_in() -> None:
    first, *others = slices([5.0, 0.0, 5.0, 5.0])
    assert build_stack([first, *others]).slices == (others[0], first, others[1], others[2])


@settings(max_examples=50)
@given(st.data(), places(), st.floats(0.3, 10))
def test_isolated_missing_slices_are_gaps_and_are_counted(data: st.DataObject, place: Place, step_mm: float) -> None:
    start = data.draw(st.integers(2, 5))
    n_missing = data.draw(st.integers(1, 4))
    present = [k for k in range(20) if not start <= k < start + n_missing and k != 12]
    stack = build_stack(slices(step_mm * np.array(present), place))
    assert (stack.verdict, stack.n_missing) == (Verdict.GAP, n_missing + 1)
    assert stack.step_mm == pytest.approx(step_mm, abs=2e-6)


@pytest.mark.parametrize("missing", [1, 10])
def test_a_gap_beside_the_first_or_the_last_slice_is_one(missing: int) -> None:
    assert verdict(np.delete(even(), missing)) is Verdict.GAP


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        ([2.5] * 6 + [5.0] * 6, Verdict.UNEVEN),
        ([2.5 * 1.04**k for k in range(12)], Verdict.UNEVEN),
        ([2.5, 5.0] * 6, Verdict.GAP),
        ([2.5] * 5 + [3.9] + [2.5] * 5, Verdict.UNEVEN),
        ([2.5] * 5 + [4.1] + [2.5] * 5, Verdict.GAP),
        ([2.5] * 5 + [5.0, 5.0] + [2.5] * 5, Verdict.UNEVEN),
    ],
    ids=["a change of step", "a growing step", "every third missing", "1.56 steps", "1.64 steps", "two wide intervals"],
)
def test_other_irregular_spacing_is_told_from_gaps(gaps: list[float], expected: Verdict) -> None:
    assert verdict(np.r_[0, np.cumsum(gaps)]) is expected


def test_one_slice_is_single_and_several_at_one_place_are_duplicates() -> None:
    assert verdict([0.0]) is Verdict.SINGLE
    assert verdict([0.0, 0.0, 0.0]) is Verdict.DUPLICATE
    assert build_stack(slices([0.0])).span_mm == 0


@pytest.mark.parametrize(("off_mm", "expected"), [(0.05, True), (0.15, False)])
def test_in_plane_offsets_lie_on_one_line(off_mm: float, *, expected: bool) -> None:
    headers = slices(even(30), drift=(0.1, 0))
    place = headers[15].plane.position
    assert place is not None
    headers[15] = changed(headers[15], plane={"position": place._replace(y=place.y + off_mm)})
    assert build_stack(headers).is_straight is expected


def test_an_orientation_that_drifts_to_and_fro_is_crooked_even_at_one_height() -> None:
    headers = slices([0.0, 0.0], drift=(0, 0))
    headers[1] = changed(headers[1], plane={"position": Xyz(*(START + np.array([3, 0, 0])))})
    stack = build_stack(headers)
    assert (stack.verdict, stack.is_straight, stack.bend_mm) == (Verdict.DUPLICATE, False, 3)


@pytest.mark.parametrize(("off_mm", "expected"), [(0.0, False), (0.04, False), (0.1, True)])
def test_jitter_is_more_than_the_rounding_of_a_good_header(off_mm: float, *, expected: bool) -> None:
    positions = even(30)
    positions[15] += off_mm
    assert build_stack(slices(positions)).has_jitter is expected


def test_jitter_is_spread_over_the_even_grid() -> None:
    positions = even(5) + np.array([0, 0.1, -0.1, 0.1, -0.1])
    geometry = build_stack(slices(positions)).geometry()
    residuals = [geometry.world(Zyx(k, 0, 0)).z - START[2] - positions[k] for k in range(5)]
    assert np.mean(residuals) == pytest.approx(0, abs=1e-6)
    assert np.abs(residuals).max() < 0.2


def test_directions_that_are_nearly_units_become_units() -> None:
    headers = [changed(each, plane={"row_direction": Xyz(0.9995, 0, 0)}) for each in slices(even())]
    np.testing.assert_allclose(np.linalg.norm(build_stack(headers).geometry().axes, axis=1), 1)


def test_the_grid_has_the_pixel_spacing_of_most_slices_or_the_finer_one() -> None:
    for spacings, expected in (((0.8, 0.8, 0.80004), 0.8), ((0.8, 0.80004), 0.80004), ((0.80004, 0.8), 0.80004)):
        slices = [slice_at(z, plane={"row_spacing": mm}) for z, mm in enumerate(spacings)]
        assert build_stack(slices).geometry().spacing_mm.y == expected


def test_the_grid_has_the_spacing_of_the_pixels() -> None:
    geometry = build_stack(slices(even(), pixels={"rows": 20, "columns": 30})).geometry()
    assert geometry.shape == Zyx(12, 20, 30)
    assert geometry.spacing_mm == Zyx(2.5, 0.8, 0.7)
    assert geometry.origin_mm == Xyz(*START)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_gap_mm": 0},
        {"max_gap_mm": -1},
        {"max_missing_share": 1},
        {"max_missing_share": -0.1},
        {"max_missing_share": nan},
    ],
)
def test_impossible_options_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"max_gap_mm|max_missing_share"):
        GeometryOptions(**wrong)
