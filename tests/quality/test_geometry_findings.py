import pytest
from headers import slice_at

from pipeline.geometry import Xyz
from pipeline.scan.facts import SeriesGeometry

FEET_FIRST = {"row_direction": Xyz(-1, 0, 0), "column_direction": Xyz(0, 1, 0)}


def facts(*heights: float, **plane: object) -> SeriesGeometry:
    slices = [slice_at(z, plane={"position": Xyz(3.0, 4.0, height), **plane}) for z, height in enumerate(heights)]
    return SeriesGeometry(tuple(slices))


def test_positions_are_reported_towards_the_head() -> None:
    assert facts(0, 2.5, 5).heights == [0, 2.5, 5]
    assert facts(0, 2.5, 5, **FEET_FIRST).heights == [0, 2.5, 5]


@pytest.mark.parametrize(
    ("values", "order"),
    [((1, 2, 3), "same"), ((3, 2, 1), "opposite"), ((1, 3, 2), "none"), ((1, 1, 2), "none"), ((1, None, 2), "unknown")],
)
def test_numbers_run_with_the_positions_or_against_them(values: tuple[float | None, ...], order: str) -> None:
    assert facts(0, 2, 4).order_of(values) == order


def test_where_positions_are_missing_or_repeated_there_is_no_order() -> None:
    assert facts(0, 0, 4).order_of([1, 2, 3]) == "unknown"
    assert SeriesGeometry((slice_at(0, plane={"position": None}),) * 2).order_of([1, 2]) == "unknown"


def test_names_against_positions() -> None:
    assert (facts(0, 1, 2).order_of_names, facts(2, 1, 0).order_of_names) == ("same", "opposite")


def test_the_step_is_the_median_distance() -> None:
    assert facts(0, 2, 4, 9).step_mm == 2
    assert facts(0).step_mm is None


def test_slices_above_one_another_do_not_move() -> None:
    assert not facts(0, 2, 4).moves_in_plane
    moved = [slice_at(z, plane={"position": Xyz(float(z), 0, z * 2.5)}) for z in range(3)]
    assert SeriesGeometry(tuple(moved)).moves_in_plane


def test_a_fact_varies_or_does_not() -> None:
    assert facts(0, 1).varies(lambda header: header.plane.position)
    assert not facts(0, 1).varies(lambda header: header.identity.patient_id)
