from itertools import permutations, product

import numpy as np
import pytest

from pipeline.axes import Xyz, Zyx
from pipeline.geometry import Geometry
from pipeline.report.planes import VIEWS, plane_of

SHAPE = Zyx(4, 5, 6)
LPS = Geometry(SHAPE, Zyx(3.0, 2.0, 1.0), Xyz(0, 0, 0), Zyx(Xyz(0, 0, 1), Xyz(0, 1, 0), Xyz(1, 0, 0)))
VOXELS = np.arange(4 * 5 * 6).reshape(SHAPE)
AXIAL, CORONAL, SAGITTAL = VIEWS


def test_the_axial_plane_shows_the_front_at_the_top_and_the_patients_right_on_the_left() -> None:
    plane = plane_of(VOXELS, LPS, AXIAL)
    assert np.array_equal(plane.values, VOXELS[2])
    assert (plane.height_mm, plane.width_mm) == (10, 6)


def test_the_coronal_plane_shows_the_head_at_the_top_and_the_patients_right_on_the_left() -> None:
    plane = plane_of(VOXELS, LPS, CORONAL)
    assert np.array_equal(plane.values, VOXELS[::-1, 2])
    assert (plane.height_mm, plane.width_mm) == (12, 6)


def test_the_sagittal_plane_shows_the_head_at_the_top_and_the_front_on_the_left() -> None:
    plane = plane_of(VOXELS, LPS, SAGITTAL)
    assert np.array_equal(plane.values, VOXELS[::-1, :, 3])
    assert (plane.height_mm, plane.width_mm) == (12, 10)


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_any_orientation_of_the_array_gives_the_same_picture(view: object) -> None:
    expected = plane_of(VOXELS, LPS, view)
    for order, steps in product(permutations(range(3)), product((1, -1), repeat=3)):
        start = Zyx(*(0 if step > 0 else n - 1 for step, n in zip(steps, SHAPE, strict=True)))
        turned = LPS.sampled(start, Zyx(*steps), SHAPE).permuted(Zyx(*order))
        array = VOXELS[tuple(slice(None, None, step) for step in steps)].transpose(order)
        plane = plane_of(array, turned, view)
        assert np.array_equal(plane.values, expected.values)
        assert (plane.height_mm, plane.width_mm) == (expected.height_mm, expected.width_mm)


def test_of_several_channels_the_first_is_shown() -> None:
    assert np.array_equal(plane_of(np.stack([VOXELS, -VOXELS]), LPS, AXIAL).values, VOXELS[2])


def test_no_voxel_outside_the_plane_is_read() -> None:
    class OnePlane:
        ndim = 3

        def __getitem__(self, index: tuple[slice | int, ...]) -> np.ndarray:
            assert sum(isinstance(part, int) for part in index) == 1
            return VOXELS[index]

    assert plane_of(OnePlane(), LPS, SAGITTAL).values.size == 20
