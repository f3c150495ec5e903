from itertools import permutations, product
from typing import get_args

import numpy as np
import pytest
import volumes
from hypothesis import given, settings
from hypothesis import strategies as st
from volumes import apply

from pipeline.geometry import Geometry, Orientation, Xyz, Zyx
from pipeline.program.changes import Barrier, GridChange, Warp
from pipeline.steps.orient import Frame, Orient, StoreAxes, find_nearest_turn, straighten
from pipeline.volume import Volume, VolumeSpec

UNITS = (Xyz(1.0, 0.0, 0.0), Xyz(0.0, 1.0, 0.0), Xyz(0.0, 0.0, 1.0))
ALL_48 = [
    Zyx(*(Xyz(*(sign * value + 0.0 for value in axis)) for sign, axis in zip(signs, axes, strict=True)))
    for axes in permutations(UNITS)
    for signs in product((1, -1), repeat=3)
]


def oriented(source: Volume, step: Orient) -> Volume:
    spec = VolumeSpec(source.geometry)
    change = step.change(spec)
    assert not isinstance(change, Barrier)
    return apply(change, source, spec.padding)


@pytest.mark.parametrize("axes", ALL_48)
def test_every_orientation_becomes_lps(axes: Zyx[Xyz]) -> None:
    source = volumes.ramp(volumes.grid(axes=axes))
    result = oriented(source, Orient("LPS"))
    assert result.geometry.orientation == "LPS"
    np.testing.assert_allclose(result.voxels, volumes.ramp(result.geometry).voxels, atol=1e-3)
    assert np.array_equal(np.sort(result.voxels, axis=None), np.sort(source.voxels, axis=None))


@pytest.mark.parametrize("to", get_args(Orientation))
def test_every_orientation_can_be_asked_for(to: Orientation) -> None:
    source = volumes.ramp(volumes.turned(20, volumes.grid((5, 6, 7))))
    result = oriented(source, Orient(to))
    assert result.geometry.orientation == to
    np.testing.assert_allclose(result.voxels, volumes.ramp(result.geometry).voxels, atol=1e-3)
    assert oriented(result, Orient(to)).geometry == result.geometry


@pytest.mark.parametrize("to", ["RAS", "SAR", "AIL"])
def test_a_straightened_grid_runs_to_the_sides_asked_for(to: Orientation) -> None:
    source = volumes.ramp(volumes.turned(12, volumes.grid((20, 30, 10), (1.0, 0.8, 0.8))))
    result = oriented(source, Orient(to, "resample"))
    assert (result.geometry.orientation, result.geometry.obliquity_deg) == (to, 0)
    np.testing.assert_allclose(
        result.voxels[result.valid], volumes.ramp(result.geometry).voxels[result.valid], atol=1e-3
    )


FEET_FIRST = Zyx(Xyz(0.0, 0.0, -1.0), Xyz(0.0, 1.0, 0.0), Xyz(-1.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ("to", "axes", "sides"),
    [
        ("nifti", volumes.STRAIGHT, "LAS"),
        ("nifti", FEET_FIRST, "RAI"),
        ("image", volumes.STRAIGHT, "LPS"),
        ("image", FEET_FIRST, "RPS"),
    ],
)
def test_a_frame_follows_the_images_whatever_came_before(to: Frame, axes: Zyx[Xyz], sides: str) -> None:
    spec = VolumeSpec(volumes.grid(axes=axes))
    assert Orient(to).after(spec).geometry.orientation == sides
    assert Orient(to).after(Orient("SAR").after(spec)).geometry.orientation == sides


def test_a_frame_of_images_has_no_angle_to_remove() -> None:
    with pytest.raises(ValueError, match="needs patient axes"):
        Orient("nifti", "resample")


@pytest.mark.parametrize("order", ["zyx", "xyz", "zxy", "yzx"])
def test_the_axes_of_a_store_are_put_in_any_order(order: str) -> None:
    source = volumes.ramp(volumes.turned(20))
    change = StoreAxes(order).change(VolumeSpec(source.geometry))
    result = apply(change, source, (-1024,))
    np.testing.assert_array_equal(result.voxels, source.voxels.transpose(["zyx".index(axis) for axis in order]))
    np.testing.assert_allclose(result.voxels, volumes.ramp(result.geometry).voxels, atol=1e-3)


@pytest.mark.parametrize("axes", ALL_48[::7])
def test_twice_is_once(axes: Zyx[Xyz]) -> None:
    once = oriented(volumes.noise(volumes.grid(axes=axes)), Orient("LPS"))
    twice = oriented(once, Orient("LPS"))
    assert twice.geometry == once.geometry
    np.testing.assert_array_equal(twice.voxels, once.voxels)


def test_an_oblique_volume_keeps_its_angle() -> None:
    turn = find_nearest_turn(volumes.turned(20))
    assert turn.geometry.obliquity_deg == pytest.approx(20)
    assert turn.exact


def test_a_straight_volume_has_no_angle_to_remove() -> None:
    assert isinstance(Orient("LPS", "resample").change(VolumeSpec(volumes.grid())), GridChange)
    assert isinstance(Orient("LPS", "resample").change(VolumeSpec(volumes.turned(0.005))), GridChange)


@settings(max_examples=30, deadline=None)
@given(st.floats(-40, 40).filter(lambda degrees: abs(degrees) > 0.02))
def test_a_straightened_grid_keeps_spacing_and_centre_and_covers_the_source(degrees: float) -> None:
    source = find_nearest_turn(volumes.turned(degrees)).geometry
    target = straighten(source)
    assert target.obliquity_deg == 0
    assert target.spacing_mm == source.spacing_mm
    np.testing.assert_allclose(target.centre_mm, source.centre_mm, atol=1e-9)
    outside = np.linalg.solve(target.affine_lps, source.affine_lps) @ faces(source)
    assert (outside[:3] >= -0.5 - 1e-5).all()
    assert (outside[:3] <= np.array(target.shape)[:, None] - 0.5 + 1e-5).all()


def faces(geometry: Geometry) -> np.ndarray:
    """Return the grid's outer corners as indices (z, y, x, 1), a column each."""
    ends = [(-0.5, n - 0.5) for n in geometry.shape]
    return np.array([(*corner, 1.0) for corner in product(*ends)]).T


def test_removing_the_angle_leaves_a_ramp_a_ramp() -> None:
    source = volumes.ramp(volumes.turned(12, volumes.grid((20, 30, 10), (1.0, 0.8, 0.8))))
    step = Orient("LPS", "resample")
    assert isinstance(step.change(VolumeSpec(source.geometry)), Warp)
    result = oriented(source, step)
    expected = volumes.ramp(result.geometry)
    assert 0.5 < result.valid.mean() < 1
    np.testing.assert_allclose(result.voxels[result.valid], expected.voxels[result.valid], atol=1e-3)
    assert (result.voxels[~result.valid] == -1024).all()
