import numpy as np
import phantoms
import prepared
import pytest
from prepared import Moved

from pipeline.dataset.places import box_around, corners_of
from pipeline.errors import UsageError


@pytest.mark.parametrize("steps", prepared.STEPS)
@pytest.mark.parametrize("stack", prepared.STACKS)
def test_a_pixel_of_the_source_is_found_at_the_same_tissue_in_the_store(stack: str, steps: str, moved: Moved) -> None:
    volume = moved(steps)[stack]
    values = volume.values()
    brightest = np.unravel_index(np.argmax(values), values.shape)
    assert values[brightest] > 800
    index = volume.from_pixel(*prepared.MARK)
    assert np.abs(index - brightest).max() <= 0.76
    np.testing.assert_allclose(volume.to_pixel(index), prepared.MARK, atol=1e-6)


@pytest.mark.parametrize("stack", prepared.STACKS)
def test_a_pixel_lies_where_its_header_says(stack: str, moved: Moved) -> None:
    volume = moved("resample")[stack]
    scan = phantoms.Scan(**prepared.STACKS[stack])
    places = scan.positions_mm or [k * scan.spacing.z for k in range(scan.n)]
    axes = scan.geometry().axes
    for k, row, column in ((0, 0, 0), (4, 10, 21), (11, 31, 5)):
        start = np.array(scan.origin) + places[k] * np.array(axes.z)
        expected = start + row * 0.8 * np.array(axes.y) + column * 0.7 * np.array(axes.x)
        np.testing.assert_allclose(volume.to_world(volume.from_pixel(k, row, column)), expected, atol=1e-3)


def test_points_come_in_any_number(moved: Moved) -> None:
    volume = moved("resample")["regular"]
    points = volume.from_pixel(3, np.arange(8)[:, None], np.arange(5))
    assert points.shape == (8, 5, 3)
    np.testing.assert_allclose(points[2, 4], volume.from_pixel(3, 2, 4))
    np.testing.assert_allclose(volume.to_index(volume.to_world(points)), points, atol=1e-9)


def test_a_slice_goes_by_its_key_too(moved: Moved) -> None:
    volume = moved("orient")["feet first"]
    key = volume.slices[7]["slice_key"]
    np.testing.assert_array_equal(volume.from_pixel(key, 1, 2), volume.from_pixel(7, 1, 2))


def test_a_slice_that_is_not_of_the_series_is_refused(moved: Moved) -> None:
    with pytest.raises(UsageError, match="has no slice abc"):
        moved("orient")["regular"].from_pixel("abc", 1, 2)


def test_a_box_goes_to_the_store_and_back(moved: Moved) -> None:
    volume = moved("resample")["coronal"]
    low, high = volume.box_from_pixel((2, 5, 5), (4, 9, 12))
    assert (low < high).all()
    np.testing.assert_allclose(volume.box_to_pixel(low, high), [(2, 5, 5), (4, 9, 12)], atol=1e-9)


def test_a_box_around_its_own_corners_is_itself() -> None:
    low, high = box_around(corners_of((1, 2, 3), (4, 6, 8)))
    assert (low.tolist(), high.tolist()) == ([1, 2, 3], [4, 6, 8])
