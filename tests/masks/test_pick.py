import numpy as np
import pytest

from pipeline.masks.drawn import DrawnMask, DrawnRegion
from pipeline.masks.pick import Attempt, Picked, pick_mask
from pipeline.masks.sources import LinkedFile, Pick
from pipeline.vocabulary import MaskReason, SeriesWarning


def drawn(number: int, *rows: int, layers: bool = False) -> DrawnMask:
    """Return a mask with one region on some rows of its only slice."""
    labels = np.zeros((number, 1, 6, 4) if layers else (1, 6, 4), np.uint8)
    labels[..., list(rows), :] = 0 if layers else number
    if layers:
        labels[number - 1, :, list(rows), :] = 1
    return DrawnMask(labels, (DrawnRegion(f"region {number}", number, 1, n_voxels=4 * len(rows)),))


def attempt(path: str, mask: DrawnMask | None, made: str = "", reason: MaskReason = MaskReason.OK) -> Attempt:
    return Attempt(LinkedFile(path, "series", made), mask, reason, None if mask else f"{path} failed")


def rows_of(picked: Picked) -> list[int]:
    assert picked.drawn is not None
    return [int(row.max()) for row in picked.drawn.labels[0]]


def test_a_copy_counts_once() -> None:
    picked = pick_mask([attempt("a", drawn(1, 2)), attempt("b", drawn(1, 2))], "refuse")
    assert (rows_of(picked), picked.reason) == ([0, 0, 1, 0, 0, 0], MaskReason.OK)


def test_objects_that_differ_are_refused_and_each_says_so() -> None:
    picked = pick_mask([attempt("a", drawn(1, 2)), attempt("b", drawn(1, 3))], "refuse")
    assert (picked.drawn, picked.reason) == (None, MaskReason.SEVERAL)
    assert picked.detail == "2 objects of this series say different things"
    assert {one.reason for one in picked.attempts} == {MaskReason.SEVERAL}


def test_the_newest_counts_where_that_is_asked_for() -> None:
    old, new = attempt("a", drawn(1, 2), "20200101120000"), attempt("b", drawn(1, 3), "20200101130000")
    picked = pick_mask([new, old], "newest")
    assert rows_of(picked) == [0, 0, 0, 1, 0, 0]
    assert [one.detail for one in picked.attempts] == ["a newer object was taken", None]


@pytest.mark.parametrize("made", ["", "20200101"])
def test_objects_of_one_time_have_no_newest(made: str) -> None:
    picked = pick_mask([attempt("a", drawn(1, 2), made), attempt("b", drawn(1, 3), made)], "newest")
    assert picked.reason is MaskReason.SEVERAL


def test_a_newest_object_that_cannot_be_drawn_is_not_replaced_by_an_older() -> None:
    old, new = attempt("a", drawn(1, 2), "1"), attempt("b", None, "2", MaskReason.UNREADABLE)
    assert pick_mask([old, new], "newest").reason is MaskReason.UNREADABLE


def test_merged_regions_lie_with_the_smaller_on_top_in_any_order() -> None:
    large, small = attempt("a", drawn(1, 0, 1, 2, 3)), attempt("b", drawn(2, 3, 4))
    for attempts in ([large, small], [small, large]):
        picked = pick_mask(attempts, "merge")
        assert rows_of(picked) == [1, 1, 1, 2, 2, 0]
        assert picked.drawn is not None
        assert {one.name: one.n_lost for one in picked.drawn.regions} == {"region 1": 4, "region 2": 0}
        assert picked.drawn.warnings == {SeriesWarning.W_LABEL_OVERLAP}


def test_merged_layers_lose_nothing() -> None:
    one, other = attempt("a", drawn(1, 0, 1, layers=True)), attempt("b", drawn(2, 1, 2, layers=True))
    picked = pick_mask([one, other], "merge")
    assert picked.drawn is not None
    assert picked.drawn.labels[:, 0, :, 0].tolist() == [[1, 1, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0]]
    assert not picked.drawn.warnings


def test_a_merge_keeps_what_can_be_drawn_and_says_what_could_not() -> None:
    picked = pick_mask([attempt("a", drawn(1, 2)), attempt("b", None, reason=MaskReason.OFF_GRID)], "merge")
    assert picked.drawn is not None
    assert picked.drawn.warnings == {SeriesWarning.W_LABEL_PARTIAL}
    assert picked.detail == "b failed"


@pytest.mark.parametrize("pick", ["refuse", "newest", "merge"])
def test_an_object_without_a_wanted_region_counts_for_nothing(pick: Pick) -> None:
    empty = attempt("a", None, "9", MaskReason.EMPTY)
    assert rows_of(pick_mask([empty, attempt("b", drawn(1, 2), "1")], pick)) == [0, 0, 1, 0, 0, 0]
    assert pick_mask([empty], pick).reason is MaskReason.EMPTY


def test_one_object_off_the_grid_refuses_the_mask() -> None:
    picked = pick_mask([attempt("a", drawn(1, 2)), attempt("b", None, reason=MaskReason.OFF_GRID)], "refuse")
    assert (picked.drawn, picked.reason, picked.detail) == (None, MaskReason.OFF_GRID, "b failed")
