import numpy as np
import pytest
import volumes
from hypothesis import given, settings
from hypothesis import strategies as st
from volumes import regridded

from pipeline.geometry import Xyz, Zyx
from pipeline.program.axis import AxisMap
from pipeline.program.changes import GridChange
from pipeline.program.step import Step
from pipeline.steps.crop_or_pad import CropOrPad
from pipeline.steps.orient import Orient
from pipeline.steps.resample import Resample
from pipeline.volume import VolumeSpec

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


def test_an_axis_knows_whether_it_leaves_the_source_and_whether_it_keeps_all() -> None:
    assert AxisMap(4, 4, start=3, step=-1).whole
    assert AxisMap(3, 4, start=1).inside
    assert not AxisMap(3, 4, start=1).whole
    assert not AxisMap(4, 4, start=1).inside
    assert not AxisMap(4, 4, start=2, step=-1).inside


@settings(max_examples=60, deadline=None)
@given(spatial, spatial)
def test_two_changes_folded_are_the_two_done_one_after_the_other(first: Step, second: Step) -> None:
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
def test_what_only_turns_or_only_selects_folds(first: Step, second: Step) -> None:
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
def test_what_would_show_more_than_the_first_left_does_not_fold(first: Step, second: Step) -> None:
    spec = VolumeSpec(volumes.grid())
    one, other = first.change(spec), second.change(first.after(spec))
    assert isinstance(one, GridChange)
    assert isinstance(other, GridChange)
    assert one.then(other) is None
