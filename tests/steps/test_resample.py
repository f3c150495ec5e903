from collections.abc import Sequence
from math import ceil, nan
from typing import Any

import numpy as np
import oracles
import pytest
import volumes
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage
from volumes import regridded

from pipeline.geometry import Zyx
from pipeline.program.axis import axis_weights
from pipeline.steps.resample import Grid, Resample, ShapeRule
from pipeline.volume import Volume, VolumeSpec

spacings = st.one_of(st.none(), st.floats(0.3, 6))


def resampled(source: Volume, step: Resample) -> Volume:
    return regridded(source, step.change(VolumeSpec(source.geometry)), (-1024,))


@settings(max_examples=60, deadline=None)
@given(st.tuples(spacings, spacings, spacings))
def test_resampling_covers_the_extent_and_keeps_the_centre(asked: tuple[Any, Any, Any]) -> None:
    source = volumes.grid()
    target = Resample(spacing_mm=asked).change(VolumeSpec(source)).geometry
    for axis, mm in enumerate(asked):
        new = source.spacing_mm[axis] if mm is None else mm
        assert target.spacing_mm[axis] == new
        assert target.shape[axis] == max(1, ceil(source.shape[axis] * source.spacing_mm[axis] / new - 1e-6))
    np.testing.assert_allclose(target.centre_mm, source.centre_mm, atol=1e-9)
    assert target.axes == source.axes


@pytest.mark.parametrize("step", [Resample(shape=(3, 5, None)), Resample(factor=(0.5, 0.6, None))])
def test_a_shape_or_factor_keeps_the_outer_faces(step: Resample) -> None:
    source = volumes.grid()
    target = step.change(VolumeSpec(source)).geometry
    assert target.shape == (3, 5, 7)
    np.testing.assert_allclose(np.multiply(target.shape, target.spacing_mm), [6 * 2.5, 8 * 0.7, 7 * 0.7])
    np.testing.assert_allclose(target.centre_mm, source.centre_mm)


@pytest.mark.parametrize(
    "step",
    [
        Resample(spacing_mm=(2.5, 0.7, 0.7)),
        Resample(spacing_mm=(2.5 * (1 + 5e-7), 0.7, None), method="cubic"),
        Resample(shape=(6, 8, 7)),
        Resample(factor=(1, None, 1), method="nearest"),
        Resample(spacing_mm=(None, None, None)),
    ],
)
def test_to_the_own_spacing_changes_no_bit(step: Resample) -> None:
    source = volumes.half_valid()
    result = resampled(source, step)
    assert result.voxels.tobytes() == source.voxels.tobytes()
    assert result.valid.tobytes() == source.valid.tobytes()
    assert result.geometry.shape == source.geometry.shape


def test_a_spacing_equal_up_to_rounding_is_written_as_given() -> None:
    source = volumes.grid((6, 8, 7), (1.0000000001, 0.7, 0.7))
    assert Resample(spacing_mm=(1, None, None)).change(VolumeSpec(source)).geometry.spacing_mm == Zyx(1, 0.7, 0.7)


def deviation(step: Resample) -> float:
    """Return by how much a ramp of 1 HU a source sample along x is missed where the whole kernel lies inside, in HU."""
    geometry = volumes.grid((2, 2, 300), (1.0, 1.0, 1.0))
    change = step.change(VolumeSpec(geometry))
    reach = max(1.0, change.axes.x.step)
    at = change.axes.x.positions
    inside = (at >= reach - 1) & (at <= 300 - reach)
    result = resampled(volumes.ramp(geometry, (1, 0, 0)), step)
    assert inside.any()
    return float(np.abs(result.voxels - volumes.ramp(change.geometry, (1, 0, 0)).voxels)[:, :, inside].max())


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.floats(0.1, 1), st.integers(2, 20)), st.floats(0.1, 20))
def test_a_ramp_is_reproduced_by_symmetric_filters(even: float, any_spacing: float) -> None:
    assert deviation(Resample(spacing_mm=(None, None, even))) < 1e-3
    assert deviation(Resample(spacing_mm=(None, None, any_spacing), antialias=False)) < 1e-3


@settings(max_examples=60, deadline=None)
@given(st.floats(1, 20))
def test_a_filter_of_any_width_shifts_a_ramp_by_less_than_a_tenth_of_a_sample(coarser: float) -> None:
    assert deviation(Resample(spacing_mm=(None, None, coarser))) < 0.09


def test_a_ramp_in_space_stays_where_it_is() -> None:
    source = volumes.ramp(volumes.grid((20, 24, 22)))
    result = resampled(source, Resample(spacing_mm=(1, 0.5, 1.4)))
    inner = (slice(3, -3), slice(3, -3), slice(2, -2))
    np.testing.assert_allclose(result.voxels[inner], volumes.ramp(result.geometry).voxels[inner], atol=1e-3)
    assert result.valid[inner].all()


def test_the_rim_beyond_the_source_takes_the_edge_value_and_is_not_valid() -> None:
    source = volumes.noise(volumes.grid((4, 4, 4), (1, 1, 1)))
    result = resampled(source, Resample(shape=(8, None, None)))
    np.testing.assert_array_equal(result.voxels[[0, -1]], source.voxels[[0, -1]])
    np.testing.assert_array_equal(result.valid.all(axis=(1, 2)), [False, *[True] * 6, False])


@pytest.mark.parametrize(
    ("method", "theirs"), [("linear", Image.Resampling.BILINEAR), ("cubic", Image.Resampling.BICUBIC)]
)
@pytest.mark.parametrize("shape", [(11, 9), (40, 33), (64, 80), (20, 90)])
def test_a_plane_comes_out_as_from_pillow(method: Any, theirs: Image.Resampling, shape: tuple[int, int]) -> None:
    source = volumes.noise(volumes.grid((1, 40, 33), (1, 1, 1)))
    result = resampled(source, Resample(shape=(None, *shape), method=method))
    # Beyond the outermost samples Pillow's cubic goes on curving; here the rim keeps its value and is not measured.
    inside = result.valid[0]
    assert inside.mean() > 0.9
    np.testing.assert_allclose(
        result.voxels[0][inside], oracles.pillow(source.voxels[0], shape, theirs)[inside], atol=0.02
    )


def test_nearest_invents_no_value() -> None:
    source = volumes.noise()
    result = resampled(source, Resample(spacing_mm=(1, 1, 1.3), method="nearest"))
    assert np.isin(result.voxels, source.voxels).all()


def test_a_coarser_axis_is_filtered_and_a_finer_is_not() -> None:
    change = Resample(spacing_mm=(1, 2, None)).change(VolumeSpec(volumes.grid((6, 30, 30))))
    assert [axis_weights(axis)[1].shape[1] for axis in change.axes] == [2, 6, 1]


def test_a_single_slice_made_finer_is_valid_only_within_its_thickness() -> None:
    result = resampled(volumes.noise(volumes.grid((1, 4, 4), (5, 1, 1))), Resample(spacing_mm=(1, None, None)))
    np.testing.assert_array_equal(result.valid.all(axis=(1, 2)), [False, False, True, False, False])


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({}, "exactly one"),
        ({"spacing_mm": (1, 1, 1), "shape": (1, 1, 1)}, "exactly one"),
        ({"spacing_mm": (0, 1, 1)}, "between 0.05 and 100, not 0"),
        ({"spacing_mm": (1, 1, 101)}, "between 0.05 and 100"),
        ({"spacing_mm": (1, nan, 1)}, "spacing_mm must lie"),
        ({"factor": (1, -1, 1)}, "factor must lie"),
        ({"shape": (0, 1, 1)}, "shape must lie"),
    ],
)
def test_impossible_parameters_are_refused_in_a_sentence(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Resample(**wrong)


@pytest.mark.parametrize("new_mm", [0.5, 1.0, 5.0])
def test_planes_in_wide_intervals_are_valid_only_near_a_slice(new_mm: float) -> None:
    """Slices of 1 mm every 10 mm: one speaks for half a millimetre on each side, or for half a new step."""
    spec = VolumeSpec(volumes.grid((5, 3, 3), (10.0, 1.0, 1.0)), reach=Zyx(0.05, None, None))
    source = volumes.volume(np.ones(spec.shape, np.float32), spec.geometry)
    change = Resample(spacing_mm=(new_mm, None, None)).change(spec)
    result = regridded(source, change, (-1024,))
    z_mm = (change.axes.z.positions - np.rint(change.axes.z.positions)) * 10
    near = np.abs(z_mm) <= max(0.5, new_mm / 2) + 1e-6
    np.testing.assert_array_equal(result.valid[:, 1, 1], near & change.axes.z.within)
    assert 0 < result.valid.mean() < 1
    assert (result.voxels == 1).all()
    assert change.after(spec).reach == Zyx(None, None, None)


def test_planes_between_touching_slices_are_valid() -> None:
    spec = VolumeSpec(volumes.grid((5, 3, 3), (10.0, 1.0, 1.0)))
    change = Resample(spacing_mm=(1.0, None, None)).change(spec)
    result = regridded(volumes.volume(np.ones(spec.shape, np.float32), spec.geometry), change, (-1024,))
    np.testing.assert_array_equal(result.valid[:, 1, 1], change.axes.z.within)


GRIDS: tuple[Grid, ...] = ("centred", "outer_faces", "corner_centres", "first_voxel", "low_face")
RULES: tuple[ShapeRule, ...] = ("ceil", "round", "floor")


@settings(max_examples=60)
@given(st.sampled_from(GRIDS), st.sampled_from(RULES), st.tuples(*[st.floats(0.3, 6)] * 3), st.integers(0, 360))
def test_the_affine_of_every_grid_is_where_a_ramp_in_space_says(
    grid: Any, rule: Any, spacing_mm: tuple[float, float, float], degrees: int
) -> None:
    source = volumes.ramp(volumes.turned(degrees, volumes.grid((9, 12, 11))))
    result = resampled(source, Resample(spacing_mm=spacing_mm, antialias=False, grid=grid, shape_rule=rule))
    expected = volumes.ramp(result.geometry).voxels
    np.testing.assert_allclose(result.voxels[result.valid], expected[result.valid], atol=2e-3)
    assert result.valid.any()


@pytest.mark.parametrize("method", ["linear", "cubic", "nearest", "bspline"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("grid", GRIDS)
def test_to_the_own_spacing_changes_no_bit_on_any_grid(grid: Grid, rule: ShapeRule, method: Any) -> None:
    source = volumes.half_valid()
    result = resampled(source, Resample(spacing_mm=(2.5, 0.7, None), method=method, grid=grid, shape_rule=rule))
    assert result.voxels.tobytes() == source.voxels.tobytes()
    assert result.geometry == source.geometry


@settings(max_examples=60)
@given(st.sampled_from(GRIDS), st.sampled_from(RULES), st.floats(0.3, 6))
def test_every_grid_keeps_what_it_is_named_after(grid: Any, rule: Any, new_mm: float) -> None:
    source = volumes.grid((6, 8, 30))
    axis = Resample(spacing_mm=(None, None, new_mm), grid=grid, shape_rule=rule).change(VolumeSpec(source)).axes.x
    first, last, half = axis.start, axis.start + axis.step * (axis.n - 1), axis.step / 2
    kept = {
        "centred": ((first + last) / 2, 14.5),
        "outer_faces": ((first - half, last + half), (-0.5, 29.5)),
        "corner_centres": ((first, last), (0, 29) if axis.n > 1 else (0, 0)),
        "first_voxel": (first, 0),
        "low_face": (first - half, -0.5),
    }
    np.testing.assert_allclose(*kept[grid], atol=1e-9)
    if grid not in {"outer_faces", "corner_centres"}:
        assert axis.step * source.spacing_mm.x == pytest.approx(new_mm)


@pytest.mark.parametrize(
    ("grid", "rule", "n", "mm", "new_mm", "new_n"),
    [
        ("outer_faces", "round", 96, 0.8, 1.5, 51),
        ("outer_faces", "round", 5, 1.5, 3, 2),  # 2.5 is rounded to even
        ("outer_faces", "round", 75, 0.7, 1.4, 37),  # 0.7 in single precision is less than 0.7
        ("outer_faces", "floor", 96, 0.8, 1.5, 51),
        ("outer_faces", "floor", 10, 0.3, 0.1, 30),  # 29.999999999999996
        ("first_voxel", "round", 96, 0.8, 1.5, 52),
        ("first_voxel", "round", 40, 2.5, 3, 34),  # 32.5 + 1 is rounded to even
        ("first_voxel", "ceil", 96, 0.8, 1.5, 52),
        ("first_voxel", "floor", 40, 2.5, 100, 1),
        ("low_face", "ceil", 256, 0.8, 0.703125, 292),
        ("corner_centres", "round", 512, 0.646484375, 1.5, 221),
        ("corner_centres", "round", 1, 5, 1, 5),
    ],
)
def test_the_rule_makes_a_whole_number_of_samples(
    grid: Grid, rule: ShapeRule, n: int, mm: float, new_mm: float, new_n: int
) -> None:
    source = volumes.grid((n, 3, 3), (mm, 1.0, 1.0))
    step = Resample(spacing_mm=(new_mm, None, None), grid=grid, shape_rule=rule)
    assert step.change(VolumeSpec(source)).geometry.shape.z == new_n


def test_the_usual_grid_is_not_said_in_the_trail() -> None:
    assert Resample(spacing_mm=1).parameters == {"spacing_mm": (1, 1, 1), "method": "linear", "antialias": True}
    assert Resample(spacing_mm=1, grid="low_face").parameters["grid"] == "low_face"


def spline(source: np.ndarray, shape: Sequence[int], *, grid_mode: bool) -> np.ndarray:
    """Return an array resized by scipy's cubic spline with repeated edges."""
    factors = np.array(shape) / np.array(source.shape)
    return np.asarray(ndimage.zoom(source.astype(np.float64), factors, order=3, mode="nearest", grid_mode=grid_mode))


@pytest.mark.parametrize(("grid", "grid_mode"), [("outer_faces", True), ("corner_centres", False)])
def test_a_spline_comes_out_as_from_scipy(grid: Grid, grid_mode: bool) -> None:  # noqa: FBT001  a case
    source = volumes.half_valid(volumes.grid((10, 24, 31)))
    step = Resample(shape=(17, 11, 45), method="bspline", grid=grid)
    result = resampled(source, step)
    np.testing.assert_allclose(result.voxels, spline(source.voxels, (17, 11, 45), grid_mode=grid_mode), atol=5e-3)
    linear = Resample(shape=(17, 11, 45), grid=grid, antialias=False)
    np.testing.assert_array_equal(result.valid, resampled(source, linear).valid)


def test_a_spline_is_clamped_to_the_range_of_the_volume_on_request() -> None:
    source = volumes.noise(volumes.grid((10, 12, 13)))
    step = Resample(shape=(17, 11, 25), method="bspline", clip_to_input=True)
    expected = spline(source.voxels, (17, 11, 25), grid_mode=True)
    assert expected.max() > source.voxels.max()
    result = resampled(source, step)
    np.testing.assert_allclose(result.voxels, expected.clip(source.voxels.min(), source.voxels.max()), atol=5e-3)


def slices_apart(source: np.ndarray, shape: Sequence[int], axis: int, order: int) -> np.ndarray:
    """Return nnU-Net's resampling: each slice across an axis by splines in its own range, then along the axis."""
    in_plane = np.delete(np.array(shape), axis)
    slices = [
        spline(plane, in_plane, grid_mode=True).clip(plane.min(), plane.max()) for plane in np.moveaxis(source, axis, 0)
    ]
    at = (np.arange(shape[axis]) + 0.5) * len(slices) / shape[axis] - 0.5
    index = np.meshgrid(at, *(np.arange(float(n)) for n in in_plane), indexing="ij")
    stacked = ndimage.map_coordinates(np.stack(slices), np.array(index), order=order, mode="nearest")
    return np.moveaxis(stacked, 0, axis)


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_an_axis_of_far_larger_spacing_is_resampled_by_itself(axis: int, order: Any) -> None:
    spacing_mm = [0.7, 0.7, 0.7]
    spacing_mm[axis] = 2.5
    shape = [10, 11, 12]
    source = volumes.noise(volumes.grid(tuple(shape), tuple(spacing_mm)))  # type: ignore[arg-type]
    step = Resample(
        spacing_mm=1.1, grid="outer_faces", shape_rule="round", method="bspline", clip_to_input=True,
        separate_z="auto", order_z=order,
    )  # fmt: skip
    result = resampled(source, step)
    expected = slices_apart(source.voxels.astype(np.float64), result.voxels.shape, axis, order)
    np.testing.assert_allclose(result.voxels, expected, atol=5e-3)


@pytest.mark.parametrize(
    ("source_mm", "new_mm", "axis"),
    [
        ((2.5, 0.8, 0.8), 1, 0),
        ((2.4, 0.8, 0.8), 1, None),
        ((0.8, 3.0, 3.0), 1, None),
        ((1.0, 1.0, 1.0), (1, 1, 4), 2),
        ((2.5, 0.8, 0.8), (1, 1, 4), 0),
        ((1.0, 1.0, 1.0), (None, None, None), None),
    ],
)
def test_an_axis_is_separate_by_the_spacing_before_or_else_after(source_mm: Any, new_mm: Any, axis: int | None) -> None:
    step = Resample(spacing_mm=new_mm, method="bspline", separate_z="auto")
    assert step.change(VolumeSpec(volumes.grid((9, 9, 9), source_mm))).separate == axis


def test_what_belongs_to_splines_is_refused_with_other_methods() -> None:
    with pytest.raises(ValueError, match="go with method: bspline"):
        Resample(spacing_mm=1, separate_z="auto")


def test_beyond_the_outer_faces_lies_the_value_given() -> None:
    source = volumes.noise(volumes.grid((4, 4, 5), (1, 1, 1)))
    near = Resample(spacing_mm=(None, None, 1.9), grid="low_face", antialias=False, beyond=7)  # the last at 4.25
    assert not (resampled(source, near).voxels == 7).any()
    step = Resample(spacing_mm=(None, None, 1.5), grid="low_face", antialias=False, beyond=7)  # the last at 5.25
    outside = resampled(source, step)
    assert (outside.voxels[..., -1] == 7).all()
    assert not outside.valid[..., -1].any()


def test_a_nominal_spacing_is_counted_in_the_pixels_of_the_source() -> None:
    spec = VolumeSpec(volumes.grid((6, 80, 96), (2.5, 0.7, 0.8)))
    resized = Resample(shape=(None, 256, 256), grid="outer_faces").after(spec)
    step = Resample(spacing_mm=(2.5, 0.703125, 0.703125), grid="low_face", nominal=True)
    grid = step.change(resized).geometry
    assert grid.shape == (6, 255, 292)
    np.testing.assert_allclose(grid.spacing_mm, (2.5, 0.703125 * 80 / 256, 0.703125 * 96 / 256))
    np.testing.assert_allclose(grid.world(Zyx(0.0, -0.5, -0.5)), spec.geometry.world(Zyx(0.0, -0.5, -0.5)), atol=1e-9)
