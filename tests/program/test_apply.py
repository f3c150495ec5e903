import numpy as np
import oracles
import pytest
import volumes
from volumes import apply, regridded

from pipeline.geometry import Zyx
from pipeline.kernels import bands
from pipeline.program.axis import AxisMap
from pipeline.program.changes import GridChange, LineChange, Warp
from pipeline.program.execute import change_planes, execute_on_volume, find_overlap, require_known
from pipeline.program.program import Program
from pipeline.program.step import Step
from pipeline.steps.clip import Clip
from pipeline.steps.correct_tilt import CorrectTilt
from pipeline.steps.crop_or_pad import CropOrPad
from pipeline.steps.even_slices import InterpolateGap
from pipeline.steps.orient import Orient, straighten
from pipeline.steps.resample import Resample
from pipeline.steps.window import Channel, Window
from pipeline.volume import ClampedLine, Plane, Scale, Volume, VolumeSpec, cut_planes

PADDING = (-1024.0,)


def test_one_line_over_a_volume_is_the_line_over_its_voxels() -> None:
    source = volumes.noise()
    line = ClampedLine(0.5, 3, 0, 100)
    result = apply(LineChange((line,), Scale.HU), source, PADDING)
    np.testing.assert_array_equal(result.voxels, line(source.voxels))
    np.testing.assert_array_equal(result.valid, source.valid)


def test_lines_that_split_make_one_channel_each() -> None:
    source = volumes.noise()
    lines = (ClampedLine(low=0, high=80), ClampedLine(low=-500, high=1300))
    split = apply(LineChange(lines, Scale.HU, ("brain", "bone")), source, PADDING)
    np.testing.assert_array_equal(split.voxels, [line(source.voxels) for line in lines])
    again = apply(LineChange(lines[::-1], Scale.HU), split, PADDING * 2)
    np.testing.assert_array_equal(again.voxels[0], lines[1](lines[0](source.voxels)))


def test_a_single_channel_keeps_its_axis() -> None:
    split = apply(LineChange((ClampedLine(),), Scale.HU, ("all",)), volumes.noise(), PADDING)
    assert split.voxels.shape == (1, 6, 8, 7)
    change = Resample(spacing_mm=(1, 1, 1)).change(VolumeSpec(split.geometry))
    assert regridded(split, change, PADDING).voxels.shape == (1, *change.geometry.shape)


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (0.6, 0.3, 2.0), (2.5, 0.5, None)])
def test_unfiltered_linear_sampling_is_scipys_on_the_same_grid(spacing_mm: tuple[float, float, float | None]) -> None:
    source = volumes.noise(volumes.grid((20, 40, 30)))
    change = Resample(spacing_mm=spacing_mm, antialias=False).change(VolumeSpec(source.geometry))
    expected = oracles.trilinear(source, change.geometry)
    np.testing.assert_allclose(regridded(source, change, PADDING).voxels, expected, atol=0.002)


def test_padding_stands_where_an_exact_change_finds_nothing() -> None:
    source = volumes.noise()
    change = CropOrPad((10, 3, 7)).change(VolumeSpec(source.geometry))
    result = regridded(source, change, PADDING)
    np.testing.assert_array_equal(result.voxels[2:8], source.voxels[:, 2:5])
    np.testing.assert_array_equal(np.delete(result.voxels, slice(2, 8), axis=0), -1024)
    np.testing.assert_array_equal(result.valid.any(axis=(1, 2)), [False] * 2 + [True] * 6 + [False] * 2)


def test_a_flip_beyond_both_ends_is_padded_on_both() -> None:
    source = volumes.noise()
    axes = Zyx(AxisMap(9, 6, start=7, step=-1), AxisMap(8, 8), AxisMap(2, 7, start=20))
    geometry = source.geometry.regrid(Zyx(7, 0, 20), Zyx(-1, 1, 1), Zyx(9, 8, 2))
    result = regridded(source, GridChange(Zyx(0, 1, 2), axes, geometry), PADDING)
    np.testing.assert_array_equal(result.voxels, -1024)
    inside = GridChange(
        Zyx(0, 1, 2), axes._replace(x=AxisMap(7, 7)), source.geometry.regrid(Zyx(7, 0, 0), Zyx(-1, 1, 1), Zyx(9, 8, 7))
    )
    np.testing.assert_array_equal(regridded(source, inside, PADDING).voxels[2:8], source.voxels[::-1])


def test_padding_that_is_not_known_yet_is_refused() -> None:
    source = volumes.noise()
    with pytest.raises(ValueError, match="barrier"):
        regridded(source, CropOrPad((10, 8, 7)).change(VolumeSpec(source.geometry)), (None,))


@pytest.mark.parametrize("degrees", [3.0, -20.0])
def test_a_warp_is_scipys_trilinear_sampling_with_padding_outside(degrees: float) -> None:
    source = volumes.noise(volumes.turned(degrees, volumes.grid((20, 30, 10), (1.0, 0.8, 0.8))))
    target = straighten(source.geometry)
    result = regridded(source, Warp(source.geometry, target), PADDING)
    np.testing.assert_allclose(result.voxels[result.valid], oracles.trilinear(source, target)[result.valid], atol=0.01)
    assert (result.voxels[0] == -1024).any()
    assert result.valid.mean() > 0.4


def test_a_warp_keeps_padding_out_of_valid_voxels() -> None:
    source = volumes.half_valid(volumes.turned(10, volumes.grid((20, 30, 10), (1.0, 0.8, 0.8))))
    flat = Volume(np.where(source.valid, np.float32(40), np.float32(-1024)), source.valid, source.geometry)
    result = regridded(flat, Warp(flat.geometry, straighten(flat.geometry)), PADDING)
    np.testing.assert_allclose(result.voxels[result.valid], 40, atol=1e-3)


SOURCE = volumes.half_valid(volumes.grid((6, 8, 7)))
SPEC = VolumeSpec(SOURCE.geometry)
COMPILED = [loop for loop in vars(bands).values() if hasattr(loop, "signatures")]


def test_a_line_changes_each_plane_and_not_the_source() -> None:
    before = SOURCE.voxels.tobytes()
    line = ClampedLine(0.5, 3, 0, 100)
    planes = change_planes(LineChange((line,), Scale.HU), cut_planes(SOURCE), SPEC)
    np.testing.assert_array_equal(planes(3).voxels[0], line(SOURCE.voxels[3]))
    np.testing.assert_array_equal(planes(3).mask, SOURCE.valid[3])
    assert SOURCE.voxels.tobytes() == before


def test_a_crop_copies_nothing() -> None:
    change = CropOrPad((2, 4, 4)).change(SPEC)
    plane = change_planes(change, cut_planes(SOURCE), SPEC)(0)
    assert np.shares_memory(plane.voxels, SOURCE.voxels)
    np.testing.assert_array_equal(plane.voxels[0], SOURCE.voxels[2, 2:6, 1:5])


def test_padding_planes_ask_nothing_of_the_source() -> None:
    def absent(z: int) -> Plane:
        msg = f"plane {z} is not needed"
        raise AssertionError(msg)

    plane = change_planes(CropOrPad((10, 8, 7)).change(SPEC), absent, SPEC)(1)
    np.testing.assert_array_equal(plane.voxels, -1024)
    assert not plane.mask.any()


def test_rows_and_columns_change_places_on_the_way() -> None:
    axes = Zyx(AxisMap(6, 6), AxisMap(7, 7), AxisMap(4, 8, 0.5, 2.0))
    geometry = SOURCE.geometry.permute(Zyx(0, 2, 1))
    change = GridChange(Zyx(0, 2, 1), axes, geometry.regrid(Zyx(0, 0, 0.5), Zyx(1, 1, 2), Zyx(6, 7, 4)))
    upright = GridChange(Zyx(0, 1, 2), Zyx(axes.z, axes.x, axes.y), SOURCE.geometry)
    turned, straight = (change_planes(each, cut_planes(SOURCE), SPEC)(2) for each in (change, upright))
    np.testing.assert_allclose(turned.voxels[0], straight.voxels[0].T, rtol=1e-6, atol=1e-3)
    np.testing.assert_array_equal(turned.mask, straight.mask.T)


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        (AxisMap(4, 4), (slice(0, 4), slice(0, 4, 1))),
        (AxisMap(2, 6, 2), (slice(0, 2), slice(2, 4, 1))),
        (AxisMap(6, 4, -1), (slice(1, 5), slice(0, 4, 1))),
        (AxisMap(4, 4, 3, -1), (slice(0, 4), slice(3, None, -1))),
        (AxisMap(6, 4, 4, -1), (slice(1, 5), slice(3, None, -1))),
        (AxisMap(2, 4, 9), (slice(0, 0), slice(0, 0))),
    ],
)
def test_an_exact_map_copies_samples(axis: AxisMap, expected: tuple[slice, slice]) -> None:
    assert find_overlap(axis) == expected
    written, taken = find_overlap(axis)
    target = np.full(axis.n, -1)
    target[written] = np.arange(axis.source_n)[taken]
    positions = axis.positions.astype(int)
    np.testing.assert_array_equal(target, np.where((positions >= 0) & (positions < axis.source_n), positions, -1))


def test_padding_is_known_once_every_statistic_is_taken() -> None:
    assert require_known(-1024.0) == -1024
    with pytest.raises(ValueError, match="barrier"):
        require_known(None)


@pytest.mark.parametrize(
    "steps",
    [
        (Orient("LPS"), Resample(spacing_mm=(1, 1, 1)), Clip(-1000, 400)),
        (Resample(spacing_mm=(1, 2, 2), method="cubic"), Window(channels=(Channel("lung"), Channel("bone")))),
        (Resample(factor=(0.5, 0.5, 0.5), method="nearest"), CropOrPad((9, 9, 9))),
        (CorrectTilt(10.0, tuple((0.3 * k, -0.2 * k) for k in range(6))), Resample(spacing_mm=(1, 1, 1))),
        (InterpolateGap(tuple(2.5 * k for k in (0, 1, 2, 5, 6, 7)), 2.5), Resample(spacing_mm=(2, 1, 1))),
    ],
)
@pytest.mark.parametrize("flip", [1, -1])
def test_no_loop_is_compiled_for_a_program_after_warming(steps: tuple[Step, ...], flip: int) -> None:
    bands.warm()
    ready = [len(loop.signatures) for loop in COMPILED]
    z = volumes.STRAIGHT.z._replace(z=float(flip))
    source = volumes.half_valid(volumes.grid(axes=volumes.STRAIGHT._replace(z=z)))
    execute_on_volume(Program.compile(steps, VolumeSpec(source.geometry)), source).array  # noqa: B018  what is lazy is done
    assert [len(loop.signatures) for loop in COMPILED] == ready
