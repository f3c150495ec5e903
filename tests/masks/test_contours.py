import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.masks.contours import draw_contours, draw_odd_even, fill_polygon

quarters = st.integers(-12, 60).map(lambda quarter: quarter / 4)
corners = st.lists(st.tuples(quarters, quarters), min_size=3, max_size=9)


def filled(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the plane in which a polygon is filled."""
    plane = np.zeros(shape, bool)
    fill_polygon(points, shape).paint(plane, 1)
    return plane


def crossings(points: np.ndarray, x: float, y: float) -> int:
    """Count how often a ray from a point to the left crosses an outline, edge by edge, from the lower end up."""
    edges = (sorted(ends, key=lambda end: end[1]) for ends in zip(points, np.roll(points, -1, axis=0), strict=True))
    return sum(y0 <= y < y1 and x0 + (y - y0) * (x1 - x0) / (y1 - y0) <= x for (x0, y0), (x1, y1) in edges)


def test_a_square_between_pixels_holds_those_inside() -> None:
    square = np.array([(1.5, 0.5), (4.5, 0.5), (4.5, 2.5), (1.5, 2.5)])
    expected = np.zeros((5, 8), bool)
    expected[1:3, 2:5] = True
    np.testing.assert_array_equal(filled(square, (5, 8)), expected)
    np.testing.assert_array_equal(filled(square[::-1], (5, 8)), expected)


def test_what_leaves_the_image_is_cut_off() -> None:
    everything = np.array([(-9.0, -9.0), (99.0, -9.0), (99.0, 99.0), (-9.0, 99.0)])
    assert filled(everything, (5, 8)).all()
    assert not filled(everything - 500, (5, 8)).any()


def test_a_keyhole_leaves_its_hole() -> None:
    outer, inner = [(0.5, 0.5), (8.5, 0.5), (8.5, 8.5), (0.5, 8.5)], [(3.5, 3.5), (3.5, 5.5), (5.5, 5.5), (5.5, 3.5)]
    keyhole = np.array([*outer, outer[0], *inner, inner[0]])
    found = filled(keyhole, (10, 10))
    assert found.sum() == 8 * 8 - 2 * 2
    assert not found[4:6, 4:6].any()


@given(corners)
@settings(max_examples=60, deadline=None)
def test_every_pixel_is_where_counting_crossings_puts_it(points: list[tuple[float, float]]) -> None:
    outline = np.array(points)
    expected = [[crossings(outline, x, y) % 2 == 1 for x in range(12)] for y in range(9)]
    np.testing.assert_array_equal(filled(outline, (9, 12)), expected)


@given(corners, st.tuples(quarters, quarters))
@settings(max_examples=40, deadline=None)
def test_a_polygon_cut_in_two_loses_no_pixel_and_shares_none(
    points: list[tuple[float, float]], middle: tuple[float, float]
) -> None:
    outline = np.array([*points, middle])
    half = len(outline) // 2
    parts = np.concatenate([outline[: half + 1], outline[:1]]), np.concatenate([outline[half:], outline[:1]])
    np.testing.assert_array_equal(filled(parts[0], (9, 12)) ^ filled(parts[1], (9, 12)), filled(outline, (9, 12)))


SHAPE = (24, 24)


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """Return the outline of a rectangle, clockwise from its upper left corner."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def drawn(*outlines: np.ndarray) -> np.ndarray:
    return draw_contours(outlines, SHAPE)


LARGE, SMALL = box(1.5, 1.5, 17.5, 13.5), box(4.5, 4.5, 9.5, 9.5)
N_LARGE, N_SMALL = 16 * 12, 5 * 5


@pytest.mark.parametrize(
    "again",
    [
        LARGE,
        LARGE[::-1],
        np.roll(LARGE, 1, axis=0),
        np.round(LARGE + 0.04, 1),
        LARGE + np.array([(0.6, 0.6), (-0.6, 0.6), (-0.6, -0.6), (0.6, -0.6)]),
        LARGE + np.array([0.0, 0.3]),
        np.concatenate([LARGE, LARGE[:1]]),
        np.repeat(LARGE, 2, axis=0),
        np.concatenate([LARGE[:1], (LARGE[:1] + LARGE[1:2]) / 2, LARGE[1:]]),
    ],
    ids=[
        "same",
        "reversed",
        "started elsewhere",
        "rounded",
        "whole mm",
        "moved a little",
        "closed",
        "points twice",
        "a point more",
    ],
)
def test_a_contour_drawn_twice_counts_once(again: np.ndarray) -> None:
    assert drawn(LARGE, again).sum() == N_LARGE
    assert drawn(again[::-1], LARGE, LARGE).sum() == N_LARGE


def test_a_contour_that_runs_round_twice_counts_once() -> None:
    assert drawn(np.concatenate([LARGE, LARGE])).sum() == N_LARGE


def test_a_contour_within_another_is_a_hole_however_often_it_is_drawn() -> None:
    assert drawn(LARGE, SMALL).sum() == N_LARGE - N_SMALL
    assert drawn(SMALL[::-1], LARGE, SMALL + 0.02).sum() == N_LARGE - N_SMALL


def test_a_ring_one_pixel_thick_is_a_ring() -> None:
    inner = box(2.5, 2.5, 16.5, 12.5)
    assert drawn(LARGE, inner).sum() == N_LARGE - 14 * 10


def test_a_contour_within_a_hole_is_again_part_of_the_region() -> None:
    island = box(6.5, 6.5, 8.5, 8.5)
    assert drawn(island, LARGE, SMALL).sum() == N_LARGE - N_SMALL + 4


def test_a_hole_may_touch_the_outline_around_it() -> None:
    assert drawn(LARGE, box(1.5, 4.5, 9.5, 9.5)).sum() == N_LARGE - 8 * 5
    assert drawn(LARGE, box(1.45, 4.5, 9.5, 9.5)).sum() == N_LARGE - 8 * 5


def test_contours_that_overlap_in_part_are_one_region() -> None:
    beside = box(12.5, 1.5, 21.5, 13.5)
    assert drawn(LARGE, beside).sum() == 20 * 12
    assert drawn(LARGE, beside, SMALL).sum() == 20 * 12 - N_SMALL


def test_a_hole_in_what_two_contours_share_is_a_hole() -> None:
    beside = box(3.5, 1.5, 21.5, 13.5)
    assert drawn(LARGE, beside, SMALL).sum() == 20 * 12 - N_SMALL


def test_contours_apart_or_side_by_side_are_all_drawn() -> None:
    assert drawn(SMALL, box(9.5, 4.5, 12.5, 9.5)).sum() == N_SMALL + 3 * 5
    assert drawn(SMALL, box(14.5, 4.5, 17.5, 9.5)).sum() == N_SMALL + 3 * 5


def test_a_contour_in_the_bay_of_another_is_no_hole() -> None:
    bay = np.array(
        [(1.5, 1.5), (12.5, 1.5), (12.5, 3.5), (4.5, 3.5), (4.5, 9.5), (12.5, 9.5), (12.5, 12.5), (1.5, 12.5)]
    )
    n_bay = int(drawn(bay).sum())
    assert drawn(bay, box(6.5, 5.5, 9.5, 8.5)).sum() == n_bay + 9
    across = box(2.5, 2.5, 9.5, 10.5)  # its corners lie within, its sides cross the bay
    assert drawn(bay, across).sum() > n_bay


def test_nothing_drawn_is_nothing() -> None:
    assert not drawn().any()


def test_odd_even_contours_take_turns() -> None:
    twice = draw_odd_even([LARGE, LARGE, SMALL], SHAPE)
    assert twice.sum() == N_SMALL
    assert draw_odd_even([LARGE, box(12.5, 1.5, 21.5, 13.5)], SHAPE).sum() == (11 + 4) * 12


@given(st.permutations([LARGE, SMALL, LARGE[::-1], box(12.5, 1.5, 21.5, 13.5), box(6.5, 6.5, 8.5, 8.5)]))
@settings(max_examples=20, deadline=None)
def test_the_order_of_contours_means_nothing(outlines: list[np.ndarray]) -> None:
    np.testing.assert_array_equal(drawn(*outlines), drawn(*reversed(outlines)))


@given(corners)
@settings(max_examples=60, deadline=None)
def test_one_contour_alone_is_filled_as_a_polygon(points: list[tuple[float, float]]) -> None:
    outline = np.array(points)
    halves_differ = len(outline) % 2 or not np.array_equal(outline[: len(outline) // 2], outline[len(outline) // 2 :])
    if halves_differ:
        np.testing.assert_array_equal(draw_contours([outline], (9, 12)), filled(outline, (9, 12)))
