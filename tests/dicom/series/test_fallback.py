from dataclasses import replace

import pytest
import slices

from pipeline.dicom.headers.slice import Series, SliceHeader
from pipeline.dicom.policy import GeometryOptions
from pipeline.dicom.series.fallback import add_positions
from pipeline.dicom.stack.stack import build_stack
from pipeline.geometry import Xyz
from pipeline.vocabulary import SeriesWarning

BY_LOCATION = GeometryOptions(missing_position="slice_location")
BY_NUMBER = GeometryOptions(missing_position="instance_number")


def lost(n: int = 5, **plane: object) -> Series:
    """Return a series without positions: slice k says 2.5 k millimetres, and is number k + 1."""
    told = [{"slice_location": 2.5 * k, "thickness": 2.5} | plane for k in range(n)]
    headers = [slices.header(f"{k:03d}", None, **fields) for k, fields in enumerate(told)]
    return Series(("1.2",), tuple(replace(header, instance_number=k + 1) for k, header in enumerate(headers)))


def heights(series: Series) -> list[float | None]:
    return [header.plane.position.z if header.plane.position else None for header in series.slices]


def test_slice_location_is_taken_for_the_patients_z() -> None:
    found = add_positions(lost(), BY_LOCATION)
    assert [header.plane.position for header in found.slices] == [Xyz(0.0, 0.0, 2.5 * k) for k in range(5)]
    assert build_stack(found.slices).step_mm == 2.5


def test_every_image_is_marked_and_nothing_else_is_changed() -> None:
    before = lost()
    marked = add_positions(before, BY_LOCATION)
    assert all(header.warnings == {SeriesWarning.W_POSITION_FALLBACK} for header in marked.slices)
    assert [header.file for header in marked.slices] == [header.file for header in before.slices]


def test_what_is_no_image_is_left_alone() -> None:
    before = lost()
    identity = replace(before.slices[0].identity, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"))
    scout = replace(before.slices[0], identity=identity)
    after = add_positions(replace(before, slices=(scout, *before.slices)), BY_LOCATION)
    assert after.slices[0] is scout
    assert heights(after)[1:] == [0.0, 2.5, 5.0, 7.5, 10.0]


def test_without_leave_nothing_is_guessed() -> None:
    series = lost()
    assert add_positions(series, GeometryOptions()) is series


@pytest.mark.parametrize("options", [BY_LOCATION, BY_NUMBER])
@pytest.mark.parametrize(
    "plane",
    [
        {"gantry_tilt": 12.0},
        {"row_direction": Xyz(0.0, 1.0, 0.0), "column_direction": Xyz(0.0, 0.0, -1.0)},
        {"row_direction": None},
        {"row_direction": Xyz(0.0, 0.0, 0.0)},
    ],
    ids=["tilted", "sagittal", "no orientation", "zero orientation"],
)
def test_only_upright_axial_slices_are_helped(options: GeometryOptions, plane: dict[str, object]) -> None:
    series = lost(**plane)
    assert add_positions(series, options) is series


def spoilt(series: Series, **changes: object) -> Series:
    """Return the series with its second slice changed."""
    first, second, *rest = series.slices
    return replace(series, slices=(first, replace(second, **changes), *rest))


@pytest.mark.parametrize("options", [BY_LOCATION, BY_NUMBER])
def test_a_series_of_which_one_slice_has_a_position_is_refused(options: GeometryOptions) -> None:
    whole = lost()
    series = spoilt(whole, plane=replace(whole.slices[1].plane, position=Xyz(1.0, 2.0, 3.0)))
    assert add_positions(series, options) is series


def test_one_slice_without_location_or_number_is_too_few() -> None:
    series = lost()
    no_location = spoilt(series, plane=replace(series.slices[1].plane, slice_location=None))
    assert add_positions(no_location, BY_LOCATION) is no_location
    no_number = spoilt(series, instance_number=None)
    assert add_positions(no_number, BY_NUMBER) is no_number


@pytest.mark.parametrize(
    ("plane", "step_mm"),
    [
        ({"slice_location": None, "spacing_between_slices": 2.6}, 2.6),  # near the thickness
        ({"slice_location": None, "spacing_between_slices": -2.6}, 2.6),
        ({"spacing_between_slices": 21.893}, 2.5),  # the table's step; SliceLocation knows better
        ({"spacing_between_slices": 2.5, "thickness": 5.0}, 2.5),  # the step of SliceLocation
        ({}, 2.5),
    ],
)
def test_numbers_are_counted_by_a_step_that_something_else_bears_out(plane: dict[str, object], step_mm: float) -> None:
    assert heights(add_positions(lost(**plane), BY_NUMBER)) == pytest.approx([step_mm * (k + 1) for k in range(5)])


@pytest.mark.parametrize(
    "plane", [{"slice_location": None}, {"slice_location": None, "spacing_between_slices": 21.893}]
)
def test_without_a_step_to_believe_numbers_are_no_help(plane: dict[str, object]) -> None:
    series = lost(**plane)
    assert add_positions(series, BY_NUMBER) is series


def test_numbers_grow_along_the_normal() -> None:
    feet_first = lost(row_direction=Xyz(-1.0, 0.0, 0.0))
    found = add_positions(feet_first, BY_NUMBER)
    assert heights(found) == [-2.5 * (k + 1) for k in range(5)]
    names: list[SliceHeader] = list(build_stack(found.slices).slices)
    assert [header.instance_number for header in names] == [1, 2, 3, 4, 5]
