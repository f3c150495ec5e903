import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dicom.masks.rtstruct import fill_polygon

quarters = st.integers(-12, 60).map(lambda quarter: quarter / 4)
corners = st.lists(st.tuples(quarters, quarters), min_size=3, max_size=9)


def crossings(points: np.ndarray, x: float, y: float) -> int:
    """Count how often a ray from a point to the left crosses an outline, edge by edge, from the lower end up."""
    edges = (sorted(ends, key=lambda end: end[1]) for ends in zip(points, np.roll(points, -1, axis=0), strict=True))
    return sum(y0 <= y < y1 and x0 + (y - y0) * (x1 - x0) / (y1 - y0) <= x for (x0, y0), (x1, y1) in edges)


def test_a_square_between_pixels_holds_those_inside() -> None:
    square = np.array([(1.5, 0.5), (4.5, 0.5), (4.5, 2.5), (1.5, 2.5)])
    expected = np.zeros((5, 8), bool)
    expected[1:3, 2:5] = True
    np.testing.assert_array_equal(fill_polygon(square, (5, 8)), expected)
    np.testing.assert_array_equal(fill_polygon(square[::-1], (5, 8)), expected)


def test_what_leaves_the_image_is_cut_off() -> None:
    everything = np.array([(-9.0, -9.0), (99.0, -9.0), (99.0, 99.0), (-9.0, 99.0)])
    assert fill_polygon(everything, (5, 8)).all()
    assert not fill_polygon(everything - 500, (5, 8)).any()


def test_a_keyhole_leaves_its_hole() -> None:
    outer, inner = [(0.5, 0.5), (8.5, 0.5), (8.5, 8.5), (0.5, 8.5)], [(3.5, 3.5), (3.5, 5.5), (5.5, 5.5), (5.5, 3.5)]
    keyhole = np.array([*outer, outer[0], *inner, inner[0]])
    found = fill_polygon(keyhole, (10, 10))
    assert found.sum() == 8 * 8 - 2 * 2
    assert not found[4:6, 4:6].any()


@given(corners)
@settings(max_examples=60)
def test_every_pixel_is_where_counting_crossings_puts_it(points: list[tuple[float, float]]) -> None:
    outline = np.array(points)
    expected = [[crossings(outline, x, y) % 2 == 1 for x in range(12)] for y in range(9)]
    np.testing.assert_array_equal(fill_polygon(outline, (9, 12)), expected)


@given(corners, st.tuples(quarters, quarters))
@settings(max_examples=40)
def test_a_polygon_cut_in_two_loses_no_pixel_and_shares_none(
    points: list[tuple[float, float]], middle: tuple[float, float]
) -> None:
    outline = np.array([*points, middle])
    half = len(outline) // 2
    parts = np.concatenate([outline[: half + 1], outline[:1]]), np.concatenate([outline[half:], outline[:1]])
    np.testing.assert_array_equal(
        fill_polygon(parts[0], (9, 12)) ^ fill_polygon(parts[1], (9, 12)), fill_polygon(outline, (9, 12))
    )
