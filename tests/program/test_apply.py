import numpy as np
import oracles
import pytest
import volumes
from volumes import apply, regridded

from pipeline.geometry import Zyx
from pipeline.program.axis import AxisMap
from pipeline.program.changes import GridChange, LineChange, Warp
from pipeline.steps.crop_or_pad import CropOrPad
from pipeline.steps.orient import straighten
from pipeline.steps.resample import Resample
from pipeline.volume import ClampedLine, Scale, Volume, VolumeSpec

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


def test_a_flip_that_leaves_the_source_on_both_sides_is_padded_on_both() -> None:
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


def test_a_warp_keeps_padding_out_of_what_was_measured() -> None:
    source = volumes.half_valid(volumes.turned(10, volumes.grid((20, 30, 10), (1.0, 0.8, 0.8))))
    flat = Volume(np.where(source.valid, np.float32(40), np.float32(-1024)), source.valid, source.geometry)
    result = regridded(flat, Warp(flat.geometry, straighten(flat.geometry)), PADDING)
    np.testing.assert_allclose(result.voxels[result.valid], 40, atol=1e-3)
