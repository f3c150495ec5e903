import pickle
from collections import Counter
from typing import Any

import numpy as np
import prepared
import pytest
from prepared import Moved

from pipeline.dataset import Cohort
from pipeline.dataset.sampling import Drawing, PatchSampler, SliceSampler, SliceStacks
from pipeline.errors import UsageError


def drawn(sampler: PatchSampler, epoch: int = 0) -> list[tuple[str, tuple[int, ...]]]:
    patches = (sampler.draw(epoch, index) for index in range(len(sampler)))
    return [(volume.key, tuple(start)) for volume, start in patches]


def test_the_same_seed_epoch_and_index_give_the_same_patch(packed: Cohort) -> None:
    drawing = Drawing(shape=(8, 8, 8), per_volume=5, seed=3, foreground="lesion", balance="kernel_class")
    first, again = PatchSampler(packed, drawing), PatchSampler(packed, drawing)
    expected = drawn(first)
    assert [(v.key, tuple(s)) for v, s in (again.draw(0, i) for i in reversed(range(15)))] == expected[::-1]
    assert drawn(pickle.loads(pickle.dumps(first))) == expected  # noqa: S301  its own
    assert drawn(first, epoch=1) != expected
    assert drawn(PatchSampler(packed, Drawing(shape=(8, 8, 8), per_volume=5, seed=4))) != expected


def test_every_volume_has_its_turns(packed: Cohort) -> None:
    sampler = PatchSampler(packed, Drawing(shape=(4, 4, 4), per_volume=7))
    assert Counter(key for key, _ in drawn(sampler)) == dict.fromkeys(packed.keys, 7)


def test_a_patch_lies_within_the_volume_and_may_touch_its_ends(packed: Cohort) -> None:
    starts = np.array([start for _, start in drawn(PatchSampler(packed, Drawing(shape=(11, 30, 32), per_volume=40)))])
    assert starts.min(axis=0).tolist() == [0, 0, 0]
    assert starts.max(axis=0).tolist() == [1, 2, 0]


def test_a_patch_larger_than_the_volume_has_it_in_its_middle(packed: Cohort) -> None:
    ((_, start), *_) = drawn(PatchSampler(packed, Drawing(shape=(16, 40, 32), foreground="lesion", foreground_share=1)))
    assert start == (-2, -4, 0)


def test_a_patch_around_the_foreground_holds_some(packed: Cohort) -> None:
    sampler = PatchSampler(packed, Drawing(shape=(4, 6, 6), per_volume=30, foreground="lesion", foreground_share=1))
    label = prepared.lesion((12, 32, 32))
    for _, (z, y, x) in drawn(sampler):
        assert label[z : z + 4, y : y + 6, x : x + 6].any()
        assert min(z, y, x) >= 0
    assert len(set(drawn(sampler))) > 10


def test_the_share_of_the_foreground_is_kept(packed: Cohort) -> None:
    label = prepared.lesion((12, 32, 32))
    drawing = Drawing(shape=(2, 2, 2), per_volume=100, foreground="lesion", foreground_share=0.3)
    hits = [label[z : z + 2, y : y + 2, x : x + 2].any() for _, (z, y, x) in drawn(PatchSampler(packed, drawing))]
    assert 0.2 < np.mean(hits) < 0.42


def test_a_mask_that_is_not_stored_is_foreground_everywhere(packed: Cohort) -> None:
    sampler = PatchSampler(packed, Drawing(shape=(4, 4, 4), per_volume=3, foreground="mask", foreground_share=1))
    assert len(set(drawn(sampler))) == 9


def test_a_label_that_a_series_lacks_is_said(packed: Cohort) -> None:
    sampler = PatchSampler(packed, Drawing(shape=(4, 4, 4), foreground="tumour", foreground_share=1))
    with pytest.raises(UsageError, match="has no tumour; its labels are: lesion"):
        sampler.draw(0, 0)


def test_balance_makes_every_value_of_a_column_as_likely(packed: Cohort) -> None:
    sampler = PatchSampler(packed, Drawing(shape=(4, 4, 4), per_volume=200, balance="kernel_class"))
    classes = Counter(packed.row(key)["kernel_class"] for key, _ in drawn(sampler))
    assert classes.total() == 600
    assert 240 < classes["smooth"] < 360


def test_a_series_without_the_value_to_balance_by_is_refused(packed: Cohort) -> None:
    with pytest.raises(UsageError, match="3 series have no split: leave them out"):
        PatchSampler(packed, Drawing(shape=(4, 4, 4), balance="split"))


def test_a_cohort_without_volumes_is_refused(packed: Cohort) -> None:
    with pytest.raises(UsageError, match="no series of this cohort has a volume"):
        PatchSampler(packed.where(status="rejected"), Drawing(shape=(4, 4, 4)))


def test_a_patch_beyond_the_last_ends_an_iteration(packed: Cohort) -> None:
    sampler = PatchSampler(packed, Drawing(shape=(4, 4, 4)))
    with pytest.raises(IndexError):
        sampler.draw(0, 3)


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"shape": (4, 4)}, "shape must be three"),
        ({"shape": (4, 4, 0)}, "shape must be three"),
        ({"shape": (4, 4, 4), "per_volume": 0}, "per_volume"),
        ({"shape": (4, 4, 4), "foreground_share": 1.5}, "foreground_share"),
    ],
)
def test_what_cannot_be_drawn_is_refused(wrong: dict, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        Drawing(**wrong)


@pytest.mark.parametrize("axis", ["z", "y", "x"])
def test_every_slice_is_the_middle_of_a_stack_of_its_neighbours(packed: Cohort, axis: Any) -> None:
    sampler = SliceSampler(packed, SliceStacks(axis=axis, neighbours=3))
    values = packed.volume(packed.keys[1]).values()
    number = "zyx".index(axis)
    n = values.shape[number]
    assert len(sampler) == 3 * n
    for at, expected in ((0, [0, 0, 1]), (5, [4, 5, 6]), (n - 1, [n - 2, n - 1, n - 1])):
        volume, places = sampler.places(n + at)
        assert (volume.key, places) == (packed.keys[1], expected)
        stack = sampler.read(volume, places)
        np.testing.assert_array_equal(stack, np.moveaxis(values.take(expected, number), number, 0)[None])


def test_equidistant_slices_are_one_stack_a_volume_with_its_labels(packed: Cohort) -> None:
    sampler = SliceSampler(packed, SliceStacks(equidistant=4))
    assert len(sampler) == 3
    volume, places = sampler.places(2)
    assert places == [1, 4, 7, 10]
    label = sampler.read(volume, places, "lesion")
    np.testing.assert_array_equal(label[0], prepared.lesion((12, 32, 32))[places])


def test_a_slice_knows_the_slice_of_the_source_that_it_is(moved: Moved) -> None:
    volume = moved("resample")["regular"]
    cohort = Cohort(volume.output, (volume.row,))
    sampler = SliceSampler(cohort, SliceStacks())
    for place in range(volume.geometry.shape.z):
        z_mm = volume.to_world((place, 3, 3))[2]
        row = sampler.source_row(volume, place)
        assert abs(row["position_mm"] - z_mm) <= 1.25 + 1e-6
    with pytest.raises(UsageError, match="along x are no slices of its source"):
        SliceSampler(cohort, SliceStacks(axis="x")).source_row(volume, 3)


def test_stacks_are_of_one_kind() -> None:
    with pytest.raises(ValueError, match="neighbours must be an odd number"):
        SliceStacks(neighbours=2)
    with pytest.raises(ValueError, match="not both"):
        SliceStacks(neighbours=3, equidistant=2)
