import numpy as np
import pytest
import volumes
from volumes import apply

from pipeline.program.changes import Warp
from pipeline.program.labels import _move_slice, _take_nearest, carry_labels
from pipeline.steps.correct_tilt import CorrectTilt
from pipeline.steps.crop_or_pad import CropOrPad
from pipeline.steps.orient import Orient, straighten
from pipeline.steps.resample import Resample
from pipeline.volume import VolumeSpec


def test_labels_travel_with_the_volume_and_are_never_mixed() -> None:
    geometry = volumes.grid((12, 14, 10), (2.0, 1.0, 1.0))
    labels = np.zeros(geometry.shape, np.uint8)
    labels[3:9, 4:10, 2:8] = 7
    body = volumes.volume(labels.astype(np.float32), geometry)
    spec = VolumeSpec(geometry)
    for step in (Orient("LPS"), Resample(spacing_mm=(1, 2, 0.5)), CropOrPad((14, 9, 20))):
        change = step.change(spec)
        carried = carry_labels(labels, change)
        values = apply(change, body, (0.0,)).voxels
        assert carried.shape == values.shape
        assert set(np.unique(carried)) <= {0, 7}
        np.testing.assert_array_equal(carried[np.abs(values - 3.5) > 3.4], np.rint(values[np.abs(values - 3.5) > 3.4]))


def test_labels_go_through_a_warp() -> None:
    geometry = volumes.turned(10, volumes.grid((20, 30, 10), (1.0, 0.8, 0.8)))
    carried = carry_labels(np.full(geometry.shape, 3, np.int16), Warp(geometry, straighten(geometry)))
    assert set(np.unique(carried)) == {0, 3}
    assert carried.dtype == np.int16


@pytest.mark.parametrize("offset_px", [0.0, 0.3, 1.0])
def test_sheared_labels_are_chosen_by_share_and_many_values_by_the_nearest_sample(offset_px: float) -> None:
    geometry = volumes.grid((6, 24, 20), (2.0, 1.0, 1.0))
    change = CorrectTilt(10.0, tuple((offset_px * k, 0.0) for k in range(6))).change(VolumeSpec(geometry))
    few = (np.indices(geometry.shape)[2] // 10).astype(np.int16) + 1
    many = np.arange(1, few.size + 1, dtype=np.int32).reshape(few.shape)
    nearest = np.stack([_move_slice(plane, *axes) for plane, axes in zip(many, change.slices, strict=True)])
    np.testing.assert_array_equal(carry_labels(many, change), nearest)
    assert set(np.unique(carry_labels(few, change))) <= {0, 1, 2}
    np.testing.assert_array_equal(carry_labels(few, change) > 0, nearest > 0)


def test_a_label_keeps_its_volume() -> None:
    geometry = volumes.grid((24, 120, 120), (3.27, 0.977, 0.977))
    change = Resample(spacing_mm=(1, 1, 1)).change(VolumeSpec(geometry))
    inside = sum(np.square(axis) for axis in np.ogrid[-1.3:1.3:24j, -1.3:1.3:120j, -1.3:1.3:120j]) < 1
    volume_mm3 = pytest.approx(inside.sum() * 3.27 * 0.977**2, rel=0.002)
    assert carry_labels(inside.astype(np.uint8), change).sum() == volume_mm3
    assert _take_nearest(inside.astype(np.uint8), change).sum() != volume_mm3
