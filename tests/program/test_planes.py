import numpy as np
import pytest
import volumes

from pipeline.geometry import Zyx
from pipeline.program.planes import Plane, gathered, planes_of, unless_whole
from pipeline.volume import Volume, VolumeSpec

SOURCE = volumes.half_measured()


def test_planes_gathered_are_the_volume_they_came_from() -> None:
    again = gathered(planes_of(SOURCE), VolumeSpec(SOURCE.geometry))
    np.testing.assert_array_equal(again.voxels, SOURCE.voxels)
    np.testing.assert_array_equal(again.measured, SOURCE.measured)
    assert again.usable is None
    assert again.geometry == SOURCE.geometry


def test_channels_are_gathered_side_by_side() -> None:
    both = Volume(np.stack([SOURCE.voxels, -SOURCE.voxels]), SOURCE.measured, SOURCE.geometry)
    spec = VolumeSpec(SOURCE.geometry, lines=(None, None), channels=("plain", "negative"))
    np.testing.assert_array_equal(gathered(planes_of(both), spec).voxels, both.voxels)


@pytest.mark.parametrize("order", [Zyx(0, 1, 2), Zyx(1, 0, 2), Zyx(2, 1, 0), Zyx(1, 2, 0)])
def test_a_volume_can_be_cut_across_any_axis(order: Zyx[int]) -> None:
    planes = planes_of(SOURCE, order)
    for z in range(SOURCE.measured.shape[order.z]):
        np.testing.assert_array_equal(planes(z).voxels[0], SOURCE.voxels.transpose(order)[z])
        np.testing.assert_array_equal(planes(z).mask, SOURCE.measured.transpose(order)[z])


def test_a_plane_of_a_volume_is_no_copy() -> None:
    assert np.shares_memory(planes_of(SOURCE)(2).voxels, SOURCE.voxels)


def test_what_may_be_blended_though_it_was_invented_travels_with_its_plane() -> None:
    usable = np.ones_like(SOURCE.measured)
    invented = Volume(SOURCE.voxels, SOURCE.measured, SOURCE.geometry, usable)
    assert planes_of(SOURCE)(0).usable is None
    np.testing.assert_array_equal(planes_of(invented)(0).usable, usable[0])
    again = gathered(planes_of(invented), VolumeSpec(SOURCE.geometry, invented=True))
    np.testing.assert_array_equal(again.usable, usable)


def test_in_a_volume_with_invented_planes_others_may_be_blended_where_they_were_measured() -> None:
    again = gathered(planes_of(SOURCE), VolumeSpec(SOURCE.geometry, invented=True))
    np.testing.assert_array_equal(again.usable, SOURCE.measured)


def test_a_mask_that_says_nothing_is_none() -> None:
    assert unless_whole(np.ones((2, 3), np.bool_)) is None
    some = np.array([[True, False]])
    assert unless_whole(some) is some
    np.testing.assert_array_equal(Plane(np.zeros((1, 2, 3), np.float32)).mask, np.ones((2, 3), np.bool_))
