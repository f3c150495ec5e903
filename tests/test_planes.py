import numpy as np
import pytest
import volumes

from pipeline.geometry import Zyx
from pipeline.volume import Plane, Volume, VolumeSpec, cut_planes, drop_full_mask, gather_volume

SOURCE = volumes.half_valid()


def test_planes_gathered_are_the_volume_they_came_from() -> None:
    again = gather_volume(cut_planes(SOURCE), VolumeSpec(SOURCE.geometry))
    np.testing.assert_array_equal(again.voxels, SOURCE.voxels)
    np.testing.assert_array_equal(again.valid, SOURCE.valid)
    assert again.usable is None
    assert again.geometry == SOURCE.geometry


def test_channels_are_gathered_side_by_side() -> None:
    both = Volume(np.stack([SOURCE.voxels, -SOURCE.voxels]), SOURCE.valid, SOURCE.geometry)
    spec = VolumeSpec(SOURCE.geometry, lines=(None, None), channels=("plain", "negative"))
    np.testing.assert_array_equal(gather_volume(cut_planes(both), spec).voxels, both.voxels)


@pytest.mark.parametrize("order", [Zyx(0, 1, 2), Zyx(1, 0, 2), Zyx(2, 1, 0), Zyx(1, 2, 0)])
def test_a_volume_can_be_cut_across_any_axis(order: Zyx[int]) -> None:
    planes = cut_planes(SOURCE, order)
    for z in range(SOURCE.valid.shape[order.z]):
        np.testing.assert_array_equal(planes(z).voxels[0], SOURCE.voxels.transpose(order)[z])
        np.testing.assert_array_equal(planes(z).mask, SOURCE.valid.transpose(order)[z])


def test_a_plane_of_a_volume_is_no_copy() -> None:
    assert np.shares_memory(cut_planes(SOURCE)(2).voxels, SOURCE.voxels)


def test_usable_masks_stay_with_their_planes() -> None:
    usable = np.ones_like(SOURCE.valid)
    has_interpolated = Volume(SOURCE.voxels, SOURCE.valid, SOURCE.geometry, usable)
    assert cut_planes(SOURCE)(0).usable is None
    np.testing.assert_array_equal(cut_planes(has_interpolated)(0).usable, usable[0])
    again = gather_volume(cut_planes(has_interpolated), VolumeSpec(SOURCE.geometry, has_interpolated=True))
    np.testing.assert_array_equal(again.usable, usable)


def test_valid_planes_beside_interpolated_ones_are_usable_where_valid() -> None:
    again = gather_volume(cut_planes(SOURCE), VolumeSpec(SOURCE.geometry, has_interpolated=True))
    np.testing.assert_array_equal(again.usable, SOURCE.valid)


def test_a_mask_that_says_nothing_is_none() -> None:
    assert drop_full_mask(np.ones((2, 3), np.bool_)) is None
    some = np.array([[True, False]])
    assert drop_full_mask(some) is some
    np.testing.assert_array_equal(Plane(np.zeros((1, 2, 3), np.float32)).mask, np.ones((2, 3), np.bool_))
