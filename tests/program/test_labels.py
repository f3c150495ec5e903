from dataclasses import replace

import numpy as np
import pytest
import volumes
from hypothesis import given, settings
from hypothesis import strategies as st
from volumes import apply

from pipeline.program.axis import axis_weights
from pipeline.program.changes import GridChange, Warp
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


def test_a_voxel_half_in_a_label_belongs_to_it() -> None:
    """Halfway between two slices 3 mm apart, of which one is marked."""
    labels = np.zeros((4, 6, 6), np.uint8)
    labels[1:3, 1:4, 1:4] = 1
    change = Resample(factor=(2, 1, 1)).change(VolumeSpec(volumes.grid(labels.shape, (3.0, 1.0, 1.0))))
    finer = Resample(spacing_mm=(1.0, 1.0, 1.0)).change(VolumeSpec(volumes.grid(labels.shape, (3.27, 0.977, 0.977))))
    for one in (change, finer):
        np.testing.assert_array_equal(carry_labels(labels, one), choose_plainly(labels, one))
    halfway = Resample(shape=(7, 6, 6)).change(VolumeSpec(volumes.grid(labels.shape, (3.5, 1.0, 1.0))))
    axis = replace(halfway.axes.z, start=0.0, step=0.5)
    exact = replace(halfway, axes=halfway.axes._replace(z=axis))
    assert carry_labels(labels, exact).any(axis=(1, 2)).tolist() == [False, True, True, True, True, True, False]


def test_of_two_labels_with_equal_shares_the_lowest_is_taken() -> None:
    labels = np.full((2, 4, 4), 3, np.uint8)
    labels[1] = 2
    grid = Resample(shape=(3, 4, 4)).change(VolumeSpec(volumes.grid(labels.shape)))
    exact = replace(grid, axes=grid.axes._replace(z=replace(grid.axes.z, start=0.0, step=0.5)))
    assert [int(plane[0, 0]) for plane in carry_labels(labels, exact)] == [3, 2, 2]


def choose_plainly(labels: np.ndarray, change: GridChange) -> np.ndarray:
    """Return the labels that shares in double precision choose; of equal ones the lowest, the background last."""
    matrices = []
    for axis in change.axes:
        firsts, weights = axis_weights(replace(axis, method="linear", antialias=False))
        matrix = np.zeros((axis.n, axis.source_n))
        for row, first, band in zip(matrix, firsts, weights, strict=True):
            row[first : first + len(band)] = band
        matrices.append(matrix)
    found = [*np.unique(labels[labels > 0]).tolist(), 0]
    shares = [np.einsum("az,by,cx,zyx->abc", *matrices, (labels == label).astype(float)) for label in found]
    return np.array(found)[np.round(shares, 9).argmax(axis=0)]


@given(
    shape=st.tuples(*[st.integers(2, 7)] * 3),
    spacing_mm=st.tuples(*[st.sampled_from([0.5, 0.75, 1.0, 2.0, 3.0])] * 3),
    target_mm=st.tuples(*[st.sampled_from([0.5, 1.0, 1.5, 2.0])] * 3),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_labels_are_those_that_shares_in_double_precision_choose(
    shape: tuple[int, int, int], spacing_mm: tuple[float, ...], target_mm: tuple[float, ...], seed: int
) -> None:
    labels = np.random.default_rng(seed).integers(0, 4, shape).astype(np.uint8)
    change = Resample(spacing_mm=target_mm).change(VolumeSpec(volumes.grid(shape, spacing_mm)))
    np.testing.assert_array_equal(carry_labels(labels, change), choose_plainly(labels, change))


def test_a_label_keeps_its_volume() -> None:
    geometry = volumes.grid((24, 120, 120), (3.27, 0.977, 0.977))
    change = Resample(spacing_mm=(1, 1, 1)).change(VolumeSpec(geometry))
    inside = sum(np.square(axis) for axis in np.ogrid[-1.3:1.3:24j, -1.3:1.3:120j, -1.3:1.3:120j]) < 1
    volume_mm3 = pytest.approx(inside.sum() * 3.27 * 0.977**2, rel=0.002)
    assert carry_labels(inside.astype(np.uint8), change).sum() == volume_mm3
    assert _take_nearest(inside.astype(np.uint8), change).sum() != volume_mm3
