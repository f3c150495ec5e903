import numpy as np
import pytest
import volumes

from pipeline.program.changes import Barrier, LineChange, Warp
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


def test_a_barrier_leaves_lines_unknown_until_it_has_seen_each_channel() -> None:
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
    assert Warp(spec.geometry, target).after(spec) == VolumeSpec(target, lines=(CLIP,))
