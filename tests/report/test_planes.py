from itertools import permutations, product

import numpy as np
import pytest

from pipeline.geometry import Geometry, Xyz, Zyx
from pipeline.report.planes import VIEWS, View, planes_of

SHAPE = Zyx(4, 5, 6)
LPS = Geometry(SHAPE, Zyx(3.0, 2.0, 1.0), Xyz(0, 0, 0), Zyx(Xyz(0, 0, 1), Xyz(0, 1, 0), Xyz(1, 0, 0)))
VOXELS = np.arange(4 * 5 * 6).reshape(SHAPE)
AXIAL, CORONAL, SAGITTAL = VIEWS
ENDS = (0.0, 1.0)


def test_axial_planes_begin_at_the_head_and_show_the_front_at_the_top_and_the_right_on_the_left() -> None:
    planes = planes_of(VOXELS, LPS, AXIAL, ENDS)
    assert np.array_equal(planes.values, VOXELS[[3, 0]])
    assert (planes.height_mm, planes.width_mm, planes.places_mm) == (10, 6, (9, 0))


def test_coronal_planes_begin_at_the_front_and_show_the_head_at_the_top_and_the_right_on_the_left() -> None:
    planes = planes_of(VOXELS, LPS, CORONAL, ENDS)
    assert np.array_equal(planes.values, [VOXELS[::-1, 0], VOXELS[::-1, 4]])
    assert (planes.height_mm, planes.width_mm, planes.places_mm) == (12, 6, (0, 8))


def test_sagittal_planes_begin_on_the_right_and_show_the_head_at_the_top_and_the_front_on_the_left() -> None:
    planes = planes_of(VOXELS, LPS, SAGITTAL, ENDS)
    assert np.array_equal(planes.values, [VOXELS[::-1, :, 0], VOXELS[::-1, :, 5]])
    assert (planes.height_mm, planes.width_mm, planes.places_mm) == (12, 10, (0, 5))


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_any_orientation_of_the_array_gives_the_same_pictures(view: View) -> None:
    shares = (0.0, 0.5, 1.0)
    expected = planes_of(VOXELS, LPS, view, shares)
    for order, steps in product(permutations(range(3)), product((1, -1), repeat=3)):
        start = Zyx(*(0 if step > 0 else n - 1 for step, n in zip(steps, SHAPE, strict=True)))
        turned = LPS.regrid(start, Zyx(*steps), SHAPE).permute(Zyx(*order))
        array = VOXELS[tuple(slice(None, None, step) for step in steps)].transpose(order)
        planes = planes_of(array, turned, view, shares)
        assert np.array_equal(planes.values, expected.values)
        assert (planes.height_mm, planes.width_mm) == (expected.height_mm, expected.width_mm)
        assert planes.places_mm == expected.places_mm
