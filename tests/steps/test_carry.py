import numpy as np
import volumes
from volumes import apply

from pipeline.steps.carry import carry_labels
from pipeline.steps.changes import Warp
from pipeline.steps.crop_or_pad import CropOrPad
from pipeline.steps.orient import Orient, straightened
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
    carried = carry_labels(np.full(geometry.shape, 3, np.int16), Warp(geometry, straightened(geometry)))
    assert set(np.unique(carried)) == {0, 3}
    assert carried.dtype == np.int16
