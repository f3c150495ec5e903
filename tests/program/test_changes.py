from dataclasses import replace

import numpy as np
import pytest
import volumes
from hypothesis import given, settings
from hypothesis import strategies as st
from volumes import regridded

from pipeline.geometry import Xyz, Zyx
from pipeline.program.axis import AxisMap
from pipeline.program.changes import Barrier, GridChange, LineChange, Warp
from pipeline.program.step import Step
from pipeline.steps.crop_or_pad import CropOrPad
from pipeline.steps.orient import Orient
from pipeline.steps.resample import Resample
from pipeline.volume import ClampedLine, Mask, Scale, Volume, VolumeSpec, Voxels

CLIP = ClampedLine(low=-1000, high=400)
HALVE = ClampedLine(a=0.5)


def minus_first(voxels: Voxels, mask: Mask) -> ClampedLine:
    return ClampedLine(b=-float(voxels[mask][0]))


def test_lines_are_added_to_those_that_came_before() -> None:
    spec = LineChange((HALVE,), Scale.NORMALISED).after(VolumeSpec(volumes.grid(), lines=(CLIP,)))
    assert spec.lines == (ClampedLine(0.5, 0, -500, 200),)
    assert spec.scale is Scale.NORMALISED


def test_a_split_makes_the_channels() -> None:
    spec = LineChange((CLIP, HALVE), Scale.HU, ("a", "b")).after(VolumeSpec(volumes.grid()))
    assert spec.channels == ("a", "b")
    assert spec.lines == (CLIP, HALVE)
    assert LineChange((HALVE, HALVE), Scale.HU).after(spec).channels == ("a", "b")


@pytest.mark.parametrize("split", [0, 1])
def test_folded_lines_describe_the_same(split: int) -> None:
    names = ("a", "b")
    changes = [
        LineChange((CLIP,), Scale.HU),
        LineChange((CLIP, HALVE), Scale.HU, names),
        LineChange((HALVE, CLIP), Scale.NORMALISED),
    ][1 - split : 3 - split]
    spec = VolumeSpec(volumes.grid()) if changes[0].split or len(changes[0].lines) == 1 else None
    assert spec is not None
    assert changes[0].then(changes[1]).after(spec) == changes[1].after(changes[0].after(spec))


def test_a_barrier_leaves_lines_unknown() -> None:
    barrier = Barrier(Scale.NORMALISED, minus_first)
    plain = volumes.noise()
    several = Volume(np.stack([plain.voxels, plain.voxels + 5]), plain.valid, plain.geometry)
    spec = VolumeSpec(plain.geometry, lines=(CLIP, CLIP), channels=("a", "b"))
    assert barrier.after(spec).lines == (None, None)
    first = float(plain.voxels[0, 0, 0])
    assert barrier.resolve(several).lines == (ClampedLine(b=-first), ClampedLine(b=-first - 5))


def test_a_line_after_an_unknown_one_is_unknown() -> None:
    spec = VolumeSpec(volumes.grid(), lines=(None,))
    assert LineChange((HALVE,), Scale.NORMALISED).after(spec).lines == (None,)


def test_a_barrier_of_the_cohort_cannot_be_resolved_by_one_volume() -> None:
    with pytest.raises(ValueError, match="cohort"):
        Barrier(Scale.HU, None).resolve(volumes.noise())


def test_a_warp_changes_the_grid_alone() -> None:
    spec = VolumeSpec(volumes.grid(), lines=(CLIP,))
    target = volumes.grid((3, 3, 3))
    assert Warp(spec.geometry, target).after(spec) == replace(spec, geometry=target)


AWRY = Zyx(Xyz(1.0, 0.0, 0.0), Xyz(0.0, 0.0, -1.0), Xyz(0.0, -1.0, 0.0))
"""Axes that orient must permute and flip."""

orients = st.just(Orient("LPS"))
resamples = st.builds(
    lambda z, y, x: Resample(spacing_mm=(z, y, x)), *[st.one_of(st.none(), st.floats(0.4, 5))] * 3
)  # fmt: skip
crops = st.builds(lambda z, y, x: CropOrPad((z, y, x)), *[st.integers(1, 14)] * 3)
spatial: st.SearchStrategy[Step] = st.one_of(orients, resamples, crops)


def test_an_axis_on_the_lattice_is_exact() -> None:
    assert AxisMap(4, 9, start=3.0, step=-1.0).exact
    assert not AxisMap(4, 9, start=3.5).exact
    assert not AxisMap(4, 9, step=2.0).exact


def test_an_axis_is_inside_or_whole() -> None:
    assert AxisMap(4, 4, start=3, step=-1).whole
    assert AxisMap(3, 4, start=1).inside
    assert not AxisMap(3, 4, start=1).whole
    assert not AxisMap(4, 4, start=1).inside
    assert not AxisMap(4, 4, start=2, step=-1).inside


@settings(max_examples=60, deadline=None)
@given(spatial, spatial)
def test_two_folded_changes_equal_one_after_the_other(first: Step, second: Step) -> None:
    source = volumes.half_valid(volumes.grid(axes=AWRY))
    spec = VolumeSpec(source.geometry)
    one, other = first.change(spec), second.change(first.after(spec))
    assert isinstance(one, GridChange)
    assert isinstance(other, GridChange)
    both = one.then(other)
    if both is None:
        return
    expected = regridded(regridded(source, one, spec.padding), other, spec.padding)
    result = regridded(source, both, spec.padding)
    np.testing.assert_allclose(result.voxels, expected.voxels, atol=2e-3)
    np.testing.assert_array_equal(result.valid, expected.valid)
    assert result.geometry == expected.geometry


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Orient("LPS"), Resample(spacing_mm=(1, 1, 1))),
        (Orient("LPS"), CropOrPad((20, 20, 20))),
        (Resample(spacing_mm=(1, 1, 1)), CropOrPad((3, 3, 3))),
        (CropOrPad((3, 3, 3)), CropOrPad((2, 2, 2))),
    ],
)
def test_turns_and_selections_fold(first: Step, second: Step) -> None:
    spec = VolumeSpec(volumes.grid(axes=AWRY))
    one, other = first.change(spec), second.change(first.after(spec))
    assert isinstance(one, GridChange)
    assert isinstance(other, GridChange)
    assert one.then(other) is not None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Resample(spacing_mm=(1, 1, 1)), Resample(spacing_mm=(2, 2, 2))),
        (CropOrPad((3, 3, 3)), CropOrPad((9, 9, 9))),
        (CropOrPad((3, 3, 3)), Resample(spacing_mm=(1, 1, 1))),
        (Resample(spacing_mm=(1, 1, 1)), CropOrPad((40, 40, 40))),
    ],
)
def test_a_change_that_would_use_cropped_samples_does_not_fold(first: Step, second: Step) -> None:
    spec = VolumeSpec(volumes.grid())
    one, other = first.change(spec), second.change(first.after(spec))
    assert isinstance(one, GridChange)
    assert isinstance(other, GridChange)
    assert one.then(other) is None
