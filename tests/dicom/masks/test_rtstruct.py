from typing import Any

import numpy as np
import pytest
from masked import grid, outline, structures

from pipeline.dicom.masks.rtstruct import read_structures
from pipeline.limits import Limits
from pipeline.masks.drawn import RegionChoice
from pipeline.masks.grid import Labels, MaskMismatchError, SourceGrid

SQUARE = [(0.5, 0.5), (4.5, 0.5), (4.5, 3.5), (0.5, 3.5)]
HOLE = [(1.5, 1.5), (2.5, 1.5), (2.5, 2.5), (1.5, 2.5)]


def labels_of(dataset: Any, source: SourceGrid, roi: str | None) -> Labels | None:
    mask = read_structures(dataset, source, RegionChoice(roi), Limits())
    return None if mask is None else mask.labels


def test_a_contour_marks_the_pixels_inside_on_its_slice() -> None:
    source = grid()
    found = labels_of(structures({"gtv": [outline(source, 2, SQUARE)]}), source, None)
    expected = np.zeros(source.shape, np.uint8)
    expected[2, 1:4, 1:5] = 1
    assert found is not None
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)


def test_slices_of_a_tilted_stack_are_found_by_their_height() -> None:
    source = grid(tilt=1.3)
    found = labels_of(structures({"gtv": [outline(source, 3, SQUARE)]}), source, None)
    assert found is not None
    assert np.argwhere(found).min(axis=0).tolist() == [3, 1, 1]


def test_a_contour_within_another_is_a_hole() -> None:
    source = grid()
    rings = structures({"gtv": [outline(source, 1, SQUARE), outline(source, 1, HOLE)]})
    found = labels_of(rings, source, None)
    assert found is not None
    assert (int(found.sum()), found[1, 2, 2]) == (3 * 4 - 1, 0)


def test_regions_are_numbered_as_they_were_and_chosen_by_their_names() -> None:
    source = grid()
    dataset = structures({"body": [outline(source, 0, SQUARE)], "GTV 1": [outline(source, 1, SQUARE)], "GTV 2": []})
    both = labels_of(dataset, source, None)
    one = labels_of(dataset, source, "^GTV")
    assert both is not None
    assert one is not None
    assert [int(both[k].max()) for k in (0, 1)] == [1, 2]
    assert [int(one[k].max()) for k in (0, 1)] == [0, 1]
    assert labels_of(dataset, source, "lung") is None


def test_points_and_open_lines_enclose_nothing() -> None:
    source = grid()
    dataset = structures({"gtv": [outline(source, 2, SQUARE)]})
    dataset.ROIContourSequence[0].ContourSequence[0].ContourGeometricType = "OPEN_PLANAR"
    found = labels_of(dataset, source, None)
    assert found is not None
    assert not found.any()


@pytest.mark.parametrize("off_mm", [0.8, 1.5, 40.0])
def test_a_contour_between_slices_or_beyond_was_drawn_on_something_else(off_mm: float) -> None:
    source = grid()
    contour = outline(source, 3, SQUARE) + np.array([0, 0, off_mm])
    with pytest.raises(MaskMismatchError, match="mm from the nearest slice"):
        labels_of(structures({"gtv": [contour]}), source, None)


def test_another_frame_of_reference_is_refused() -> None:
    source = grid()
    with pytest.raises(MaskMismatchError, match="another frame of reference"):
        labels_of(structures({"gtv": [outline(source, 1, SQUARE)]}, frame="9.9"), source, None)
