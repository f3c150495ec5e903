"""One contour that cannot be drawn is skipped and counted; the other regions are kept."""

from typing import Any

import numpy as np
import pytest
from masked import grid, outline, structures
from pydicom.config import IGNORE
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from pipeline.dicom.masks.rtstruct import read_structures
from pipeline.limits import Limits
from pipeline.masks.drawn import DrawnMask, RegionChoice
from pipeline.masks.grid import MaskMismatchError, SourceGrid
from pipeline.vocabulary import SeriesWarning

SQUARE = [(0.5, 0.5), (4.5, 0.5), (4.5, 3.5), (0.5, 3.5)]
N_SQUARE = 4 * 3
SOURCE = grid(6)


def read(dataset: Dataset, source: SourceGrid = SOURCE) -> DrawnMask:
    mask = read_structures(dataset, source, RegionChoice(), Limits())
    assert mask is not None
    return mask


def two_regions() -> Dataset:
    """Return regions of two squares each, on slices of their own."""
    return structures(
        {name: [outline(SOURCE, k, SQUARE) for k in places] for name, places in (("a", (0, 1)), ("b", (3, 4)))}
    )


def contour_of(dataset: Dataset, region: int, n: int = 0) -> Any:
    return dataset.ROIContourSequence[region].ContourSequence[n]


def without_data(contour: Any) -> None:
    del contour.ContourData


def with_nothing(contour: Any) -> None:
    contour.ContourData = None


def with_one_point(contour: Any) -> None:
    contour.ContourData = contour.ContourData[:3]


def with_two_points(contour: Any) -> None:
    contour.ContourData = contour.ContourData[:6]


def with_a_number_missing(contour: Any) -> None:
    contour.ContourData = contour.ContourData[:-1]


def on_a_line(contour: Any) -> None:
    contour.ContourData = [*contour.ContourData[:6], *contour.ContourData[:3]]


def far_above(contour: Any) -> None:
    contour.ContourData = [value + 40 if place % 3 == 2 else value for place, value in enumerate(contour.ContourData)]


def far_aside(contour: Any) -> None:
    contour.ContourData = [value + 400 if place % 3 == 0 else value for place, value in enumerate(contour.ContourData)]


def of_an_unknown_type(contour: Any) -> None:
    contour.ContourGeometricType = "SPLINE"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (without_data, "no_points"),
        (with_nothing, "no_points"),
        (with_one_point, "few_points"),
        (with_two_points, "few_points"),
        (with_a_number_missing, "unreadable"),
        (on_a_line, "no_area"),
        (far_above, "beyond_scan"),
        (far_aside, "beyond_scan"),
        (of_an_unknown_type, "unknown_type"),
    ],
)
def test_a_bad_contour_is_skipped_and_counted(spoil: Any, reason: str) -> None:
    dataset = two_regions()
    spoil(contour_of(dataset, 0))
    mask = read(dataset)
    first, second = mask.regions
    assert (first.n_used, first.skipped, first.n_voxels) == (1, {reason: 1}, N_SQUARE)
    assert (second.n_used, second.skipped, second.n_voxels) == (2, {}, 2 * N_SQUARE)
    assert mask.labels.any(axis=(1, 2)).tolist() == [False, True, False, True, True, False]
    assert mask.warnings == {SeriesWarning.W_LABEL_PARTIAL}


def test_a_contour_whose_text_is_no_number_is_skipped() -> None:
    dataset = two_regions()
    tag = Tag("ContourData")
    raw = RawDataElement(tag, "DS", 8, b"1\\2\\what", 0, is_implicit_VR=False, is_little_endian=True)
    contour_of(dataset, 0)[tag] = raw
    assert read(dataset).regions[0].skipped == {"unreadable": 1}


def test_a_region_beyond_the_scan_leaves_the_others() -> None:
    dataset = two_regions()
    far_above(contour_of(dataset, 1, 0))
    far_above(contour_of(dataset, 1, 1))
    mask = read(dataset)
    assert [region.n_voxels for region in mask.regions] == [2 * N_SQUARE, 0]
    assert mask.warnings == {SeriesWarning.W_LABEL_PARTIAL}


def between_slices(contour: Any) -> None:
    contour.ContourData = [value + 1.5 if place % 3 == 2 else value for place, value in enumerate(contour.ContourData)]


def across_slices(contour: Any) -> None:
    contour.ContourData = [
        value + place if place % 3 == 2 else value for place, value in enumerate(contour.ContourData)
    ]


@pytest.mark.parametrize(("move", "reason"), [(between_slices, "between_slices"), (across_slices, "not_in_a_slice")])
def test_a_contour_that_is_on_no_slice_refuses_its_region_alone(move: Any, reason: str) -> None:
    dataset = two_regions()
    move(contour_of(dataset, 1))
    mask = read(dataset)
    assert mask.regions[1].skipped == {reason: 1, "region_refused": 1}
    assert [(region.n_used, region.n_voxels) for region in mask.regions] == [(2, 2 * N_SQUARE), (0, 0)]
    assert mask.warnings == {SeriesWarning.W_LABEL_PARTIAL}


def test_one_point_between_slices_refuses_nothing() -> None:
    dataset = two_regions()
    with_one_point(contour_of(dataset, 0))
    between_slices(contour_of(dataset, 0))
    assert read(dataset).regions[0].skipped == {"few_points": 1}


@pytest.mark.parametrize("kind", ["POINT", "OPEN_PLANAR", "OPEN_NONPLANAR"])
def test_what_encloses_nothing_by_its_nature_is_no_loss(kind: str) -> None:
    dataset = two_regions()
    for n in (0, 1):
        contour_of(dataset, 0, n).ContourGeometricType = kind
        between_slices(contour_of(dataset, 0, n))
    mask = read(dataset)
    assert (mask.regions[0].skipped, mask.warnings) == ({"open": 2}, set())


@pytest.mark.parametrize("kind", [None, "", "INTERPOLATED_PLANAR", "closed_planar"])
def test_interpolated_contours_and_those_without_a_type_are_drawn(kind: str | None) -> None:
    dataset = two_regions()
    for n in (0, 1):
        if kind is None:
            del contour_of(dataset, 0, n).ContourGeometricType
        else:
            element = DataElement("ContourGeometricType", "CS", kind, validation_mode=IGNORE)
            contour_of(dataset, 0, n).add(element)
    assert read(dataset).regions[0].n_voxels == 2 * N_SQUARE


def test_only_contours_of_the_type_xor_are_odd_even() -> None:
    dataset = structures({"a": [outline(SOURCE, 2, SQUARE)] * 2})
    assert read(dataset).labels.sum() == N_SQUARE
    for n in (0, 1):
        contour_of(dataset, 0, n).ContourGeometricType = "CLOSEDPLANAR_XOR"
    assert not read(dataset).labels.any()


def test_a_region_without_contours_is_empty_and_no_loss() -> None:
    dataset = two_regions()
    del dataset.ROIContourSequence[0]
    mask = read(dataset)
    assert ([region.n_voxels for region in mask.regions], mask.warnings) == ([0, 2 * N_SQUARE], set())


def test_a_region_of_another_frame_of_reference_leaves_the_others() -> None:
    dataset = two_regions()
    dataset.StructureSetROISequence[0].ReferencedFrameOfReferenceUID = "9.9"
    mask = read(dataset)
    assert mask.regions[0].skipped == {"other_frame_of_reference": 2}
    assert [region.n_voxels for region in mask.regions] == [0, 2 * N_SQUARE]
    assert mask.warnings == {SeriesWarning.W_LABEL_PARTIAL}


@pytest.mark.parametrize("number", [None, 7])
def test_contours_of_no_region_are_a_loss(number: int | None) -> None:
    dataset = two_regions()
    if number is None:
        del dataset.ROIContourSequence[1].ReferencedROINumber
    else:
        dataset.ROIContourSequence[1].ReferencedROINumber = number
    mask = read(dataset)
    assert ([region.n_used for region in mask.regions], mask.warnings) == ([2, 0], {SeriesWarning.W_LABEL_PARTIAL})


def test_contours_of_a_region_in_two_items_are_all_drawn() -> None:
    dataset = two_regions()
    dataset.ROIContourSequence[1].ReferencedROINumber = 1
    assert [region.n_used for region in read(dataset).regions] == [4, 0]


def test_a_mask_of_which_nothing_lies_on_the_slices_is_refused() -> None:
    dataset = two_regions()
    for region in (0, 1):
        for n in (0, 1):
            far_above(contour_of(dataset, region, n))
    with pytest.raises(MaskMismatchError, match="mm from the nearest slice"):
        read(dataset)


@pytest.mark.parametrize(
    ("places", "is_sparse"),
    [
        ((0, 1, 2, 3), False),
        ((0, 2, 4), True),
        ((1, 3), True),
        ((0, 3, 6, 9), True),
        ((0, 5, 10), True),
        ((0, 1, 2, 4, 5), True),
        ((1, 2, 3, 8, 9, 10), False),
        ((3,), False),
    ],
)
def test_contours_on_some_slices_of_an_extent_are_sparse(places: tuple[int, ...], is_sparse: bool) -> None:  # noqa: FBT001
    source = grid(12)
    mask = read(structures({"a": [outline(source, k, SQUARE) for k in places]}), source)
    assert (SeriesWarning.W_LABEL_SPARSE in mask.warnings) == is_sparse
    assert np.flatnonzero(mask.labels.any(axis=(1, 2))).tolist() == list(places)


def test_two_parts_at_different_places_are_not_sparse() -> None:
    source = grid(12)
    aside = [(x + 4.5, y) for x, y in [(0.0, 0.5), (2.0, 0.5), (2.0, 3.5), (0.0, 3.5)]]
    contours = [outline(source, k, SQUARE) for k in (2, 3)] + [outline(source, k, aside) for k in (5, 6)]
    assert read(structures({"a": contours}), source).warnings == set()
