from itertools import accumulate

import numpy as np
import pytest
import volumes
from hypothesis import given, settings
from hypothesis import strategies as st
from volumes import apply

from pipeline.geometry import Geometry
from pipeline.program.execute import execute_on_volume
from pipeline.program.labels import carry_labels
from pipeline.program.program import Program
from pipeline.steps.clip import Clip
from pipeline.steps.even_slices import EvenSlices, InterpolateGap, ResampleSlices
from pipeline.steps.orient import Orient
from pipeline.steps.resample import Resample
from pipeline.volume import Volume, VolumeSpec

STEP_MM = 2.5
intervals = st.lists(st.floats(0.4, 9), min_size=3, max_size=12)


def grid(n: int) -> Geometry:
    return volumes.turned(12, volumes.grid((n, 5, 4), (STEP_MM, 0.8, 0.7)))


def regrid(positions_mm: tuple[float, ...], slope: tuple[float, float, float] = (1.5, -3.0, 2.0)) -> Volume:
    """Return a ramp through the patient as slices at these places along the normal see it."""
    geometry = grid(len(positions_mm))
    _, y, x = np.indices(geometry.shape)
    z = np.broadcast_to(np.array(positions_mm)[:, None, None] / STEP_MM, y.shape)
    places = np.tensordot(geometry.affine_lps, np.stack([z, y, x, np.ones(z.shape)]), axes=1)
    return volumes.volume(np.tensordot(slope, places[:3], axes=1).astype(np.float32), geometry)


def missing(planes: list[int]) -> InterpolateGap:
    return InterpolateGap(tuple(STEP_MM * plane for plane in planes), STEP_MM)


def done(step: EvenSlices, source: Volume) -> Volume:
    return apply(step.change(VolumeSpec(source.geometry)), source, (-1024.0,))


@settings(max_examples=60, deadline=None)
@given(intervals)
def test_a_ramp_through_the_patient_stays_a_ramp(gaps: list[float]) -> None:
    positions_mm = tuple(accumulate(gaps, initial=0.0))
    result = done(ResampleSlices(positions_mm, STEP_MM), regrid(positions_mm))
    truth = volumes.ramp(result.geometry)
    assert result.usable is not None
    assert not (result.valid & ~result.usable).any()
    np.testing.assert_allclose(result.voxels[result.usable], truth.voxels[result.usable], atol=0.01)


@settings(max_examples=60, deadline=None)
@given(intervals)
def test_the_planes_cover_the_first_slice_to_the_last(gaps: list[float]) -> None:
    positions_mm = tuple(accumulate(gaps, initial=0.0))
    source = VolumeSpec(grid(len(positions_mm)))
    result = ResampleSlices(positions_mm, STEP_MM).after(source).geometry
    assert result.origin_mm == source.geometry.origin_mm
    assert result.spacing_mm == source.geometry.spacing_mm
    assert positions_mm[-1] - 1e-5 <= (result.shape.z - 1) * STEP_MM < positions_mm[-1] + STEP_MM


def test_present_slices_keep_their_bits_and_planes() -> None:
    planes = [0, 1, 3, 4, 7]
    source = volumes.noise(grid(5))
    result = done(missing(planes), source)
    np.testing.assert_array_equal(result.voxels[planes], source.voxels)
    np.testing.assert_array_equal(result.valid.all(axis=(1, 2)), [True, True, False, True, True, False, False, True])
    np.testing.assert_allclose(result.voxels[2], (source.voxels[1] + source.voxels[2]) / 2, atol=1e-3)
    np.testing.assert_allclose(result.voxels[5], (2 * source.voxels[3] + source.voxels[4]) / 3, atol=1e-3)


@pytest.mark.parametrize(
    ("positions_mm", "valid"),
    [
        ((0.0, 2.5, 5.0, 10.0), [1, 1, 1, 0, 1]),  # the plane amid 5 mm is a whole step from either slice
        ((0.0, 2.5, 6.2, 8.7), [1, 1, 1, 1, 0]),  # 3.7 mm is close together; the last plane lies beyond the last slice
        ((0.0, 2.5, 6.5, 9.0, 11.5), [1, 1, 0, 1, 1, 0]),  # 4 mm is not: 5 mm is too far from 6.5, 7.5 is near to it
    ],
)
def test_a_plane_is_valid_near_one_slice_or_between_two_close_ones(
    positions_mm: tuple[float, ...], valid: list[int]
) -> None:
    step = ResampleSlices(positions_mm, STEP_MM)
    result = done(step, regrid(positions_mm))
    np.testing.assert_array_equal(result.valid.all(axis=(1, 2)), np.array(valid, bool))
    np.testing.assert_array_equal(result.valid.any(axis=(1, 2)), np.array(valid, bool))
    assert step.interpolated_share == pytest.approx(1 - np.mean(valid))


def test_beyond_the_last_slice_stands_its_own_value() -> None:
    source = volumes.noise(grid(4))
    result = done(ResampleSlices((0.0, 2.5, 5.0, 8.0), STEP_MM), source)
    np.testing.assert_array_equal(result.voxels[-1], source.voxels[-1])
    assert not result.valid[-1].any()


@pytest.mark.parametrize("spacing_mm", [0.7, 1.0, 2.0])
def test_a_filled_gap_is_resampled_and_stays_invalid(spacing_mm: float) -> None:
    planes = [0, 1, 2, 3, 6, 7, 8, 9, 10]
    source = regrid(tuple(STEP_MM * plane for plane in planes))
    steps = [missing(planes), Orient("LPS"), Clip(-5000, 5000), Resample(spacing_mm=(spacing_mm, None, None))]
    program = Program.compile(steps, VolumeSpec(source.geometry), "float32")
    prepared = execute_on_volume(program, source)
    truth = volumes.ramp(prepared.spec.geometry)
    inside = slice(3, -3)
    np.testing.assert_allclose(prepared.array[inside], truth.voxels[inside], atol=0.01)
    has_interpolated = ~prepared.valid.any(axis=(1, 2))
    assert has_interpolated[inside].any()
    assert prepared.valid[3, 1:-1, 1:-1].any()


def test_padding_does_not_bleed_into_a_filled_gap() -> None:
    whole = volumes.half_valid(grid(6))
    flat = volumes.volume(np.where(whole.valid, np.float32(40), np.float32(-1024)), whole.geometry, whole.valid)
    result = done(missing([0, 1, 2, 4, 5, 6]), flat)
    assert result.usable is not None
    np.testing.assert_allclose(result.voxels[result.usable], 40)


def test_labels_in_a_gap_are_those_of_the_nearest_slice() -> None:
    labels = np.arange(1, 5, dtype=np.uint8)[:, None, None] * np.ones((1, 5, 4), np.uint8)
    carried = carry_labels(labels, missing([0, 1, 4, 5]).change(VolumeSpec(grid(4))))
    assert carried[:, 0, 0].tolist() == [1, 2, 2, 3, 3, 4]


def test_repairs_tell_their_figures() -> None:
    assert missing([0, 1, 2, 4]).parameters == {"n_missing": 1, "step_mm": 2.5, "widest_mm": 5.0}
    assert ResampleSlices((0.0, 2.0, 5.0, 9.0), 3.0).parameters == {
        "n_slices": 4,
        "step_mm": 3.0,
        "narrowest_mm": 2.0,
        "widest_mm": 4.0,
    }
